"""`gdp doctor`. torch is imported when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gdp.console import print_json


def doctor(
    run: Annotated[Path, typer.Argument(help="The run folder, or the name of a run in runs/.", show_default=False)],
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what needs no training: damaged pair stores, lost manifests.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Look at every file of a run: whether it is there, readable, and what the run left; say what mends it.

    Ends with 0 where the run is whole, with 1 where something is wrong. `gdp run` makes most of it again by itself.

    Example: gdp doctor runs/stylegan-age --repair
    """
    from gdp.tools.doctor import examine, find_any_run
    from gdp.tools.doctor import repair as mend

    folder = find_any_run(run)
    found = examine(folder)
    if repair and found:
        mend(folder)
        found = examine(folder)
    if json_:
        print_json({"folder": str(folder.path), "whole": not found, "damaged": [damage.data() for damage in found]})
    elif not found:
        typer.echo(f"{folder.path}: whole")
    else:
        for damage in found:
            typer.echo(f"{damage.file}: {damage.problem}\n    {damage.mend}")
        typer.echo(f"{folder.path}: {len(found)} files are damaged")
    if found:
        raise typer.Exit(1)
