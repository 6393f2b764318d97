"""`gdp list-plugins`."""

from __future__ import annotations

from typing import Annotated

import typer

from gdp.cli.common import State
from gdp.console import print_json, print_line, print_table
from gdp.registry import PluginRow


def list_plugins(
    context: typer.Context,
    json_: Annotated[bool, typer.Option("--json", help="Print every row with all that is known, as JSON.")] = False,
) -> None:
    """Show which plugins are installed, and why some cannot be used.

    Example: gdp list-plugins --json
    """
    state: State = context.obj
    rows = state.registry.rows
    if json_:
        print_json([row.to_data() for row in rows])
        return
    columns = ("KIND", "NAME", "SUMMARY", "PACKAGE", "VERSION", "STATUS", "NEEDS", "LICENCE")
    ordered = sorted(rows, key=lambda row: (row.kind == "", row.kind, row.name))
    spare = ("LICENCE", "VERSION", "PACKAGE", "NEEDS")  # --json and gdp describe tell them at any width
    print_table(columns, [_cells(row) for row in ordered], spare)
    for row in rows:
        _print_remarks(row)
    _print_lacking(ordered)


def _cells(row: PluginRow) -> tuple[str, ...]:
    needs = f"{row.needs} (missing: {row.missing})" if row.missing else row.needs
    needs += (", " if needs else "") + "sends images elsewhere" if row.images_leave_machine else ""
    status = "lacks something" if row.status == "ok" and row.missing else row.status
    cells = (row.kind, row.name, row.summary, row.package, row.version, status, needs, row.licence)
    return tuple(cell or "-" for cell in cells)


def _print_lacking(rows: list[PluginRow]) -> None:
    """Tell what plugins need that is not here, once for all that need it."""
    lacking: dict[str, list[str]] = {}
    for row in rows:
        if row.status == "ok" and row.missing:
            lacking.setdefault(row.install or row.missing, []).append(f"{row.kind} {row.name}")
    for needed, names in lacking.items():
        mend = "" if needed.startswith("$") else f": pip install '{needed}'"
        typer.echo("")
        print_line(f"{', '.join(names)} {'needs' if len(names) == 1 else 'need'} {needed}{mend}")


def _print_remarks(row: PluginRow) -> None:
    if row.reason and row.status != "disabled":
        what = "has a clash" if row.status == "clash" else f"is {row.status}"
        typer.echo(f"\n{row.name} of {row.package} ({row.entry_point}) {what}: {row.reason}\n  {row.mend}")
    if row.note:
        typer.echo(f"\n{row.name} of {row.package}: {row.note}")
