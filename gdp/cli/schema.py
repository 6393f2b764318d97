"""`gdp schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gdp.cli.common import State
from gdp.console import print_json
from gdp.core.errors import GdpError
from gdp.core.files import write_atomically


def schema(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this file instead of standard output.")
    ] = None,
) -> None:
    """Print the JSON Schema of a recipe for the installed plugins; editors complete and check recipes with it.

    A recipe names the file in its first line: #:schema recipe.schema.json

    Example: gdp schema --output recipe.schema.json
    """
    from gdp.tools.schema import recipe_schema

    state: State = context.obj
    data = recipe_schema(state.registry)
    if output is None:
        print_json(data)
        return
    if not output.parent.is_dir():
        raise GdpError(f"{output}: cannot be written (No such file or directory). Name another file with --output.")
    write_atomically(output, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())
    typer.echo(f"wrote {output}")
