"""`gdp pairs`. torch is imported when it starts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gdp.cli.common import RunArgument, quoted_path, short_path
from gdp.cli.histograms import print_summary
from gdp.console import choose_progress, print_json, print_line, print_table
from gdp.core.errors import GdpError, UsageError

if TYPE_CHECKING:
    from gdp.core.pairs.records import Score
    from gdp.core.pairs.store import PairStore
    from gdp.core.run.session import Session
    from gdp.registry import PluginRegistry
    from gdp.support.expressions import Expression
    from gdp.tools.select.table import PairTable

LISTED = 20
"""Pairs listed where --limit says nothing."""
ON_SHEET = 200
"""Pairs on a sheet where --limit says nothing."""


def pairs(
    context: typer.Context,
    run: RunArgument,
    where: Annotated[
        str | None, typer.Option("--where", help="Only pairs that meet this, such as \"decision == 'drop'\".")
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="Order by a score; with a minus before it, largest first.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help=f"Pairs to list ({LISTED}) or show on the sheet ({ON_SHEET}).")
    ] = None,
    sheet: Annotated[Path | None, typer.Option("--sheet", help="Write their pictures to this .png or .html.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all that is known of them to this file.")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Forget pairs whose files were damaged; gdp run makes them again.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print all that is shown as JSON.")] = False,
) -> None:
    """Show a run's pairs: how many, what the filters said of them, their scores as histograms, their pictures.

    --where and --sort take scores (source_age, sharpness.target), calculations with them, and of the pair itself
    index, decision (keep, drop, pending), filter, reason and split. A run that is at work can be looked at, too.

    Example: gdp pairs runs/stylegan-age --where "source_age < 20"
    """
    from gdp.api import look_at
    from gdp.core.run_folder import find_run
    from gdp.support.expressions import parse_condition, parse_value
    from gdp.tools.select.requests import check_sheet

    find_run(run)
    if sheet is not None:
        check_sheet(sheet)
    condition, order = _read("--where", where, parse_condition), _read("--sort", sort, parse_value)
    names = {reference.name: None for each in (condition, order) if each for reference in each.references}
    registry: PluginRegistry = context.obj.registry
    session = look_at(run, registry=registry, progress=choose_progress())
    if repair:
        _repair(session, json_)
        return
    from gdp.core.run.opening import open_pairs
    from gdp.tools.select.table import read_table
    from gdp.tools.select.writing import write_csv

    store, made = open_pairs(session)
    with store:
        table = read_table(session, store, made)
        rows = table.select(condition, order)
        if csv is not None:
            write_csv(csv, table, rows[:limit])
        if sheet is not None:
            _write_sheet(sheet, store, table, rows[: ON_SHEET if limit is None else limit], where, list(names))
    selected = where is not None or sort is not None or limit is not None
    folder = str(session.folder.path)
    if json_:
        print_json(_data(folder, table, rows, rows[:limit] if selected else None))
        return
    _print_overview(short_path(session.folder.path), table)
    if where is not None:
        typer.echo(f"\n{len(rows):,} of {len(table):,} pairs meet: {where}")
    print_summary(table, rows)
    if selected:
        _print_pairs(table, rows[: LISTED if limit is None else limit], list(names))
    for file in (path for path in (csv, sheet) if path is not None):
        typer.echo(f"written: {short_path(file)}")


def _repair(session: Session, json_: bool) -> None:
    from gdp.tools.doctor import repair_run

    forgotten, folder = repair_run(session), session.folder.path
    if json_:
        print_json({"folder": str(folder), "forgotten": forgotten})
    elif forgotten:
        typer.echo(
            f"{len(forgotten):,} pairs were damaged and are forgotten; gdp run {quoted_path(folder)} makes them again"
        )
    else:
        typer.echo(f"{short_path(folder)}: no pair is damaged")


def _read(option: str, text: str | None, parse: Callable[[str], Expression]) -> Expression | None:
    """Read an expression before anything is opened."""
    if text is None:
        return None
    try:
        return parse(text)
    except GdpError as error:
        raise UsageError(f"{option}: {error}") from None


def _write_sheet(
    path: Path, store: PairStore, table: PairTable, rows: list[int], where: str | None, names: list[str]
) -> None:
    from gdp.tools.select.writing import write_sheet

    readers = {name: table.reader(name) for name in names}
    captions = [
        table.reasons[row] or "  ".join(f"{name} {_text(read(row))}" for name, read in readers.items()) for row in rows
    ]
    shown = f"{len(rows):,} of {len(table):,} pairs" + (f" where {where}" if where else "")
    write_sheet(
        path,
        store,
        table,
        rows,
        title=store.folder.parent.parent.name,
        subtitle=shown,
        captions=captions,
        progress=choose_progress(),
    )


def _counts(table: PairTable) -> dict[str, int]:
    decisions, splits = Counter(table.decisions), Counter(table.splits)
    return {
        "made": len(table),
        "kept": decisions["keep"],
        "dropped": decisions["drop"],
        "pending": decisions["pending"],
        "train": splits["train"],
        "held_out": splits["held_out"],
    }


def _print_overview(folder: str, table: PairTable) -> None:
    counts = _counts(table)
    pending = f", {counts['pending']:,} not judged yet" if counts["pending"] else ""
    print_line(
        f"{folder}: {counts['made']:,} pairs made, {counts['kept']:,} kept ({counts['train']:,} to train on, "
        f"{counts['held_out']:,} held out), {counts['dropped']:,} dropped{pending}"
    )
    rows = []
    for row in table.funnel:
        name = f"{row['filter']} (only measures)" if row["only_score"] else str(row["filter"])
        rows.append((name, *(f"{row[key]:,}" for key in ("input", "kept", "dropped", "unknown"))))
        rows += [(f"  {reason}", "", "", f"{count:,}", "") for reason, count in row["reasons"].items()]
    if rows:
        typer.echo("")
        print_table(("FILTER", "INPUT", "KEPT", "DROPPED", "UNKNOWN"), rows)


def _print_pairs(table: PairTable, rows: list[int], names: list[str]) -> None:
    readers = {name: table.reader(name) for name in names if name not in table.known[""]}
    typer.echo("")
    if not rows:
        return
    columns = ("INDEX", "SPLIT", "DECISION", "FILTER", "REASON", *(name.upper() for name in readers))
    cells = [
        (
            str(table.indices[row]),
            table.splits[row] or "-",
            table.decisions[row],
            table.filters[row] or "-",
            table.reasons[row] or "-",
            *(_text(read(row)) for read in readers.values()),
        )
        for row in rows
    ]
    print_table(columns, cells)


def _text(values: list[Score]) -> str:
    """Show a score; where its name asks for each picture's, all of them."""
    return " / ".join(
        "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value) for value in values
    )


def _data(folder: str, table: PairTable, rows: list[int], listed: list[int] | None) -> dict[str, Any]:
    from gdp.tools.select.table import summarise

    data: dict[str, Any] = {"folder": folder, **_counts(table), "matching": len(rows), "filters": table.funnel}
    data["scores"] = [dataclasses.asdict(summary) for summary in summarise(table, rows)]
    if listed is not None:
        data["pairs"] = [_pair(table, row) for row in listed]
    return data


def _pair(table: PairTable, row: int) -> dict[str, Any]:
    scores = dict(table.scores(row))
    return {**scores.pop(""), "filters": scores}
