"""`--executor`, `--workers` and what else says which workers share a command's work."""

from __future__ import annotations

from typing import Annotated

import typer

from gdp.cli.completion import complete_executor

ExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="NAME",
        help="Let workers do it: processes (of this machine) or ray; see docs/several_machines.md.",
        autocompletion=complete_executor,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, help="How many workers. Default: one a GPU or processor core."),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option("--ray-address", metavar="ADDRESS", help="Of a Ray cluster, as auto or ray://head:10001."),
]
HandOverOption = Annotated[
    str | None,
    typer.Option(
        "--hand-over",
        metavar="PLACE",
        help="Where workers hand pairs over: a folder or s3://bucket/prefix that all reach. Default: in the run's.",
    ),
]
PatienceOption = Annotated[
    float | None,
    typer.Option(
        "--patience", metavar="SECONDS", min=1.0, help="Replace a worker that says nothing for so long. Default: 600."
    ),
]
