"""`gdp convert`. torch is imported when it starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gdp.cli.common import State, short_path
from gdp.console import choose_progress, encodable, print_json, print_table


def convert(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="A .pkl, .pt, .pth or .npy file, of any name.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="The .safetensors file to write. Default: beside FILE."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option("--as", metavar="KIND", help="Its layout, as --list shows it. Default: found by its content."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="NAME", help="Which network of a checkpoint of several, such as G_A."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show which layouts are known, and convert nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the cards (or the list) as JSON.")] = False,
) -> None:
    """Convert a file of weights of another program to .safetensors with a card; nothing in the file is run.

    Example: gdp convert ffhq.pkl -o ffhq.safetensors
    """
    state: State = context.obj
    if list_:
        _print_layouts(state, json_)
        return
    if file is None:
        raise typer.BadParameter("name a file, as in gdp convert ffhq.pkl; --list shows which layouts are known")
    from gdp.tools import convert as conversion

    written = conversion.convert(
        file, state.registry, choose_progress(), target=output, layout=layout, key=key, overwrite=overwrite
    )
    if json_:
        print_json([{**part.card, "path": str(part.path)} for part in written])
        return
    for part in written:
        _print(
            f"{short_path(part.path)}: {part.card['what']}, {part.card['tensors']} tensors, "
            f"{part.card['bytes'] / 1e6:,.1f} MB"
        )
        for remark in part.card["remarks"]:
            _print(f"  {remark}")
        _print("  " + part.card["use"].replace("\n", "\n  "))
    if dropped := [line for part in written for line in part.card["dropped"]]:
        _print(f"left out: {'; '.join(dropped)}")
    _print(f"licence {written[0].card['licence']}")


def _print(text: str) -> None:
    typer.echo(encodable(text, sys.stdout.encoding))


def _print_layouts(state: State, json_: bool) -> None:
    records = state.registry.records("converter")
    if json_:
        print_json([{"name": record.name, "summary": record.summary, "package": record.package} for record in records])
        return
    print_table(("KIND", "SUMMARY", "PACKAGE"), [(record.name, record.summary, record.package) for record in records])
