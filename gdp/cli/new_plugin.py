"""`gdp new-plugin`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from gdp.cli.common import State
from gdp.cli.completion import complete_kind
from gdp.console import print_json
from gdp.scaffold.kinds import LICENCES, SCAFFOLDS
from gdp.scaffold.names import choose_names, parse_kind
from gdp.scaffold.writing import write_package


def new_plugin(
    context: typer.Context,
    kind: Annotated[
        str, typer.Argument(help=f"One of {', '.join(SCAFFOLDS)}.", show_default=False, autocompletion=complete_kind)
    ],
    name: Annotated[str, typer.Argument(help="What recipes will call it, such as contrast.", show_default=False)],
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Where the package's folder is made.")] = Path(),
    author: Annotated[
        str, typer.Option("--author", help="Goes into pyproject.toml and the licence.", show_default="nobody by name")
    ] = "",
    licence: Annotated[str, typer.Option("--licence", help=f"One of {', '.join(LICENCES)}.")] = "Apache-2.0",
    json_: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a package with a plugin that works: record, settings, implementation, tests, CI file, README.

    It does something small of its kind; replace that by what yours is to do. docs/writing_plugins.md is the guide.

    Example: gdp new-plugin filter contrast
    """
    state: State = context.obj
    parsed = parse_kind(kind)
    taken = [row.name for row in state.registry.rows if row.kind == parsed]
    package = write_package(choose_names(parsed, name, taken), folder, author, licence)
    steps = [
        f"cd {shlex.quote(str(package.folder))}",
        "python -m pip install --editable '.[test]'",
        "python -m pytest",
        f"gdp describe {parsed} {package.names.plugin}",
    ]
    if json_:
        print_json({
            "kind": parsed, "name": package.names.plugin, "package": package.names.distribution,
            "module": package.names.module, "folder": str(package.folder), "files": package.files, "next": steps,
        })  # fmt: skip
        return
    typer.echo(f"{package.folder}: {package.names.article} {parsed} called {package.names.plugin}")
    for line in [*package.files, "", "Next:", *steps]:
        typer.echo(f"  {line}".rstrip())
