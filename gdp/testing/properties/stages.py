"""What stages promise: a key that tells what the outcome depends on, and work that goes on where it was broken off."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gdp.core.files import file_sha256
from gdp.core.interfaces.stages import Stage
from gdp.core.progress import ProgressTask, Stopped
from gdp.core.records import DISTRIBUTION
from gdp.core.run.session import Session
from gdp.testing.examples import TinyRun, perform_stage
from gdp.testing.examples.runs import open_tiny_session, reopen, view_of
from gdp.testing.findings import DoesNotApplyError, fail, require, require_plain, require_same
from gdp.testing.subject import SEED, Subject

_KEYED = (
    "keep the output below a folder that is called after run.keys[...] of this stage, or empty the folder first where "
    "it was made for another key"
)
_WHOLE = (
    "write every file whole (gdp.toolbox.write_atomically), leave those out that are there, and expect any of them to "
    "be there already when execute begins"
)


class _Killed(KeyboardInterrupt):
    """Ends the work as a kill would: nobody catches it."""


class _Watch:
    """Counts the pieces of a stage's work by what it asks and tells, and ends the work at one of them."""

    def __init__(self, *, stop_at: int | None = None, kill_at: int | None = None) -> None:
        self.asked = 0
        """How often the stage has asked whether to stop."""
        self.pieces = 0
        """How often it has asked, or told progress."""
        self._stop_at, self._kill_at = stop_at, kill_at

    def stop_requested(self) -> bool:
        """Answer the stage."""
        self.asked += 1
        self._count()
        return self._stop_at is not None and self.asked >= self._stop_at

    def _count(self) -> None:
        self.pieces += 1
        if self._kill_at is not None and self.pieces >= self._kill_at:
            raise _Killed

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Open a piece of work."""
        yield self

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Be told of progress."""
        self._count()

    def message(self, text: str) -> None:
        """Be told a line."""


@dataclass(frozen=True)
class _Scene:
    """A stage, and a run whose stages before it are done."""

    subject: Subject
    run: TinyRun | Session
    before: Mapping[str, str]
    """The files that were there first: name to sha256."""

    def build(self, watch: _Watch | None = None) -> Stage[Any]:
        """Build the stage as a new process does."""
        watch = watch or _Watch()
        self.run.stop_requested, self.run.progress = watch.stop_requested, watch
        stage: Stage[Any] = self.subject.build(progress=watch)
        return stage

    def perform(self, watch: _Watch | None = None) -> Mapping[str, Any]:
        """Let the stage work, and return its summary without the numbers that were announced to vary."""
        summary = perform_stage(self.run, self.subject.name, self.build(watch))
        return {name: value for name, value in summary.items() if not self.subject.varies(name)}

    def key(self) -> Mapping[str, Any]:
        """Return what the stage says that its outcome depends on."""
        return self.build().key(self.run, dict(self.run.keys))

    @property
    def written(self) -> dict[str, str]:
        """The files that are there now and were not, or were otherwise: name to sha256."""
        return {name: digest for name, digest in _files(self.run.path).items() if self.before.get(name) != digest}

    @property
    def outcome(self) -> dict[str, str]:
        """The files of `written` that were not announced to vary."""
        return {name: digest for name, digest in self.written.items() if not self.subject.varies(name)}

    @property
    def lost(self) -> list[str]:
        """The files of `before` that are gone or otherwise."""
        now = _files(self.run.path)
        return [name for name, digest in self.before.items() if now.get(name) != digest]

    def forget_times(self) -> None:
        """Set the times of the stage's files to 0, so that `kept` tells which are written anew from here on."""
        for name in self.written:
            os.utime(self.run.path / name, (0, 0))

    @property
    def kept(self) -> set[str]:
        """The stage's files that were not written since `forget_times`."""
        return {name for name in self.written if (self.run.path / name).stat().st_mtime == 0}


def _files(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}


@contextmanager
def _scene(subject: Subject, seed: int = SEED) -> Iterator[_Scene]:
    """Make a run in a folder of its own, done as far as the stage's turn.

    Raises:
        DoesNotApplyError: the run has nothing for the stage.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = open_tiny_session(
            Path(folder) / "runs" / "tiny", recipe=subject.world.recipe, until=subject.record.after, seed=seed
        )
        # The stages of gdp's own tools are steps of the session itself; others see what is promised to them.
        run = session if subject.record.package == DISTRIBUTION else view_of(session)
        scene = _Scene(subject, run, _files(run.path))
        if not scene.build().applies(run):
            raise DoesNotApplyError("its run has nothing for it: `applies` returned False")
        yield scene


def exercise(subject: Subject, stage: Stage[Any]) -> Any:
    """Let the stage work; numbers and files that were announced to vary are left out."""
    with _scene(subject) as scene:
        summary = perform_stage(scene.run, subject.name, stage)
        return {name: value for name, value in summary.items() if not subject.varies(name)}, scene.outcome


def the_key_is_plain_data(subject: Subject) -> None:
    """The key is JSON data, and holds as text what it shares with later stages."""
    with _scene(subject) as scene:
        content = scene.key()
        require(isinstance(content, Mapping), f"key returned a {type(content).__name__}", "return a dict")
        require_plain(dict(content), "the key", "put JSON values: texts, numbers, lists, dicts")
        missing = [name for name in scene.build().shares if not isinstance(content.get(name), str)]
        require(
            not missing, f"shares names {', '.join(missing)}, and the key has no such text", "put them into the key"
        )


def asking_for_the_key_changes_nothing(subject: Subject) -> None:
    """The key is the same when it is asked for twice, and asking changes neither the run nor the keys before."""
    with _scene(subject) as scene:
        stage, given = scene.build(), dict(scene.run.keys)
        first = stage.key(scene.run, given)
        require_same(given, dict(scene.run.keys), "key changed the keys that it was given", "return a dict of its own")
        changed = sorted({*scene.written, *scene.lost})
        require(not changed, f"key wrote {', '.join(changed)}", "write in execute alone")
        mend = "let it depend on settings, keys and the contents of files alone"
        require_same(first, stage.key(scene.run, given), "asked for twice, the key differs", mend)


def equal_runs_have_equal_keys(subject: Subject) -> None:
    """The key does not tell in which folder the run is, nor when it was asked for."""
    with _scene(subject) as one, _scene(subject) as other:
        mend = "use hashes of files in place of their paths and times; a run that moved is not to be done again"
        require_same(one.key(), other.key(), "two equal runs in different folders have different keys", mend)


def the_key_tells_what_the_outcome_depends_on(subject: Subject) -> None:
    """Where a run of another seed has another outcome, it has another key."""
    with _scene(subject) as one, _scene(subject, SEED + 1) as other:
        same_key = one.key() == other.key()
        same = one.perform() == other.perform() and one.outcome == other.outcome
        require(
            same or not same_key,
            "another student has another outcome under the same key, so the stage would not be done again for it",
            "return the keys of the stages whose output it uses, such as {'export': keys['export']}",
        )


def the_summary_is_plain_data(subject: Subject) -> None:
    """`execute` returns figures as JSON data."""
    with _scene(subject) as scene:
        summary = perform_stage(scene.run, subject.name, scene.build())
        require(isinstance(summary, Mapping), f"execute returned a {type(summary).__name__}", "return a dict")
        require_plain(dict(summary), "the summary", "put JSON values: texts, numbers, lists, dicts")


def an_output_that_is_gone_is_missed(subject: Subject) -> None:
    """`is_there` says yes after the work and no when the output is gone; the work can be done again then."""
    with _scene(subject) as scene:
        scene.perform()
        mend = "let is_there look for the files that execute leaves"
        require(scene.build().is_there(scene.run), "is_there says no although the stage has just been done", mend)
        made = [name for name in scene.written if name not in scene.before]
        if not made:
            raise DoesNotApplyError("it leaves no file")
        for name in made:
            (scene.run.path / name).unlink()
        require(not scene.build().is_there(scene.run), f"is_there says yes without {', '.join(made)}", mend)
        scene.perform()
        require(scene.build().is_there(scene.run), "is_there says no although the stage was done again", mend)


def what_others_have_left_stays_as_it_is(subject: Subject) -> None:
    """It changes no file of the stages before it, and writes nothing beside the run's folder."""
    with _scene(subject) as scene:
        scene.perform()
        require(not scene.lost, f"it changed {', '.join(scene.lost)}", "write files of its own")
        strangers = [name for name in _files(scene.run.path.parent.parent) if not name.startswith("runs/tiny/")]
        require(not strangers, f"it wrote {', '.join(strangers)} beside the run's folder", "write below run.path")


def _watched(subject: Subject) -> tuple[_Watch, dict[str, str]]:
    """Let the stage work unbroken; return how many pieces it has, and its outcome."""
    watch = _Watch()
    with _scene(subject) as scene:
        scene.perform(watch)
        return watch, scene.outcome


def _asks(subject: Subject) -> tuple[int, dict[str, str]]:
    """Return how often the stage asks whether to stop, and the outcome of an unbroken one."""
    watch, outcome = _watched(subject)
    if not watch.asked:
        raise DoesNotApplyError("it never asks run.stop_requested(), which is right for the work of a few seconds")
    return watch.asked, outcome


def _middle(count: int) -> int:
    return (count + 2) // 2


def a_stop_is_heeded(subject: Subject) -> None:
    """Where `run.stop_requested()` returned True, the stage raises gdp.Stopped."""
    count, _ = _asks(subject)
    for number in sorted({1, count}):
        with _scene(subject) as scene:
            try:
                scene.perform(_Watch(stop_at=number))
            except Stopped:
                continue
            fail(
                f"question {number} of whether to stop was answered with True, and it went on to its end",
                "if run.stop_requested(): raise gdp.Stopped",
            )


def a_stopped_stage_goes_on(subject: Subject) -> None:
    """Done again after a stop, the stage ends as an unbroken one does, and leaves what is finished as it is."""
    count, expected = _asks(subject)
    with _scene(subject) as scene:
        with suppress(Stopped):
            scene.perform(_Watch(stop_at=_middle(count)))
        finished = {name for name, digest in scene.written.items() if expected.get(name) == digest}
        scene.forget_times()
        scene.perform()
        require_same(expected, scene.outcome, "after a stop its files differ from an unbroken stage's", _WHOLE)
        once_more = ", ".join(sorted(finished - scene.kept))
        require(not finished or bool(finished & scene.kept), f"after a stop it made {once_more} once more", _WHOLE)


def a_killed_stage_goes_on(subject: Subject) -> None:
    """Done again after its process was killed in the middle, the stage ends as an unbroken one does."""
    watch, expected = _watched(subject)
    if not watch.pieces:
        raise DoesNotApplyError("it neither asks run.stop_requested() nor tells run.progress, so it has no middle")
    for number in sorted({_middle(watch.pieces), watch.pieces}):
        with _scene(subject) as scene:
            try:
                scene.perform(_Watch(kill_at=number))
            except _Killed:
                scene.perform()
            else:
                fail("it caught the end of its process", "catch exceptions that it knows, never BaseException")
            require_same(expected, scene.outcome, "after a kill its files differ from an unbroken stage's", _WHOLE)


def what_another_key_has_left_is_not_taken(subject: Subject) -> None:
    """Done again for another student in the same folder, the stage makes what it makes for that one alone."""
    with _scene(subject) as first, _scene(subject, SEED + 1) as other:
        first.perform()
        scene = _replace(first, by=other)
        scene.perform()
        other.perform()
        now = _files(scene.run.path)
        found = {name: now.get(name, "") for name in other.outcome}
        require_same(other.outcome, found, "made for another student before, its files are that one's", _KEYED)


def _replace(scene: _Scene, by: _Scene) -> _Scene:
    """Put the files of another run in the place of those that the stage found; return the scene of that run there."""
    for name in scene.before.keys() - by.before.keys():
        (scene.run.path / name).unlink()
    for name in by.before:
        target = scene.run.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(by.run.path / name, target)
    session = reopen(scene.run.path)
    return replace(scene, run=session if isinstance(scene.run, Session) else view_of(session), before=by.before)


def forced_it_is_done_anew(subject: Subject) -> None:
    """After `reset` it is done again, with the same outcome."""
    with _scene(subject) as scene:
        scene.perform()
        expected, made = scene.outcome, set(scene.written)
        if not made:
            raise DoesNotApplyError("it leaves no file")
        scene.forget_times()
        scene.build().reset(scene.run, subject.name)
        mend = "throw away what the stage itself has left, and nothing else"
        require(not scene.lost, f"reset changed {', '.join(scene.lost)}", mend)
        scene.perform()
        require_same(expected, scene.outcome, "forced, its files differ from the first ones", "begin anew after reset")
        mend = "let reset remove what execute would leave out because it is there"
        require(scene.kept != made, f"forced, it made none of {', '.join(sorted(made))} anew", mend)


PROPERTIES = (
    the_key_is_plain_data,
    asking_for_the_key_changes_nothing,
    equal_runs_have_equal_keys,
    the_key_tells_what_the_outcome_depends_on,
    the_summary_is_plain_data,
    an_output_that_is_gone_is_missed,
    what_others_have_left_stays_as_it_is,
    a_stop_is_heeded,
    a_stopped_stage_goes_on,
    a_killed_stage_goes_on,
    what_another_key_has_left_is_not_taken,
    forced_it_is_done_anew,
)
