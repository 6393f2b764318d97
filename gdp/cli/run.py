"""`gdp run` and `gdp train-teacher`: the commands that work for minutes to days. torch is imported when they start."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.progress import choose_progress
from gdp.core.records import CORE_STAGES

if TYPE_CHECKING:
    from gdp.core.run.session import Session
    from gdp.registry import PluginRegistry
    from gdp.tools.estimate.limits import Limits

RecipeArgument = Annotated[Path, typer.Argument(help="The recipe, a TOML file.", show_default=False)]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", "-f", help="Run folder. Default: runs/<name of the recipe>.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting, as train.steps=200. Repeatable.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]


def prepare_processor() -> None:
    """Let idle OpenMP threads sleep: spinning ones make inference several times slower beside a busy neighbour."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C or SIGTERM stop the run at the next safe point; the second Ctrl-C stops it at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        typer.echo("stopping at the next safe point; press Ctrl-C again to stop at once", err=True)

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run(
    context: typer.Context,
    recipe: RecipeArgument,
    folder: FolderOption = None,
    set_: SetOption = None,
    device: DeviceOption = "auto",
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="STAGE", help="Repeat this stage and all after it, even if nothing changed."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat every stage.")] = False,
    max_hours: Annotated[
        float | None, typer.Option("--max-hours", min=0.0, help="Stop cleanly after so many hours of this command.")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", min=0.0, help="Stop cleanly when this command's time and calls cost so much, in $."),
    ] = None,
    price: Annotated[float, typer.Option("--price", min=0.0, help="What this machine costs, in $/h.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all that the run needs and touch nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the outcome (or the checks) as JSON.")] = False,
) -> None:
    """Make the pairs, judge them, train the student, measure it, and write the report.

    The same command goes on where a stopped or killed run was; finished stages whose inputs did not change are kept.

    Example: gdp run recipes/stylegan_age.toml --set train.steps=200
    """
    from gdp.api import open_session
    from gdp.tools.estimate.limits import Limits, built_judges

    registry: PluginRegistry = context.obj.registry
    limits = Limits(max_hours, max_cost, price)
    with stop_on_signal() as stop_requested:
        session = open_session(
            recipe,
            folder=folder,
            overrides=set_ or (),
            device=device,
            registry=registry,
            progress=choose_progress(),
        )
        session.stop_requested = lambda: stop_requested() or limits.reached(built_judges(session))
        if dry_run:
            _print_preflight(session, json_)
        else:
            _execute(session, CORE_STAGES[0] if force else from_, until, limits, json_)


def _execute(session: Session, repeat_from: str | None, until: str | None, limits: Limits, json_: bool) -> None:
    from gdp.core.run.pipeline import Plan, execute
    from gdp.tools.estimate.limits import what_is_left

    outcome = execute(session, Plan(repeat_from, until))
    report = session.folder.path / "report.html"
    left = what_is_left(session) if limits.reason and outcome.state == "stopped" else []
    if json_:
        told = {"state": outcome.state, "folder": str(session.folder.path), "done": list(outcome.done)}
        typer.echo(json.dumps({**told, "limit": limits.reason, "left": left} if left else told))
    elif left:
        typer.echo(f"stopped: {limits.reason}; left: {', '.join(left)}")
        typer.echo(f"the same command goes on from here, its limits counted anew: {session.folder.path}")
    elif outcome.state == "finished":
        typer.echo(f"finished: {report}" if outcome.done else f"nothing to do, all is up to date: {report}")
    else:
        typer.echo(f"stopped; the same command goes on from here: {session.folder.path}")


def _print_preflight(session: Session, json_: bool) -> None:
    from gdp.tools.preflight import preflight

    checks = []
    for number, check in enumerate(preflight(session), 1):
        checks.append(check)
        if not json_:
            typer.echo(f"{number:2}. {'ok  ' if check.good else 'FAIL'} {check.title}: {check.detail}")
    good = all(check.good for check in checks)
    if json_:
        rows = [{"check": check.title, "good": check.good, "detail": check.detail} for check in checks]
        typer.echo(json.dumps({"good": good, "checks": rows}, indent=2))
    else:
        typer.echo("ready to run; nothing was written" if good else "not ready; nothing was written")
    if not good:
        raise typer.Exit(1)


def train_teacher(
    context: typer.Context,
    recipe: RecipeArgument,
    folder: FolderOption = None,
    set_: SetOption = None,
) -> None:
    """Train a teacher on pictures, or go on where its training stopped.

    Example: gdp train-teacher recipes/train_faces64.toml
    """
    from gdp.api import train_teacher as train

    registry: PluginRegistry = context.obj.registry
    weights = train(recipe, folder=folder, overrides=set_ or (), registry=registry, progress=choose_progress())
    typer.echo(f"finished: {weights}")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("run")(run)
    app.command("train-teacher")(train_teacher)
