"""`gdp runs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gdp.console import format_seconds, print_json, print_table
from gdp.core.errors import CorruptFileError
from gdp.core.locks import is_held
from gdp.core.run_folder import LOCK, RunFolder, find_run, is_like_run


def runs(
    root: Annotated[Path, typer.Option("--root", help="Folder that holds the run folders.")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print the runs as JSON.")] = False,
) -> None:
    """Show which runs are here, their state and their folders.

    Example: gdp runs --root runs
    """
    rows = sorted(_read_runs(root), key=lambda row: str(row["updated_at"]))
    if json_:
        print_json(rows)
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
            about, stages = find_run(folder.path.absolute()).read_json("run.json", {}), folder.stages()
            if about.get("state") == "finished" and not stages and (folder.path / "keys.json").is_file():
                raise CorruptFileError(f"{folder.path}: it has finished, and lost its stages.json.")
        except CorruptFileError as error:
            yield {**row, "state": "unreadable", "reason": str(error), "stages": [], "seconds": 0.0, "updated_at": ""}
            continue
        state = str(about.get("state", "unknown"))
        yield {
            **row,
            "name": str(about.get("name", row["name"])),
            "state": "killed" if state == "running" and not is_held(folder.path / LOCK) else state,
            "stages": list(stages),
            "seconds": sum(_seconds(stage) for stage in stages.values()),
            "started_at": str(about.get("started_at", "")),
            "updated_at": str(about.get("updated_at", "")),
        }


def _seconds(stage: object) -> float:
    seconds = stage.get("seconds") if isinstance(stage, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    done = ", ".join(row["stages"]) or "-"
    return (row["name"], row["state"], done, format_seconds(row["seconds"]), row["updated_at"] or "-", row["folder"])
