"""A run from start to end: stages in order, each skipped when its content key says that nothing changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gdp.core.answers import AnswerBook
from gdp.core.building import require_modules
from gdp.core.errors import BudgetError, GdpError
from gdp.core.files import read_file, write_atomically
from gdp.core.progress import Stopped
from gdp.core.recipe.messages import require_stage
from gdp.core.records import CORE_STAGES
from gdp.core.run.opening import KEYS, recorded_keys
from gdp.core.run.session import Session
from gdp.core.run.stages.train import told_of_earlier
from gdp.core.run.steps import Step, build_stages, steps_of
from gdp.core.run.versions import machine, plugin_versions, versions
from gdp.core.run_folder import RunFolder, now


@dataclass(frozen=True)
class Plan:
    """Which stages to do, by their names."""

    repeat_from: str | None = None
    """Repeat this stage and all after it, even where nothing changed."""
    until: str | None = None
    """Stop after this stage."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Content keys of first stages (and the pair store's) that are taken as they are: those stages are not looked at,
    so that nothing need be there of which they were made."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    state: str
    """`finished`, or `stopped` where a stage is still to be done."""
    done: tuple[str, ...]
    """Stages that this process did; the others were up to date."""
    reason: str = ""
    """What stopped it, in words: a limit, a budget that is spent; empty where the user asked, or it finished."""


def execute(session: Session, plan: Plan = Plan()) -> Outcome:
    """Do what is to be done of a run, under the folder's lock.

    Raises:
        GdpError: something that a user can mend; what was done is kept, the same command goes on from there.
    """
    names = [step.name for step in steps_of(session)]
    require_stage(names, plan.repeat_from, "--from")
    require_stage(names, plan.until, "--until")
    build_stages(session, plan.until)
    with session.folder.locked(session.progress.message):
        before = _finished_before(session.folder)
        _announce(session)
        try:
            outcome = _execute_stages(session, plan)
        except (Stopped, BudgetError) as stop:  # a budget that is spent is asked again by a later run
            outcome = Outcome("stopped", (), str(stop))
        except BaseException as error:
            _record_failure(session, error, before)
            raise
        finally:
            _record_costs(session)
        session.folder.update_run(state="finished" if _is_unchanged(session.folder, before) else outcome.state)
        session.folder.event("run", state=outcome.state)
        session.plugins.notify("gdp_run_finished", run=session.folder, outcome=outcome.state)
        return outcome


def _announce(session: Session) -> None:
    recipe, folder = session.recipe, session.folder
    text = recipe.to_toml()
    folder.write_text("recipe.toml", text)
    started = folder.read_json("run.json", {}).get("started_at", now())
    folder.update_run(
        name=recipe.name,
        state="running",
        started_at=started,
        recipe=str(recipe.path) if recipe.path else None,
        recipe_sha256=hashlib.sha256(text.encode()).hexdigest(),
        error=None,
        versions={**versions(), **plugin_versions(choice.record for choice in recipe.choices())},
        plugins={f"{choice.record.kind} {choice.record.name}": choice.record.package for choice in recipe.choices()},
        machine=machine(str(session.device), torch.get_num_threads()),
    )
    folder.event("run", state="running")
    session.plugins.notify("gdp_run_started", run=folder, recipe=recipe.to_data())


def _record_costs(session: Session) -> None:
    """Write into the run's record what its account has paid so far, by service; the book knows it in any case."""
    try:
        tallies = AnswerBook.of_run(session.pairs_home).tallies()
        if tallies:
            session.folder.update_run(paid={name: tally.to_data() for name, tally in tallies.items()})
    except GdpError as error:  # what ends the run is to be told, not this; the book keeps it all
        session.progress.message(f"what was paid could not be written down: {error}")


_RESULTS = "stages.json"
_RECIPE = "recipe.toml"


def _finished_before(folder: RunFolder) -> Mapping[str, bytes]:
    """Return what a finished run says of itself, by the files' names; nothing of one that has not finished."""
    try:
        if folder.read_json("run.json", {}).get("state") != "finished":
            return {}
        return {name: read_file(folder.path / name) for name in ("run.json", _RECIPE, KEYS, _RESULTS)}
    except (GdpError, OSError):  # damaged, so no finished run
        return {}


def _is_unchanged(folder: RunFolder, before: Mapping[str, bytes], names: Sequence[str] = (_RECIPE, _RESULTS)) -> bool:
    """Say whether a run had finished, and these of its files are what they were then."""
    return bool(before) and all(read_file(folder.path / name) == before[name] for name in names)


def _put_back(folder: RunFolder, before: Mapping[str, bytes]) -> bool:
    """Let a finished run of which no stage was begun again be what it was; say whether it is one.

    The failed command had written its own recipe and state over those of the results that are still there.
    """
    if not _is_unchanged(folder, before, (_RESULTS,)):
        return False
    for name, content in before.items():
        write_atomically(folder.path / name, content)
    return True


def _record_failure(session: Session, error: BaseException, before: Mapping[str, bytes]) -> None:
    """Note how a run ended, as far as the folder can still be written: the disk may be what failed."""
    state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
    try:
        session.folder.log(f"{state}: {error}")
        if _put_back(session.folder, before):
            session.progress.message("nothing was changed: the run that had finished here is as it was")
        else:
            session.folder.update_run(state=state, error=str(error) or type(error).__name__)
    except OSError as problem:
        session.progress.message(f"the run's state could not be written ({problem}); the error that stopped it follows")
    except GdpError:
        session.progress.message("the run's state could not be written; the error that stopped it follows")
    session.plugins.notify("gdp_run_finished", run=session.folder, outcome=state)


_STAGE_OF = {"teacher": 0, "dataset": 1, "pair-source": 1, "filter": 2, "student": 3, "loss": 3}
"""The place in `CORE_STAGES` of the first stage that needs a kind's plugins for good; others are needed after all."""


def _check_modules(session: Session, first: str, until: str | None) -> None:
    """Refuse to begin where a plugin that is to be used cannot be imported: hours later is too late.

    Raises:
        MissingResourceError: a module is not installed; the message says which plugin needs it, and what installs it.
        PluginError: it is installed, and cannot be imported or does not keep its kind's contract.
    """
    order = {name: place for place, name in enumerate(CORE_STAGES)}
    begin, end = order.get(first, len(order)), order.get(until or "", len(order))
    needed = [
        choice for choice in session.recipe.choices() if begin <= _STAGE_OF.get(choice.record.kind, len(order)) <= end
    ]
    require_modules(choice.record for choice in needed)
    for choice in needed:
        session.plugins.load(choice.record)


def _execute_stages(session: Session, plan: Plan) -> Outcome:
    done: list[str] = []
    first: str | None = None
    session.keys = dict(plan.known)
    for step in steps_of(session):
        first = step.name if step.name == plan.repeat_from else first
        if step.name in plan.known:
            continue
        if step.applies(session):
            _know(session, step)
            if step.is_up_to_date(session, session.keys) and first is None:
                session.progress.message(f"{step.name}: up to date")
            else:
                if not done:
                    _check_modules(session, step.name, plan.until)
                if step.name == "train" and (earlier := told_of_earlier(session)):
                    session.progress.message(f"train: {earlier}")
                if first is not None:
                    step.reset(session, first)
                _execute_one(session, step)
                done.append(step.name)
        else:
            session.folder.forget_stage(step.name)
        if step.name == plan.until:
            is_last = step is steps_of(session)[-1]
            return Outcome("finished" if is_last else "stopped", tuple(done))
    return Outcome("finished", tuple(done))


def _know(session: Session, step: Step) -> None:
    """Add a stage's content key to the session's, and write them all down for those who only look at the run."""
    session.keys = {**session.keys, **step.keys(session, session.keys)}
    written = recorded_keys(session.folder)
    if any(written.get(name) != key for name, key in session.keys.items()):
        session.folder.write_json(KEYS, session.keys)  # what stood behind them belonged to other inputs


_OF_A_CREW = ("pairs", "filter")
"""Stages between which a crew is kept."""


def _execute_one(session: Session, step: Step) -> None:
    if session.stop_requested():
        raise Stopped
    name = step.name
    if session.crew is not None and name not in _OF_A_CREW:
        session.crew.rest()
    session.folder.log(f"{name}: begins")
    session.folder.event("stage-begins", stage=name)
    seconds, summary = step.perform(session)
    _record_costs(session)  # the report, a stage itself, tells it
    session.folder.log(f"{name}: finished in {seconds:.1f} s: {summary}")
    session.folder.event("stage", stage=name, seconds=round(seconds, 3), summary=summary)
    session.plugins.notify("gdp_stage_finished", run=session.folder, stage=name, summary=summary)
    session.progress.message(f"{name}: finished in {seconds:.1f} s ({_short(summary)})")


def _short(summary: dict[str, Any]) -> str:
    """Format a stage's figures for one line; hashes and paths are left to the files."""
    hidden = ("folder", "weights", "file")
    shown = {name: value for name, value in summary.items() if name not in hidden and "sha256" not in name}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())
