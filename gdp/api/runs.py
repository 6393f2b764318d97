"""Runs from Python: make one, judge it anew, prune what it trained.

Trained students from Python.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdp.api.given import FOLDER, MODEL, RECIPE, RUN, given_path, path_if_given
from gdp.api.notebooks import shown_progress
from gdp.core.errors import GdpError
from gdp.core.progress import Progress, SilentProgress
from gdp.core.recipe.overrides import Overrides, written_overrides
from gdp.core.run_folder import RunFolder, find_run
from gdp.registry import PluginRegistry
from gdp.support.devices import resolve_device
from gdp.support.finished_stages import is_measured
from gdp.support.metrics_files import read_metrics
from gdp.tools.crew.request import asked_workers
from gdp.tools.run_recipes import load_run_recipe, open_recipe
from gdp.tools.tracking import Trackers, open_trackers, tracked
from gdp.tools.watch import recorded

if TYPE_CHECKING:
    import torch

    from gdp.core.run.pipeline import Outcome, Plan
    from gdp.core.run.session import Session
    from gdp.tools.deploy.models import Model
    from gdp.tools.deploy.student import DeployedStudent
    from gdp.tools.prune.record import Subject


SHOWN_PICTURES = 12
"""Pictures of a run that a notebook shows."""
SHOWN_BYTES = 2**19
"""Of the largest of them: what a notebook shows is kept in it."""


@dataclass(frozen=True)
class FinishedRun:
    """What `run` returns; a notebook shows what came of it.

    Attributes:
        path: The run folder.
        outcome: How it ended, and which stages were done.
    """

    path: Path
    outcome: Outcome

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    @property
    def metrics(self) -> dict[str, float]:
        """What was measured of the student, by the dotted names of the numbers; their protocols are in `metrics.json`.

        There are none where it stopped before that, though an earlier student may have left some in the folder.
        """
        folder = RunFolder(self.path)
        return read_metrics(folder) if is_measured(folder) else {}

    @cached_property
    def student(self) -> DeployedStudent:
        """The trained student, opened when it is first asked for: `run.student(picture)`; `gdp.load` has options."""
        return load(self.path)

    @property
    def pictures(self) -> list[Path]:
        """PNG files of held-out pictures, a column after the other, row by row; none of a student not measured yet."""
        return sorted(self.path.glob("pictures/rows/**/*.png")) if is_measured(RunFolder(self.path)) else []

    def _repr_html_(self) -> str:
        """Return how it ended, its numbers and its first pictures as HTML for notebooks."""
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{value:.5g}</td></tr>" for name, value in self.metrics.items())
        shown = "".join(
            f'<img alt="{escape(path.stem)}" src="data:image/png;base64,{b64encode(path.read_bytes()).decode()}">'
            for path in self.pictures[:SHOWN_PICTURES]
            if path.stat().st_size <= SHOWN_BYTES
        )
        told = f"{self.outcome.state}: {self.path}" + (f" ({self.outcome.reason})" if self.outcome.reason else "")
        return f"<p>{escape(told)}</p><p>{shown}</p><table>{rows}</table>"


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the torch device of a name; `auto` is the first GPU where there is one, else the CPU.

    Raises:
        GdpError: there is no such device; the message says which there are.
    """
    device = resolve_device(name)
    import torch

    return torch.device(device)


def open_session(
    recipe: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Overrides = (),
    device: str | torch.device = "auto",
    registry: PluginRegistry | None = None,
    progress: Progress | None = None,
    stop_requested: Callable[[], bool] | None = None,
) -> Session:
    """Read a recipe and prepare its run; nothing is written yet.

    Args:
        recipe: the TOML file, or the name of a recipe that comes with gdp; or the folder of a run, which then goes on
            by the recipe that is written there.
        folder: the run folder; by default `runs/<name of the recipe>` below the present folder.
        overrides: such as `train.steps=200`, several in a list, or `{"train.steps": 200}`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, or torch's.
        registry: the plugins; by default all that are installed.
        progress: where to show progress; by default nowhere.
        stop_requested: asked between pieces of work; True ends the run cleanly. By default nobody is asked.

    Raises:
        RecipeError: with all mistakes of the recipe.
    """
    registry = registry or PluginRegistry.discover()
    loaded, place = open_recipe(
        given_path(recipe, RECIPE), registry, written_overrides(overrides), path_if_given(folder, FOLDER)
    )
    from gdp.core.run.session import Session, never

    progress = progress or SilentProgress()
    return Session(loaded, place, registry, progress, choose_device(device), stop_requested or never)


def look_at(run: str | Path, *, registry: PluginRegistry | None = None, progress: Progress | None = None) -> Session:
    """Open a run to look at its pairs: neither its teacher nor the teacher's plugin need be there.

    Args:
        run: the run's folder, or its name in `runs/`.
        registry: the plugins; by default all that are installed.
        progress: where to show progress; by default nowhere.

    Raises:
        MissingResourceError: there is no such run.
        RecipeError: its recipe cannot be read.
    """
    folder, registry = find_run(given_path(run, RUN)), registry or PluginRegistry.discover()
    recipe = load_run_recipe(folder, registry, look=True)
    from gdp.core.run.session import Session

    return Session(recipe, folder, registry, progress or SilentProgress(), choose_device("cpu"))


def run(
    recipe: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Overrides = (),
    device: str | torch.device = "auto",
    plan: Plan | None = None,
    progress: Progress | bool | None = None,
    track: Trackers = (),
    executor: str | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    hand_over: str | None = None,
    patience: float | None = None,
) -> FinishedRun:
    """Do all that a recipe asks and was not done yet; see `open_session` for the arguments.

    Args:
        recipe, folder, overrides, device: see `open_session`.
        plan: where to begin and to end; by default all that is to be done.
        progress: where it is shown: by default in bars in a notebook or on a terminal, and in lines elsewhere;
            nowhere with False.
        track: who is told of the run, as `["tensorboard"]` or `{"mlflow": {"experiment": "faces"}}`.
        executor: whose workers make the pairs and ask the filters: `processes`, `ray` or another that is installed. As
            the four that follow it is what the option of that name is to `gdp run`; where none is given this process
            does it all.
        workers: how many; by default one a GPU or processor core.
        ray_address: of a Ray cluster, such as `auto`; by default Ray is started here.
        hand_over: where workers hand pairs over, a folder or an address such as `s3://bucket/prefix` that all of them
            reach; by default beside the run's pairs.
        patience: seconds without a word after which a worker is replaced; by default 600.

    Raises:
        GdpError: something that can be mended; what was done is kept.
    """
    asked = asked_workers(executor, workers, ray_address, hand_over, patience)
    progress, registry = shown_progress(progress), PluginRegistry.discover()
    session = open_session(
        recipe, folder=folder, overrides=overrides, device=device, registry=registry, progress=progress
    )
    trackers = open_trackers(registry, track)
    from gdp.api.workers import crew_of
    from gdp.core.run.pipeline import Plan, execute

    crew = nullcontext() if asked is None else crew_of(session, registry, asked)
    with crew, recorded(session), tracked(session, registry, trackers):
        return FinishedRun(session.folder.path, execute(session, plan or Plan()))


def prune(
    run: str | Path,
    macs: float,
    *,
    of: Subject = "student",
    folder: str | Path | None = None,
    steps: int | None = None,
    overrides: Overrides = (),
    device: str | torch.device = "auto",
    progress: Progress | bool | None = None,
) -> FinishedRun:
    """Take the least important channels out of a finished run's student or teacher, and train what is left.

    Args:
        run: the finished run's folder, which stays as it is.
        macs: share of the multiply-accumulates to keep, in (0, 1).
        of: whose network, `student` or `teacher`.
        folder: of the pruned network's own run; by default beside the run.
        steps: training steps; by default half of the run's.
        overrides: such as `train.learning_rate=1e-4`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, or torch's.
        progress: where it is shown: by default in bars in a notebook or on a terminal, and in lines elsewhere;
            nowhere with False.

    Raises:
        GdpError: something that can be mended; what was done is kept.
    """
    from gdp.tools.prune.request import PruningRequest, read_request

    request = PruningRequest(
        given_path(run, RUN), macs, of, path_if_given(folder, FOLDER), steps, written_overrides(overrides)
    )
    registry = PluginRegistry.discover()
    asked = read_request(request, registry)
    from gdp.core.run.pipeline import execute
    from gdp.tools.prune.opening import open_pruning

    session, _ = open_pruning(asked, registry, device=choose_device(device), progress=shown_progress(progress))
    with recorded(session):
        return FinishedRun(session.folder.path, execute(session))


@dataclass(frozen=True)
class Refiltered:
    """What `refilter` returns.

    Attributes:
        path: The run folder.
        before: The funnel as it was: made, filters (filter, input, kept, dropped, unknown, reasons), kept.
        after: The funnel by the new filters.
        stale: Finished stages that rest on other pairs than those that are kept now; `gdp.run(path)` does them again.
    """

    path: Path
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    stale: Sequence[str]


def refilter(
    run: str | Path,
    *,
    recipe: str | Path | None = None,
    overrides: Overrides = (),
    dry_run: bool = False,
    measure: bool = False,
    device: str | torch.device = "auto",
    progress: Progress | bool | None = None,
) -> Refiltered:
    """Judge a run's pairs by other thresholds, from the scores that are stored.

    Args:
        run: the run's folder.
        recipe: one with the new filters; by default the run's own.
        overrides: such as `filters.0.min_age=21`.
        dry_run: change nothing, only tell the funnel.
        measure: let filters measure pairs that they have no scores of.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, or torch's; where to measure.
        progress: where it is shown: by default in bars in a notebook or on a terminal, and in lines elsewhere;
            nowhere with False.

    Raises:
        GdpError: something would have to be measured, more than the filters would change, or no pair would be left;
            nothing is written then.
    """
    from gdp.tools.select.requests import RefilterRequest, read_new_filters

    request = RefilterRequest(given_path(run, RUN), path_if_given(recipe, RECIPE), written_overrides(overrides))
    registry = PluginRegistry.discover()
    asked = read_new_filters(request, registry)
    from gdp.tools.select.refilter import open_refiltering

    found = open_refiltering(asked, registry, device=choose_device(device), progress=shown_progress(progress))
    if dry_run:
        found.require_known()
    else:
        found.apply(measure=measure)
    return Refiltered(found.session.folder.path, found.before, found.after, found.stale)


def load(
    path: str | Path, *, device: str | torch.device = "auto", registry: PluginRegistry | None = None
) -> DeployedStudent:
    """Load a trained student, by its run (a folder, or its name in `runs/`) or `student/` folder; call it on pictures.

    Of pictures that are not as those that it was trained on it warns, once for each kind of thing that is amiss
    (`gdp.OutOfDepthWarning`).

    Raises:
        MissingResourceError, CorruptFileError: there is no student, or its files are damaged.
    """
    from gdp.tools.deploy.depth import PythonWatch
    from gdp.tools.deploy.models import find_model
    from gdp.tools.deploy.student import load_student

    place = find_model(given_path(path, MODEL))
    if place.file is not None:
        raise GdpError(f"{path}: this is an exported file, which needs no torch: open it with gdp.deploy")
    student = load_student(place.folder, registry or PluginRegistry.discover(), choose_device(device))
    student.watch = PythonWatch(student.trained_on)
    return student


def deploy(
    model: str | Path,
    *,
    engine: str | None = None,
    device: str | torch.device = "cpu",
    threads: int | None = None,
    registry: PluginRegistry | None = None,
) -> Model:
    """Open a trained student by the fastest engine, for 8-bit pictures of any size.

    Call what it returns with uint8 RGB pictures (N, H, W, 3) or (H, W, 3), a PIL image, a path, or a list of such, and
    get pictures of the same sizes in kind. It warns of pictures that are not as those that it was trained on, once for
    each kind of thing that is amiss (`gdp.OutOfDepthWarning`).

    Args:
        model: a run (its folder, or its name in `runs/`), its `student/` folder, or a file of `gdp export`.
        engine: `torch`, `onnx`, `openvino` or another that is installed; by default the fastest, found by a short trial
            that is remembered beside the student.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, or torch's.
        threads: of the processor; by default all.
        registry: the plugins; by default all that are installed.

    Raises:
        MissingResourceError, CorruptFileError: there is no student, or its files are damaged.
    """
    from gdp.support.interfaces.engines import EngineContext
    from gdp.tools.deploy.depth import PythonWatch
    from gdp.tools.deploy.opening import open_model

    opened = open_model(
        registry or PluginRegistry.discover(),
        given_path(model, MODEL),
        engine=engine,
        context=EngineContext(resolve_device(device), threads),
    )
    return opened if opened.trained_on is None else replace(opened, watch=PythonWatch(opened.trained_on))
