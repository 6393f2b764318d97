"""`gdp fetch-data`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gdp.cli.common import State
from gdp.cli.completion import plugins_of
from gdp.console import choose_progress, print_json, print_table
from gdp.core.errors import named_by_option
from gdp.support.downloads.records import DownloadRecord
from gdp.support.downloads.unpacking import count_pictures


def fetch_data(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of the set, as --list shows it.", show_default=False, autocompletion=plugins_of("download")
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Folder that holds the sets.")] = Path("datasets"),
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="URL",
            help="Server that has NAME.zip (https, or http on this machine). Default: $GDP_MIRROR, or the publisher's.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show which sets there are, and fetch none.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the outcome (or the list) as JSON.")] = False,
) -> None:
    """Download a public set of pictures and unpack it, or use the one that is in place.

    A broken download goes on where it was when the same command is given again.

    Example: gdp fetch-data monet2photo
    """
    state: State = context.obj
    if list_:
        _print_sets(state.registry.records("download"), folder, json_)
        return
    if name is None:
        raise typer.BadParameter("name a set, as in gdp fetch-data monet2photo; --list shows them all")
    with named_by_option():
        record = state.registry.get("download", name)
    from gdp.support.downloads.sets import fetch_set

    found = fetch_set(record, folder, mirror=mirror, progress=choose_progress())
    if json_:
        print_json({**asdict(found), "folder": str(found.folder), "licence": record.licence})
        return
    counts = ", ".join(f"{part} {count}" for part, count in found.pictures.items())
    typer.echo(f"{'fetched' if found.fetched else 'already in place'}: {found.folder} ({counts})")
    typer.echo(record.licence)


def _print_sets(records: list[DownloadRecord], folder: Path, json_: bool) -> None:
    rows = [_row(record, folder) for record in records]
    if json_:
        print_json(rows)
        return
    columns = ("NAME", "SIZE", "PICTURES", "IN PLACE", "SUMMARY", "LICENCE")
    print_table(columns, [_cells(row) for row in rows], ("PICTURES", "LICENCE"))  # of one set it is told when fetched


def _row(record: DownloadRecord, folder: Path) -> dict[str, Any]:
    target = folder / record.name
    return {
        "name": record.name,
        "summary": record.summary,
        "bytes": record.size,
        "pictures": dict(record.parts),
        "licence": record.licence,
        "urls": list(record.urls),
        "package": record.package,
        "folder": str(target),
        "in_place": all(count_pictures(target, record.parts).values()),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["name"],
        f"{row['bytes'] / 1e6:,.0f} MB",
        f"{sum(row['pictures'].values()):,}",
        row["folder"] if row["in_place"] else "-",
        row["summary"],
        row["licence"],
    )
