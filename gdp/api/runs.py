"""Runs from Python: make one, judge it anew, prune what it trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdp.core.progress import Progress, SilentProgress
from gdp.core.run_recipe import open_recipe
from gdp.registry import PluginRegistry

if TYPE_CHECKING:
    import torch

    from gdp.core.pipeline import Outcome, Plan
    from gdp.core.pruning.record import Subject
    from gdp.core.stages.session import Session


@dataclass(frozen=True)
class FinishedRun:
    """What `run` returns."""

    path: Path
    """The run folder."""
    outcome: Outcome

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.path / "report.html"


def choose_device(name: str = "auto") -> torch.device:
    """Return the torch device of a name; `auto` is the first GPU where there is one, else the CPU."""
    import torch

    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def open_session(
    recipe: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    registry: PluginRegistry | None = None,
    progress: Progress | None = None,
    stop_requested: Callable[[], bool] | None = None,
) -> Session:
    """Read a recipe and prepare its run; nothing is written yet.

    Args:
        recipe: the TOML file; or the folder of a run, which then goes on by the recipe that is written there.
        folder: the run folder; by default `runs/<name of the recipe>` below the present folder.
        overrides: such as `train.steps=200`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        registry: the plugins; by default all that are installed.
        progress: where to show progress; by default nowhere.
        stop_requested: asked between pieces of work; True ends the run cleanly. By default nobody is asked.

    Raises:
        RecipeError: with all mistakes of the recipe.
    """
    registry = registry or PluginRegistry.discover()
    loaded, place = open_recipe(Path(recipe), registry, overrides, None if folder is None else Path(folder))
    from gdp.core.stages.session import Session, never

    progress = progress or SilentProgress()
    return Session(loaded, place, registry, progress, choose_device(device), stop_requested or never)


def run(
    recipe: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    plan: Plan | None = None,
) -> FinishedRun:
    """Do all that a recipe asks and was not done yet; see `open_session` for the arguments.

    Raises:
        GdpError: something that can be mended; what was done is kept.
    """
    session = open_session(recipe, folder=folder, overrides=overrides, device=device)
    from gdp.core.pipeline import Plan, execute

    return FinishedRun(session.folder.path, execute(session, plan or Plan()))


def prune(
    run: str | Path,
    macs: float,
    *,
    of: Subject = "student",
    folder: str | Path | None = None,
    steps: int | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
) -> FinishedRun:
    """Take the least important channels out of a finished run's student or teacher, and train what is left.

    Args:
        run: the finished run's folder, which stays as it is.
        macs: share of the multiply-accumulates to keep, in (0, 1).
        of: whose network, `student` or `teacher`.
        folder: of the pruned network's own run; by default beside the run.
        steps: training steps; by default half of the run's.
        overrides: such as `train.learning_rate=1e-4`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.

    Raises:
        GdpError: something that can be mended; what was done is kept.
    """
    from gdp.core.pruning.request import PruningRequest, read_request

    request = PruningRequest(Path(run), macs, of, None if folder is None else Path(folder), steps, overrides)
    registry = PluginRegistry.discover()
    asked = read_request(request, registry)
    from gdp.core.pipeline import execute
    from gdp.core.pruning.opening import open_pruning

    session, _ = open_pruning(asked, registry, device=choose_device(device), progress=SilentProgress())
    return FinishedRun(session.folder.path, execute(session))


@dataclass(frozen=True)
class Refiltered:
    """What `refilter` returns."""

    path: Path
    """The run folder."""
    before: Mapping[str, Any]
    """The funnel as it was: made, filters (filter, input, kept, dropped, unknown, reasons), kept."""
    after: Mapping[str, Any]
    """The funnel by the new filters."""
    stale: Sequence[str]
    """Finished stages that rest on other pairs than those that are kept now; `gdp.run(path)` does them again."""


def refilter(
    run: str | Path,
    *,
    recipe: str | Path | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    measure: bool = False,
    device: str = "auto",
) -> Refiltered:
    """Judge a run's pairs by other thresholds, from the scores that are stored.

    Args:
        run: the run's folder.
        recipe: one with the new filters; by default the run's own.
        overrides: such as `filters.0.min_age=21`.
        dry_run: change nothing, only tell the funnel.
        measure: let filters measure pairs that they have no scores of.
        device: `auto`, `cpu`, `cuda`, `cuda:1`; where to measure.

    Raises:
        GdpError: something would have to be measured, more than the filters would change, or no pair would be left;
            nothing is written then.
    """
    from gdp.core.selection.requests import RefilterRequest, read_new_filters

    request = RefilterRequest(Path(run), None if recipe is None else Path(recipe), overrides)
    registry = PluginRegistry.discover()
    asked = read_new_filters(request, registry)
    from gdp.core.selection.refilter import open_refiltering

    found = open_refiltering(asked, registry, device=choose_device(device), progress=SilentProgress())
    if dry_run:
        found.require_known()
    else:
        found.apply(measure=measure)
    return Refiltered(found.session.folder.path, found.before, found.after, found.stale)
