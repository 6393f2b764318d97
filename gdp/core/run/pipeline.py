"""A run from start to end: stages in order, each skipped when its content key says that nothing changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch

from gdp.core.errors import GdpError
from gdp.core.progress import Stopped
from gdp.core.run.names import Stage
from gdp.core.run.session import Session
from gdp.core.run.stages import evaluate, export, filters, pairs, teacher, train
from gdp.core.run.versions import machine, plugin_versions, versions
from gdp.core.run.work import Work, applies, is_up_to_date, perform, reset
from gdp.core.run_folder import now
from gdp.tools.compare import stage as compare
from gdp.tools.report import stage as report

WORK: dict[Stage, Work] = {
    stage: cast(Work, module)
    for stage, module in zip(Stage, (teacher, pairs, filters, train, evaluate, export, compare, report), strict=True)
}


@dataclass(frozen=True)
class Plan:
    """Which stages to do."""

    repeat_from: Stage | None = None
    """Repeat this stage and all after it, even where nothing changed."""
    until: Stage | None = None
    """Stop after this stage."""

    def repeats(self, stage: Stage) -> bool:
        """Say whether a stage is repeated though its key did not change."""
        order = list(Stage)
        return self.repeat_from is not None and order.index(stage) >= order.index(self.repeat_from)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: str
    """`finished`, or `stopped` where a stage is still to be done."""
    done: tuple[Stage, ...]
    """Stages that this process did; the others were up to date."""


def execute(session: Session, plan: Plan = Plan()) -> Outcome:
    """Do what is to be done of a run, under the folder's lock.

    Raises:
        GdpError: something that a user can mend; what was done is kept, the same command goes on from there.
    """
    with session.folder.locked():
        _announce(session)
        try:
            outcome = _execute_stages(session, plan)
        except Stopped:
            outcome = Outcome("stopped", ())
        except BaseException as error:
            _record_failure(session, error)
            raise
        session.folder.update_run(state=outcome.state)
        session.folder.event("run", state=outcome.state)
        session.plugins.notify("gdp_run_finished", run=session.folder, outcome=outcome.state)
        return outcome


def _announce(session: Session) -> None:
    recipe, folder = session.recipe, session.folder
    folder.write_text("recipe.toml", recipe.to_toml())
    started = folder.read_json("run.json", {}).get("started_at", now())
    folder.update_run(
        name=recipe.name,
        state="running",
        started_at=started,
        recipe=str(recipe.path) if recipe.path else None,
        error=None,
        versions={**versions(), **plugin_versions(choice.record for choice in recipe.choices())},
        machine=machine(str(session.device), torch.get_num_threads()),
    )
    folder.event("run", state="running")
    session.plugins.notify("gdp_run_started", run=folder, recipe=recipe.to_data())


def _record_failure(session: Session, error: BaseException) -> None:
    """Note how a run ended, as far as the folder can still be written: the disk may be what failed."""
    state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
    try:
        session.folder.update_run(state=state, error=str(error) or type(error).__name__)
        session.folder.log(f"{state}: {error}")
    except GdpError:
        session.progress.message("the run's state could not be written; the error that stopped it follows")
    session.plugins.notify("gdp_run_finished", run=session.folder, outcome=state)


def _execute_stages(session: Session, plan: Plan) -> Outcome:
    done: list[Stage] = []
    for stage in Stage:
        work = WORK[stage]
        if applies(session, work):
            key = work.key(session)
            repeat = plan.repeats(stage)
            if is_up_to_date(session, stage, key, work) and not repeat:
                session.progress.message(f"{stage}: up to date")
            else:
                if repeat:
                    reset(session, work)
                _execute_one(session, stage, key, work)
                done.append(stage)
        else:
            session.folder.forget_stage(stage)
        if stage == plan.until:
            return Outcome("finished" if stage == Stage.REPORT else "stopped", tuple(done))
    return Outcome("finished", tuple(done))


def _execute_one(session: Session, stage: Stage, key: str, work: Work) -> None:
    if session.stop_requested():
        raise Stopped
    session.folder.log(f"{stage}: begins")
    seconds, summary = perform(session, stage, key, work)
    session.folder.log(f"{stage}: finished in {seconds:.1f} s: {summary}")
    session.folder.event("stage", stage=str(stage), seconds=round(seconds, 3), summary=summary)
    session.plugins.notify("gdp_stage_finished", run=session.folder, stage=str(stage), summary=summary)
    session.progress.message(f"{stage}: finished in {seconds:.1f} s ({_short(summary)})")


def _short(summary: dict[str, Any]) -> str:
    """Format a stage's figures for one line; hashes and paths are left to the files."""
    hidden = ("folder", "weights", "file")
    shown = {name: value for name, value in summary.items() if name not in hidden and "sha256" not in name}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())
