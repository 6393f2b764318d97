"""`gdp estimate`."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import (
    DeviceOption,
    FolderOption,
    MemoryOption,
    RecipeArgument,
    SetOption,
    keeps_nothing,
    with_memory,
)
from gdp.console import choose_progress, print_json, print_table
from gdp.core.errors import BudgetError
from gdp.core.progress import Stopped

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry

WIDTH = 80
"""Columns of what is told beside the tables."""


@keeps_nothing()
def estimate(
    context: typer.Context,
    recipe: RecipeArgument,
    folder: FolderOption = None,
    set_: SetOption = None,
    device: DeviceOption = "auto",
    memory: MemoryOption = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long each work is watched, about.")] = 5.0,
    keep: Annotated[
        float | None,
        typer.Option("--keep", min=0.0, max=1.0, help="Share of the pairs that the filters keep. Default: as tried."),
    ] = None,
    price: Annotated[float | None, typer.Option("--price", min=0.0, help="What this machine costs, in $/h.")] = None,
    prices: Annotated[
        Path | None,
        typer.Option("--prices", metavar="FILE", help="Machines for rent, a TOML file. Default: gdp's own list."),
    ] = None,
    pay: Annotated[
        bool,
        typer.Option("--pay", help="Let paid plugins be tried on 16 pairs; what that costs at most is said first."),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the estimate as JSON.")] = False,
) -> None:
    """Estimate time, memory, disk, calls and money of a run, from a probe of a few steps of each stage.

    Each kind of work (synthesis, forward passes, training, projection, files, services) is reckoned by its own ratio on
    each machine. Paid services are not asked without --pay, nothing is written into the run folder, and finished
    stages count for nothing.

    Example: gdp estimate stylegan-age --set train.steps=5000 --price 0.4
    """
    from gdp.tools.estimate.instances import read_prices
    from gdp.tools.run_recipes import require_recipe

    require_recipe(recipe)
    offered = read_prices(prices)
    from gdp.api import open_session

    registry: PluginRegistry = context.obj.registry
    progress = choose_progress()
    session = open_session(
        recipe, folder=folder, overrides=with_memory(set_, memory), device=device, registry=registry, progress=progress
    )
    from gdp.support.measuring import process_seconds
    from gdp.tools.estimate.offers import offers
    from gdp.tools.estimate.probing import estimate as probe
    from gdp.tools.estimate.table import OFFER_COLUMNS, PART_COLUMNS, notes, offer_rows, part_rows, to_data

    if pay:
        from gdp.tools.estimate.paying import allow_paying

        session.rehearses = True  # a teacher may still have to be trained
        typer.echo(allow_paying(session, pairs_alone=False), err=True)
    try:
        found = probe(session, seconds, progress, keep, process_seconds() or 0.0)
    except Stopped as stop:
        raise BudgetError(f"{stop}: more is asked for than the plugins foretold, and nothing more was paid") from stop
    rented = offers(found, offered)
    if json_:
        print_json(to_data(found, offered, rented, price))
        return
    print_table(PART_COLUMNS, part_rows(found))
    typer.echo()
    print_table(OFFER_COLUMNS, offer_rows(rented))
    typer.echo()
    for line in notes(found, offered, rented, price):
        typer.echo(textwrap.fill(line, WIDTH, subsequent_indent="  "))
