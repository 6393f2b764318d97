"""`gdp train-teacher`. torch is imported when the recipe is known to be good."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import (
    FolderOption,
    MemoryOption,
    RecipeArgument,
    SetOption,
    end_unfinished,
    short_path,
    stopped_by,
    with_memory,
)
from gdp.cli.several import DevicesOption, company_of, progress_of, take_place
from gdp.console import print_json, stop_on_signal
from gdp.core.progress import StoppableProgress, Stopped

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry


def train_teacher(
    context: typer.Context,
    recipe: RecipeArgument,
    folder: FolderOption = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="WEIGHTS",
            help="Networks to begin with instead of random ones: a file of gdp train-teacher or gdp convert, "
            "builtin:NAME, or an https address with #sha256=.",
        ),
    ] = None,
    set_: SetOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="auto (a GPU where there is one), cpu, cuda or cuda:1. Default: as the recipe's [train] says."
        ),
    ] = None,
    devices: DevicesOption = None,
    memory: MemoryOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Train a teacher on pictures, or go on where its training stopped.

    Example: gdp train-teacher train-scenes64

    With your own pictures, from a public checkpoint: gdp train-teacher mine.toml --from ffhq256.safetensors
    """
    from gdp.core.recipe.text import read_recipe_text
    from gdp.tools.named_recipes import find_recipe

    read_recipe_text(*find_recipe(recipe))  # what is wrong with the file itself is told before plugins are looked for
    from gdp.api import train_teacher as train

    registry: PluginRegistry = context.obj.registry
    place = take_place(devices)
    with (
        stop_on_signal() as stop_requested,
        company_of(place, stop_requested) if place else nullcontext() as company,
    ):
        progress = StoppableProgress(progress_of(place), stop_requested)
        try:
            weights = train(
                recipe,
                folder=folder,
                from_weights=from_,
                overrides=with_memory(set_, memory),
                device=device,
                registry=registry,
                progress=progress,
                company=company,
            )
        except Stopped:
            weights = None
    if place is not None and not place.leads:
        return
    if json_:
        told = {"state": "finished", "weights": str(weights)}
        print_json(told if weights is not None else {"state": "stopped", "stopped_by": stopped_by(stop_requested, "")})
    elif weights is not None:
        typer.echo(f"finished: {short_path(weights)}")
    else:
        typer.echo(f"stopped by {stopped_by(stop_requested, '')}; the same command goes on from the newest checkpoint")
    if weights is None:
        end_unfinished(stop_requested)
