"""`gdp report`."""

from __future__ import annotations

from typing import Annotated

import typer

from gdp.cli.common import NewestRunArgument, State, newest_if_none, short_path
from gdp.console import print_json
from gdp.core.run_folder import find_run


def report(
    context: typer.Context,
    run: NewestRunArgument = None,
    price: Annotated[
        float | None,
        typer.Option(
            "--price", min=0.0, max=1e6, help="What a machine like the run's costs, in $/h.", show_default=False
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print where it was written as JSON.")] = False,
) -> None:
    """Make a run's report.html again from what its folder holds.

    Example: gdp report runs/stylegan-age --open
    """
    found = find_run(newest_if_none(run))
    folder = found.path
    from gdp.tools.report import read_folder, write_report

    state: State = context.obj
    page = write_report(read_folder(folder, lambda: state.registry), price)
    found.record_files("report", [page])
    if json_:
        print_json({"folder": str(folder), "report": str(page)})
    else:
        typer.echo(short_path(page))
    if open_:
        typer.launch(str(page))
