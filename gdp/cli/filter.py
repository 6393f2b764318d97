"""`gdp filter`. torch is imported when the new filters are known to be good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gdp.cli.common import DeviceOption, RunArgument, end_unfinished, quoted_path, stopped_by
from gdp.cli.completion import complete_recipe
from gdp.console import choose_progress, print_json, print_table, stop_on_signal

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry
    from gdp.tools.select.refilter import Refiltering


def filter_(
    context: typer.Context,
    run: RunArgument,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as filters.0.min_age=21. Repeatable."),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            "--recipe", help="Recipe with the new filters. Default: the run's own.", autocompletion=complete_recipe
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be kept and change nothing.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Let filters look at pairs that they have no scores of.")
    ] = False,
    device: DeviceOption = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print both funnels as JSON.")] = False,
) -> None:
    """Judge a run's pairs by new thresholds, from the scores that it has stored: nothing is measured or paid again.

    Unless it is a dry run, the run's recipe, verdicts, split and funnel become the new ones, and gdp run RUN goes on
    from there: what was trained on other pairs is trained again.

    Example: gdp filter runs/stylegan-age --set filters.0.min_age=21 --dry-run
    """
    if dry_run and measure:
        raise typer.BadParameter("a dry run measures nothing; leave one of the two out", param_hint="--measure")
    from gdp.tools.select.requests import RefilterRequest, read_new_filters

    registry: PluginRegistry = context.obj.registry
    asked = read_new_filters(RefilterRequest(run, recipe, set_ or ()), registry)
    from gdp.api import choose_device
    from gdp.tools.select.refilter import open_refiltering

    with stop_on_signal() as stop_requested:
        found = open_refiltering(
            asked,
            registry,
            device=choose_device(device),
            progress=choose_progress(),
            stop_requested=stop_requested,
        )
        if dry_run:
            found.require_known()
            finished = True
        else:
            finished = found.apply(measure=measure)
    if json_:
        print_json(_data(found, dry_run, finished))
    elif not finished:
        by = stopped_by(stop_requested, "a limit")
        typer.echo(f"stopped by {by}; gdp run {quoted_path(found.session.folder.path)} goes on from here")
    else:
        print_table(("", "BEFORE", "AFTER", "CHANGE"), list(_rows(found.before, found.after)))
        typer.echo(_what_next(found, dry_run))
    if not finished:
        end_unfinished(stop_requested)


def _rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Put two funnels beside each other: what each filter let through, and why it dropped what it dropped."""
    yield _row("made", before.get("made"), after.get("made"))
    old = {str(row["filter"]): row for row in before.get("filters", ())}
    new = {str(row["filter"]): row for row in after.get("filters", ())}
    for name in [*new, *(name for name in old if name not in new)]:
        rows = old.get(name), new.get(name)
        yield _row(f"{name} keeps", *(None if row is None else row["kept"] for row in rows))
        reasons = [{} if row is None else row["reasons"] for row in rows]
        for reason in {**reasons[1], **reasons[0]}:
            counts = (None if row is None else count.get(reason, 0) for row, count in zip(rows, reasons, strict=True))
            yield _row(f"  {reason}", *counts)
    yield _row("kept", before.get("kept"), after.get("kept"))


def _row(label: str, before: int | None, after: int | None) -> tuple[str, ...]:
    change = "" if before is None or after is None or before == after else f"{after - before:+,}"
    return (label, *("-" if count is None else f"{count:,}" for count in (before, after)), change)


def _what_next(found: Refiltering, dry_run: bool) -> str:
    folder = quoted_path(found.session.folder.path)
    stale = ", ".join(found.stale)
    if dry_run:
        would = f"{stale} would have to be done again" if stale else "nothing that is trained would have to change"
        return f"dry run: nothing was changed; {would}"
    if stale:
        return f"{stale}: of other pairs than are kept now; gdp run {folder} does them again"
    return f"the run's filters are the new ones; gdp run {folder} goes on from here"


def _data(found: Refiltering, dry_run: bool, finished: bool) -> dict[str, Any]:
    return {
        "folder": str(found.session.folder.path),
        "dry_run": dry_run,
        "state": "finished" if finished else "stopped",
        "before": found.before,
        "after": found.after,
        "stale": found.stale,
    }
