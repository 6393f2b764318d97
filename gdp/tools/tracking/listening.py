"""Listening to a run for its trackers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdp.core.errors import MissingResourceError
from gdp.core.hookspecs import hookimpl
from gdp.core.run_folder import RunFolder
from gdp.support.interfaces.trackers import TrackedRun, Tracker
from gdp.support.metrics_files import finite
from gdp.tools.tracking.line import Line

if TYPE_CHECKING:
    from gdp.core.run.session import Session
    from gdp.registry import PluginRegistry

ARTIFACTS = ("recipe.toml", "metrics.json", "report.html", "student")
"""What a finished run hands to trackers, of what is there."""


@contextmanager
def tracked(session: Session, plugins: PluginRegistry, trackers: Mapping[str, Tracker]) -> Iterator[Tracking]:
    """Tell trackers of all that a session's run does inside.

    Raises:
        MissingResourceError: before the first stage that is to be done, where a tracker cannot begin.
    """
    tracking = Tracking(session.folder, trackers, session.progress.message)
    if trackers:
        plugins.listen(tracking, "the trackers of this run")
        before = session.stop_requested

        def stop_requested() -> bool:
            tracking.require_begun()
            return before()

        session.stop_requested = stop_requested
    try:
        yield tracking
    finally:
        tracking.close()


class Tracking:
    """Listens to a run for its trackers."""

    def __init__(self, folder: RunFolder, trackers: Mapping[str, Tracker], tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._lines = [Line(name, tracker, folder) for name, tracker in trackers.items()]
        self._told: set[str] = set()
        self._worked = False

    @property
    def outcomes(self) -> dict[str, str]:
        """What became of each tracker, in words, by its name."""
        return {line.name: line.outcome for line in self._lines}

    @property
    def failed(self) -> bool:
        """Whether one of them was not told all."""
        return any(line.error is not None for line in self._lines)

    def require_begun(self) -> None:
        """Refuse to work for hours where nobody is told of it, though it was asked for.

        Raises:
            MissingResourceError: a tracker could not begin.
        """
        for line in self._lines:
            if line.error is not None and not line.begun:
                raise MissingResourceError(
                    f"tracker {line.name} could not begin, so the run did not: {line.error}. Mend that, or leave "
                    f"--track {line.name} out."
                )

    @hookimpl
    def gdp_run_started(self, run: RunFolder, recipe: Mapping[str, Any]) -> None:
        """Open the run at each tracker, all at once, and wait for them."""
        for line in self._lines:
            line.begin(TrackedRun(str(recipe.get("name", run.path.name)), run.path, recipe))
        for line in self._lines:
            line.wait()
        self._look()

    @hookimpl
    def gdp_metrics(self, run: RunFolder, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Tell numbers of the run; those of the single trainings of a comparison are told by its table."""
        numbers = {name: float(value) for name, value in metrics.items() if finite(value) is not None}
        for line in self._lines_of(run):
            line.metrics(stage, step, numbers)

    @hookimpl
    def gdp_images(self, run: RunFolder, stage: str, step: int, path: Path) -> None:
        """Show a sample grid."""
        for line in self._lines_of(run):
            line.image(stage, step, path)

    @hookimpl
    def gdp_stage_finished(self, run: RunFolder, stage: str, summary: Mapping[str, Any]) -> None:
        """Tell what a stage says of itself."""
        for line in self._lines_of(run):
            self._worked = True
            line.summary(stage, summary)

    @hookimpl
    def gdp_run_finished(self, run: RunFolder, outcome: str) -> None:
        """Hand over what was made, and close the run at each tracker."""
        made = [path for path in map(run.path.joinpath, ARTIFACTS) if path.exists()]
        lines = self._lines_of(run)
        for line in lines:
            line.end(outcome, made, self._worked)
        for line in lines:
            line.wait()
        self._look()
        if lines:
            run.update_run(trackers=self.outcomes)

    def close(self) -> None:
        """Let the threads go, however the run ended."""
        for line in self._lines:
            line.close()
        self._look()

    def _lines_of(self, run: RunFolder) -> list[Line]:
        """Return who is to be told of a run: nobody, if it is one training of a comparison."""
        self._look()
        return self._lines if run.path == self._folder.path else []

    def _look(self) -> None:
        """Tell of trackers that have failed, in the thread that works on the run, each once."""
        for line in self._lines:
            if line.error is not None and line.name not in self._told:
                self._told.add(line.name)
                outcome = line.outcome.rstrip(".")
                self._tell(
                    f"tracker {line.name}: {outcome}. The run goes on; gdp run {self._folder.path} --track "
                    f"{line.name} tells the rest, now or when the run has finished."
                )
                self._folder.log(f"tracker {line.name}: {line.outcome}")
                self._folder.event("tracker", tracker=line.name, error=line.error, told_up_to=line.last)
