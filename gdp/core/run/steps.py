"""The steps of a run: core's stages and those that plugins add, in order, each with its content key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from gdp.core.building import build, describe_plugin, plugin_errors
from gdp.core.config import content_key
from gdp.core.errors import GdpError, PluginError
from gdp.core.interfaces.stages import Stage
from gdp.core.recipe.choices import Choice
from gdp.core.records import CORE_STAGES, DISTRIBUTION, PluginRecord
from gdp.core.run.session import Session
from gdp.core.run.stages.filters import FilterStage
from gdp.core.run.stages.pairs import PairsStage
from gdp.core.run.stages.teacher import TeacherStage
from gdp.core.run.stages.train import TrainStage

_LONG_TO_READ = 500
"""Megabytes of a stage's files from which on it is told that they are read: seconds on a slow disk."""


def _megabytes(path: Path) -> int:
    return path.stat().st_size // 1_000_000 if path.is_file() else 0


@dataclass(frozen=True)
class Step:
    """One stage in its place in a run."""

    name: str
    make: Callable[[], Stage[Any]]
    choice: Choice[Any] | None = None
    """The recipe's choice and settings; None for stages that every run has."""
    record: PluginRecord | None = None
    """Where a plugin supplies it."""

    @cached_property
    def stage(self) -> Stage[Any]:
        """The stage, built when it is first asked for: who only looks at a run need not have what it is built of."""
        return self.make()

    def keys(self, session: Session, before: Mapping[str, str]) -> dict[str, str]:
        """Return what the stage adds to the content keys; nothing is changed by it.

        Args:
            session: the run.
            before: keys of the stages before.
        """
        with self._blame():
            content = dict(self.stage.key(session, before))
            settings = session.settings_key(self.choice) if self.choice is not None else {}
            shared = {name: str(content[name]) for name in self.stage.shares}
            return {self.name: content_key({"stage": self.name, **settings, **content}), **shared}

    def applies(self, session: Session) -> bool:
        """Say whether the recipe asks for it."""
        with self._blame():
            return self.stage.applies(session)

    def is_up_to_date(self, session: Session, keys: Mapping[str, str]) -> bool:
        """Say whether it has finished for these keys and its output is still there."""
        finished = session.folder.stages().get(self.name)
        if finished is None or finished["key"] != keys[self.name]:
            return False
        with self._blame():
            return self.stage.is_there(session) and not self.lost(session)

    def lost(self, session: Session) -> dict[str, str]:
        """Return which files of the finished stage are missing or changed and made again, and what is wrong with each.

        Of those that are not worth it, the user is told what makes them again.
        """
        lost: dict[str, str] = {}
        finished = session.folder.stages().get(self.name)
        if finished is None or finished["key"] != session.keys.get(self.name, finished["key"]):
            return lost
        for name, problem in self._damaged_files(session).items():
            with self._blame():
                again = self.stage.remakes(session, name)
            if again:
                lost[name] = problem
            else:
                how = f"gdp run {session.folder.path} --from {self.name} makes it again"
                session.progress.message(f"{self.name}: {session.folder.path / name} {problem}; {how}")
        return lost

    def _damaged_files(self, session: Session) -> dict[str, str]:
        folder = session.folder
        sizes = {name: _megabytes(folder.path / name) for name in folder.stages()[self.name].get("files", {})}
        if sum(sizes.values()) < _LONG_TO_READ:
            return folder.damaged_files(self.name)
        with session.progress.task(f"{self.name}: looking at its files", sum(sizes.values()), "MB") as task:
            return folder.damaged_files(self.name, lambda name: task.advance(sizes[name]))

    def reset(self, session: Session, first: str) -> None:
        """Throw away what it keeps between runs, for all is repeated from the stage `first` on.

        It is forgotten first: a process that is killed here leaves a stage to be done, not one without its files.
        """
        session.folder.forget_stage(self.name)
        with self._blame():
            self.stage.reset(session, first)

    def perform(self, session: Session) -> tuple[float, dict[str, Any]]:
        """Do it, and record under the session's key that it has finished; return its seconds and what is recorded."""
        lost = self.lost(session)
        for name, problem in lost.items():
            session.progress.message(f"{self.name}: {session.folder.path / name} {problem}; it is made again")
        if lost:
            with self._blame():
                self.stage.mend(session, [session.folder.path / name for name in lost])
        session.folder.forget_stage(self.name)
        started = time.monotonic()
        with self._blame():
            summary = dict(self.stage.execute(session))
            seconds = time.monotonic() - started
            # A training of a comparison shares pairs and teacher with the run, which has their hashes.
            left = [file for file in self.stage.leaves(session) if file.is_relative_to(session.folder.path)]
            session.folder.finish_stage(self.name, session.keys[self.name], seconds, summary, left)
        return seconds, dict(session.summaries[self.name])

    def _blame(self) -> AbstractContextManager[None]:
        if self.record is None or not self.record.supplier:
            return nullcontext()
        return plugin_errors(describe_plugin(self.record))


_CORE: Mapping[str, type[Stage[Session]]] = {
    "teacher": TeacherStage,
    "pairs": PairsStage,
    "filter": FilterStage,
    "train": TrainStage,
}


def steps_of(session: Session) -> tuple[Step, ...]:
    """Return the steps of a run, in order: core's, and each added one behind the one that it names.

    Of several that name the same one, those of other packages come first, in the recipe's order: the report stands
    behind all that it may show.

    Raises:
        PluginError: a stage wants to stand behind one that there is not.
    """
    if session.steps is not None:
        return session.steps
    context = session.context()
    core = [Step(name, partial(_CORE[name], None, context)) for name in CORE_STAGES]
    added = _added(session)
    behind = {after: [step for step in added if _after(step) == after] for after in map(_after, added)}
    steps = tuple(step for first in core for step in _with_those_behind(first, behind))
    lost = [step for step in added if step not in steps]
    if lost:
        there, step = ", ".join(step.name for step in steps), lost[0]
        who = f"stage {step.name} ({step.record.package if step.record else ''})"
        raise PluginError(f"{who}: it wants to stand after the stage {_after(step)}, and this run has {there}")
    session.steps = steps
    return steps


def step_of(session: Session, name: str) -> Step:
    """Return one step of a run."""
    return next(step for step in steps_of(session) if step.name == name)


def _added(session: Session) -> list[Step]:
    """Return the stages that plugins add: those that the recipe chooses, then those of every run, gdp's own last."""
    # A stage that is not installed has nothing to do for who only looks at the run.
    chosen = [(choice.record, choice) for choice in session.recipe.stages if choice.record.implementation]
    every = sorted(session.plugins.records("stage"), key=lambda record: record.package == DISTRIBUTION)
    found = [*chosen, *((record, None) for record in every if record.every_run)]
    return [Step(record.name, partial(_build, session, record, choice), choice, record) for record, choice in found]


def _build(session: Session, record: PluginRecord, choice: Choice[Any] | None) -> Any:
    config = record.config() if choice is None else choice.config
    return build(session.plugins, record, config, session.context(), kind=Stage)


def build_stages(session: Session, until: str | None = None) -> None:
    """Build the stages that a run goes through: what is wrong with a late one is told before an early one works.

    Raises:
        GdpError: a stage cannot be built.
    """
    for step in steps_of(session):
        _ = step.stage
        if step.name == until:
            return


def _after(step: Step) -> str:
    return step.record.after if step.record else ""


def _with_those_behind(step: Step, behind: Mapping[str, Sequence[Step]]) -> Iterator[Step]:
    yield step
    for each in behind.get(step.name, ()):
        yield from _with_those_behind(each, behind)


def keys_until(session: Session, last: str) -> dict[str, str]:
    """Compute the content keys up to a stage and return them; nothing is changed by it, and no stage is done.

    The keys from train on rest on the verdicts that are stored.

    Args:
        session: the run.
        last: name of the last stage whose key is wanted.

    Raises:
        GdpError: what a key depends on is not there.
    """
    keys: dict[str, str] = {}
    for step in steps_of(session):
        if step.applies(session):
            keys |= step.keys(session, keys)
        if step.name == last:
            return keys
    raise AssertionError(f"there is no stage {last}")


def stages_to_do(session: Session) -> list[str]:
    """Return the stages that a run would do, in order; from the first that changed on, all are.

    The session's keys are those of the stages before that one then, and the first one's where it can be told.
    """
    asked = [step for step in steps_of(session) if step.applies(session)]
    session.keys = {}
    for number, step in enumerate(asked):
        try:
            session.keys = {**session.keys, **step.keys(session, session.keys)}
            done = step.is_up_to_date(session, session.keys)
        except GdpError:  # what the key depends on is not there yet
            done = False
        if not done:
            return [step.name for step in asked[number:]]
    return []
