"""`gdp make-judge`. torch is imported when it starts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gdp.console import print_json, print_line


def make_judge(
    name: Annotated[str | None, typer.Argument(help="Which, as --list shows it.", show_default=False)] = None,
    source: Annotated[
        Path | None, typer.Argument(help="What its authors publish: see --list.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="The file to write. Default: NAME, here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Show which there are, from what, and under which licence.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the card (or the list) as JSON.")] = False,
) -> None:
    """Make a judge of photographed faces from the weights that its authors publish; nothing in them is run.

    A card in JSON stands beside the file: where it came from, its licence, what it was trained on, how a recipe uses
    it.

    Example: gdp make-judge face-api vladmandic-face-api-1.7.15.tgz
    """
    from gdp.plugins.face_ages.judges import JUDGES, make

    if list_:
        if json_:
            print_json([{"name": name, **asdict(judge)} for name, judge in JUDGES.items()])
            return
        for known, judge in JUDGES.items():
            for line in (f"{known}: {judge.what}", f"  from: {judge.source}", f"  licence: {judge.licence}"):
                print_line(line)
        return
    if name is None or source is None:
        raise typer.BadParameter("name a judge and what it is made from; --list shows them")
    target, card = make(name, source, output, overwrite=overwrite)
    if json_:
        print_json({**card, "path": str(target)})
        return
    typer.echo(f"{target}: {card['what']}")
    for line in (f"licence: {card['licence']}", f"trained on: {card['training_data']}", str(card["use"])):
        typer.echo("  " + line.replace("\n", "\n  "))
