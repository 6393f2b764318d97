"""`gdp prune`. torch is imported when the run is known to be one that can be pruned."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import DeviceOption, RunArgument, SetOption, end_unfinished, quoted_path, short_path, stopped_by
from gdp.console import choose_progress, stop_on_signal
from gdp.console.printing import json_output

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry
    from gdp.tools.prune.record import PruningRecord


class Subject(StrEnum):
    """Whose network is pruned, as the command line names it (core's own list would import torch)."""

    STUDENT = "student"
    TEACHER = "teacher"


def prune(
    context: typer.Context,
    run: RunArgument,
    macs: Annotated[
        float,
        typer.Option("--macs", help="Share of the multiply-accumulates to keep, such as 0.5.", show_default=False),
    ],
    of: Annotated[Subject, typer.Option("--of", help="Whose network to prune.")] = Subject.STUDENT,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Training steps. Default: half of the run's.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", "-f", help="Run folder of the pruned network. Default: RUN-pruned-MACS.")
    ] = None,
    set_: SetOption = None,
    device: DeviceOption = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Take the least important channels out of a finished run's student, and train and measure what is left.

    The pruned network becomes a run of its own, with the run's losses, pairs and teacher; the run itself stays as it
    is. The same command goes on where a stopped or killed one was.

    Example: gdp prune runs/cyclegan-painting --macs 0.5
    """
    from gdp.tools.prune.request import PruningRequest, read_request

    registry: PluginRegistry = context.obj.registry
    asked = read_request(PruningRequest(run, macs, of.value, folder, steps, set_ or ()), registry)
    from gdp.api import choose_device
    from gdp.core.run.pipeline import execute
    from gdp.tools.prune.opening import open_pruning
    from gdp.tools.watch import recorded

    with stop_on_signal() as stop_requested:
        session, record = open_pruning(
            asked,
            registry,
            device=choose_device(device),
            progress=choose_progress(),
            stop_requested=stop_requested,
        )
        if not json_:
            typer.echo(_sizes(record))
        with recorded(session):
            outcome = execute(session)
    path = session.folder.path
    if json_:
        done = [str(stage) for stage in outcome.done]
        found = {"state": outcome.state, "folder": str(path), "done": done, "pruning": record.to_data()}
        found |= {"stopped_by": stopped_by(stop_requested, "limit")} if outcome.state == "stopped" else {}
        typer.echo(json.dumps(found), file=json_output())
    elif outcome.state == "finished":
        report = short_path(path / "report.html")
        typer.echo(f"finished: {report}" if outcome.done else f"nothing to do, all is up to date: {report}")
        typer.echo(f"Next: gdp compare {quoted_path(asked.run.path)} {quoted_path(path)}")
    else:
        by = stopped_by(stop_requested, "a limit")
        typer.echo(f"stopped by {by}; the same command goes on from here: {short_path(path)}")
    if outcome.state == "stopped":
        end_unfinished(stop_requested)


def _sizes(record: PruningRecord) -> str:
    before, after = record.before, record.after
    return (
        f"the {record.of}'s network, pruned: {before.parameters:,} -> {after.parameters:,} parameters, "
        f"{before.macs / 1e9:.4f} -> {after.macs / 1e9:.4f} GMAC a picture "
        f"({100 * after.macs / before.macs:.1f} % are left)"
    )
