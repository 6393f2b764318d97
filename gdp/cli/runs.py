"""`gdp runs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gdp.cli.watch import describe_work
from gdp.console import format_seconds, print_json, print_table
from gdp.core.errors import CorruptFileError
from gdp.core.run_folder import RunFolder, find_run, is_like_run
from gdp.tools.watch import Sight, look


def runs(
    root: Annotated[Path, typer.Option("--root", help="Folder that holds the run folders.")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print the runs as JSON.")] = False,
) -> None:
    """Show which runs are here, their state and their folders; of those at work how far they are.

    Example: gdp runs --root runs
    """
    rows = sorted(_read_runs(root), key=lambda row: str(row["updated_at"]))
    if json_:
        print_json([{name: value for name, value in row.items() if name != "sight"} for row in rows])
    elif not rows:
        typer.echo(f"no runs in {root}")
    else:
        columns = ("NAME", "STATE", "STAGES DONE", "TIME", "UPDATED", "FOLDER")
        print_table(columns, [_cells(row) for row in rows], spare=("FOLDER", "UPDATED"))  # --json tells them
        for reason in (row["reason"] for row in rows if "reason" in row):
            typer.echo(reason, err=True)


def _read_runs(root: Path) -> Iterator[dict[str, Any]]:
    for folder in map(RunFolder, sorted(filter(is_like_run, root.glob("*/")))):
        row: dict[str, Any] = {"name": folder.path.name, "folder": str(folder.path)}
        try:
            sight = look(find_run(folder.path.absolute()))
        except CorruptFileError as error:
            yield {**row, "state": "unreadable", "reason": str(error), "stages": [], "seconds": 0.0, "updated_at": ""}
            continue
        data = sight.to_data()
        shown = ("name", "state", "stages", "stage", "work", "seconds", "started_at", "updated_at")
        yield {**row, **{name: data[name] for name in shown}, "sight": sight}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    done, sight = ", ".join(row["stages"]) or "-", row.get("sight")
    state = _state(sight) if isinstance(sight, Sight) else row["state"]
    return (row["name"], state, done, format_seconds(row["seconds"]), row["updated_at"] or "-", row["folder"])


def _state(sight: Sight) -> str:
    """Return the state of a run, of one that works with what it is at: `running: train 43 %, 5:12 left`."""
    told = describe_work(sight)
    return f"{sight.state}: {told}" if told else sight.state
