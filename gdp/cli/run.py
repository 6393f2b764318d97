"""`gdp run`. torch is imported when the recipe is known to be good."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import (
    DeviceOption,
    FolderOption,
    MemoryOption,
    RecipeArgument,
    SetOption,
    State,
    end_unfinished,
    quoted_path,
    short_path,
    stopped_by,
    with_memory,
    with_short_paths,
)
from gdp.cli.completion import complete_stage, plugins_of
from gdp.cli.several import DevicesOption, company_of, progress_of, take_place
from gdp.cli.workers import (
    ExecutorOption,
    HandOverOption,
    PatienceOption,
    RayAddressOption,
    WorkersOption,
)
from gdp.console import print_line, stop_on_signal
from gdp.console.printing import json_output
from gdp.console.signals import StopRequest
from gdp.core.building import require_modules
from gdp.core.errors import named_by_option
from gdp.core.records import CORE_STAGES
from gdp.tools.crew.request import WorkersRequest, asked_workers

if TYPE_CHECKING:
    from gdp.core.run.pipeline import Plan
    from gdp.core.run.session import Session
    from gdp.registry import PluginRegistry
    from gdp.tools.estimate.limits import Limits
    from gdp.tools.together.places import Place
    from gdp.tools.tracking import Tracking


def run(
    context: typer.Context,
    recipe: RecipeArgument,
    folder: FolderOption = None,
    set_: SetOption = None,
    device: DeviceOption = "auto",
    devices: DevicesOption = None,
    executor: ExecutorOption = None,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    hand_over: HandOverOption = None,
    patience: PatienceOption = None,
    memory: MemoryOption = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STAGE",
            help="Repeat this stage and all after it, even if nothing changed.",
            autocompletion=complete_stage,
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Stop after this stage.", autocompletion=complete_stage)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat every stage.")] = False,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            metavar="NAME",
            help="Tell tensorboard, wandb, mlflow or another tracker of the run: NAME, or NAME:KEY=VALUE,KEY=VALUE. "
            "Repeatable.",
            autocompletion=plugins_of("tracker"),
        ),
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option("--max-hours", min=0.0, help="Stop cleanly after so many hours of this command.")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", min=0.0, help="Stop cleanly when this command's time and calls cost so much, in $."),
    ] = None,
    price: Annotated[float, typer.Option("--price", min=0.0, help="What this machine costs, in $/h.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all that the run needs and touch nothing.")] = False,
    pay: Annotated[
        bool, typer.Option("--pay", help="Let a dry run pay for one pair, where making one costs money.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the outcome (or the checks) as JSON.")] = False,
) -> None:
    """Make the pairs, judge them, train the student, measure it, and write the report.

    The same command goes on where a stopped or killed run was; finished stages whose inputs did not change are kept.

    Example: gdp run stylegan-age --set train.steps=200
    """
    from gdp.core.recipe.messages import require_stage
    from gdp.tools.run_recipes import require_recipe

    require_recipe(recipe)
    from gdp.api import open_session
    from gdp.tools.together.places import device_of

    registry: PluginRegistry = context.obj.registry
    known = [*CORE_STAGES, *registry.names("stage")]
    require_stage(known, from_, "--from")
    require_stage(known, until, "--until")
    asked = asked_workers(executor, workers, ray_address, hand_over, patience)
    if asked is not None:
        with named_by_option():
            require_modules([registry.get("executor", asked.executor)])
    place = take_place(devices, rehearses=dry_run)
    with stop_on_signal() as stop_requested:
        session = open_session(
            recipe,
            folder=folder,
            overrides=with_memory(set_, memory),
            device=device if place is None else device_of(place, device),
            registry=registry,
            progress=progress_of(place),
        )
        from gdp.core.run.pipeline import Plan
        from gdp.tools.estimate.limits import Limits
        from gdp.tools.tracking import open_trackers, tracked

        if place is None or place.leads:
            from gdp.tools.run_changes import told_of_changes

            if changes := told_of_changes(session):
                session.progress.message(f"{short_path(session.folder.path)} {changes}")
        limits = Limits(max_hours, max_cost, price)
        session.stop_requested = lambda: stop_requested() or limits.reached()
        session.limit = limits
        trackers = open_trackers(registry, track or ()) if place is None or place.leads else {}
        if dry_run and place is not None and not place.leads:
            return  # rank 0 tells
        if dry_run and pay:
            from gdp.tools.estimate.paying import allow_paying

            typer.echo(allow_paying(session, pairs_alone=True), err=True)
        if dry_run:
            _print_preflight(session, 1 if place is None else place.world, json_)
            return
        work = partial(
            _execute,
            session,
            Plan(CORE_STAGES[0] if force else from_, until),
            limits,
            stop_requested,
            json_,
            partial(tracked, session, registry, trackers),
        )
        if asked is not None:
            work = partial(_with_crew, context.obj, session, asked, work)
        if place is None:
            work()
        else:
            _work_together(session, place, stop_requested, work)


def _with_crew(state: State, session: Session, asked: WorkersRequest, work: Callable[[], None]) -> None:
    """Do a run whose pairs are made and judged by workers."""
    from gdp.api.workers import PluginChoice, crew_of

    with crew_of(session, state.registry, asked, PluginChoice(state.disabled, state.plugins_folders)):
        work()


def _work_together(session: Session, place: Place, stop_requested: StopRequest, work: Callable[[], None]) -> None:
    """Do a run as one of several processes: rank 0 works, the others take part when it trains."""
    from gdp.core.run.parts import require_parts
    from gdp.tools.together.runs import take_part

    require_parts(session, place.world)
    with company_of(place, stop_requested) as company:
        if place.leads:
            session.company = company
            work()
        else:
            company.serve(partial(take_part, session))


def _execute(
    session: Session,
    plan: Plan,
    limits: Limits,
    stop_requested: StopRequest,
    json_: bool,
    telling: Callable[[], AbstractContextManager[Tracking]],
) -> None:
    from gdp.core.run.pipeline import execute
    from gdp.tools.estimate.limits import what_is_left
    from gdp.tools.watch import recorded

    with recorded(session), telling() as tracking:
        outcome = execute(session, plan)
    report = session.folder.path / "report.html"
    stopped, reason = outcome.state == "stopped", limits.reason or outcome.reason
    by = stopped_by(stop_requested, "limit" if reason else f"--until {plan.until}")
    where = short_path(session.folder.path)
    left = what_is_left(session) if by == "limit" and stopped else []
    if json_:
        told: dict[str, object] = {
            "state": outcome.state,
            "folder": str(session.folder.path),
            "done": list(outcome.done),
        }
        told |= {"stopped_by": by} if stopped else {}
        told |= {"trackers": tracking.outcomes} if tracking.outcomes else {}
        typer.echo(json.dumps({**told, "limit": reason, "left": left} if left else told), file=json_output())
    elif left:
        typer.echo(f"stopped: {reason}; left: {', '.join(left)}")
        typer.echo(f"the same command goes on from here, its limits counted anew: {where}")
    elif outcome.state == "finished":
        _print_finished(session, report, anything_done=bool(outcome.done))
    elif stop_requested():
        typer.echo(f"stopped by {by}; the same command goes on from here: {where}")
    else:
        typer.echo(
            f"stopped behind {plan.until}, as told; gdp run {quoted_path(session.folder.path)} goes on from here"
        )
    for name, words in ({} if json_ else tracking.outcomes).items():
        typer.echo(f"tracker {name}: {words}", err=True)
    if stopped:
        end_unfinished(stop_requested)


def _print_finished(session: Session, report: Path, *, anything_done: bool) -> None:
    """Tell what came of a run, in the report's words, and what can be done with it."""
    from gdp.tools.report import read_folder
    from gdp.tools.report.verdict import verdict

    typer.echo(f"{'finished' if anything_done else 'nothing to do, all is up to date'}: {short_path(report)}")
    folder = session.folder.path
    if anything_done:
        print_line(verdict(read_folder(folder, lambda: session.plugins)).striptags())
    run = quoted_path(folder)
    student = session.folder.read_json("student/student.json", {})
    if student.get("input_channels") == 3:  # those of two pictures have neither
        print_line(f"Next: gdp demo {run}, or gdp apply {run} PICTURES -o FOLDER")


def _print_preflight(session: Session, world: int, json_: bool) -> None:
    from gdp.tools.preflight import preflight

    checks = []
    for number, check in enumerate(preflight(session, world), 1):
        checks.append(check)
        if not json_:
            state = "FAIL" if not check.good else "WARN" if check.warns else "ok  "
            typer.echo(f"{number:2}. {state} {check.title}: {with_short_paths(check.detail)}")
    good = all(check.good for check in checks)
    if json_:
        rows = [
            {"check": check.title, "good": check.good, "warns": check.warns, "detail": check.detail} for check in checks
        ]
        typer.echo(json.dumps({"good": good, "checks": rows}, indent=2), file=json_output())
    else:
        warned = ", ".join(check.title for check in checks if check.warns)
        ready = f"ready to run, but read the warning ({warned})" if warned else "ready to run"
        typer.echo(f"{ready if good else 'not ready'}; nothing was written")
    if not good:
        raise typer.Exit(1)
