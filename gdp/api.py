"""gdp from Python: run a recipe, load a student, train a teacher. Importing this module imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gdp.core.deployment.models import Model, open_model
from gdp.core.directions.opening import SearchChoices, open_tools
from gdp.core.directions.samples import Sampling
from gdp.core.directions.search import Finding, SearchSettings, find_directions
from gdp.core.directions.writing import check_names, write_findings
from gdp.core.errors import PluginError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset, UnpairedDataset
from gdp.core.interfaces.engines import EngineContext
from gdp.core.interfaces.teachers import Teacher
from gdp.core.pipeline import Outcome, Plan, execute
from gdp.core.progress import Progress, SilentProgress
from gdp.core.pruning.opening import PruningRequest, open_pruning
from gdp.core.pruning.record import Subject
from gdp.core.recipe import load_recipe, load_teacher_recipe
from gdp.core.run_folder import RunFolder
from gdp.core.selection.opening import is_run, load_run_recipe
from gdp.core.selection.refilter import RefilterRequest, open_refiltering
from gdp.core.stages.session import Session, never, plugin_errors
from gdp.core.training.inference import DeployedStudent, load_student
from gdp.registry import PluginRegistry


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
    stop_requested: Callable[[], bool] = never,
) -> Session:
    """Read a recipe and prepare its run; nothing is written yet.

    Args:
        recipe: the TOML file; or the folder of a run, which then goes on by the recipe that is written there.
        folder: the run folder; by default `runs/<name of the recipe>` below the present folder.
        overrides: such as `train.steps=200`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        registry: the plugins; by default all that are installed.
        progress: where to show progress; by default nowhere.
        stop_requested: asked between pieces of work; True ends the run cleanly.

    Raises:
        RecipeError: with all mistakes of the recipe.
    """
    registry = registry or PluginRegistry.discover()
    if is_run(Path(recipe)):
        loaded = load_run_recipe(RunFolder(Path(recipe).absolute()), registry, overrides)
        path = Path(folder or recipe)
    else:
        loaded = load_recipe(Path(recipe), registry, overrides)
        path = Path(folder) if folder is not None else Path("runs") / loaded.name
    progress = progress or SilentProgress()
    return Session(loaded, RunFolder(path.absolute()), registry, progress, choose_device(device), stop_requested)


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
    request = PruningRequest(Path(run), macs, of, None if folder is None else Path(folder), steps, overrides)
    session, _ = open_pruning(
        request, PluginRegistry.discover(), device=choose_device(device), progress=SilentProgress()
    )
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
    request = RefilterRequest(Path(run), None if recipe is None else Path(recipe), overrides)
    found = open_refiltering(
        request, PluginRegistry.discover(), device=choose_device(device), progress=SilentProgress()
    )
    if dry_run:
        found.require_known()
    else:
        found.apply(measure=measure)
    return Refiltered(found.session.folder.path, found.before, found.after, found.stale)


def find_direction(
    recipe: str | Path | None = None,
    *,
    method: str = "class-means",
    filter: str | None = None,
    labels: Sequence[str] = (),
    hold: Sequence[str] = (),
    teacher: str | None = None,
    name: str = "",
    samples: int = 5000,
    measured: int = 200,
    refine: int = 2,
    components: int = 10,
    layers: Sequence[int] | None = None,
    truncation: float = 0.8,
    seed: int = 0,
    overrides: Sequence[str] = (),
    output: str | Path | None = None,
    strip: str | Path | None = None,
    rows: int = 6,
    device: str = "auto",
    registry: PluginRegistry | None = None,
    progress: Progress | None = None,
) -> list[tuple[Finding, Path | None]]:
    """Find directions in a teacher's w, measure what they do, and write them.

    Args:
        recipe: a recipe whose teacher to take, and what its filters' scores depend on.
        method: a direction method's name.
        filter: the filter whose scores are the labels and the measure.
        labels: scores; for each a direction along which it grows and the others stay. None for methods without.
        hold: scores that are to stay as they are.
        teacher: a teacher's name; by default the recipe's, or `stylegan2`.
        name: what to call the direction; by default the label.
        samples: samples to find it from.
        measured: other samples on which to measure what it does.
        refine: how often to take out what it is measured to do to held scores.
        components: how many directions methods without labels give.
        layers: numbers of the w's it is made for, from 0 (coarsest); None for all.
        truncation: psi of all samples, 0 to 1.
        seed: which samples.
        overrides: such as `teacher.weights=g.safetensors`, `filter.min_face=0.8`, `method.share=0.1`.
        output: the .safetensors file; where several directions are found, `output-age.safetensors` and so on.
        strip: a PNG of samples at strengths -3 to +3, named likewise.
        rows: samples in the strip.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        registry: the plugins; by default all that are installed.
        progress: where to show progress; by default nowhere.

    Returns:
        Each direction with its measured effects, and the file that it was written to.

    Raises:
        GdpError: something that can be mended.
    """
    check_names(output, strip)
    registry, progress = registry or PluginRegistry.discover(), progress or SilentProgress()
    choices = SearchChoices(method, teacher, filter, None if recipe is None else Path(recipe), overrides)
    chosen = choose_device(device)
    tools = open_tools(choices, registry, seed=seed, pictures=samples, device=chosen, progress=progress)
    settings = SearchSettings(
        labels=tuple(labels),
        hold=tuple(hold),
        name=name,
        samples=samples,
        sampling=Sampling(seed, truncation),
        layers=None if layers is None else tuple(layers),
        components=components,
        refine=refine,
        measured=measured,
    )
    findings = find_directions(tools, settings)
    paths = write_findings(tools, settings, findings, output=output, strip=strip, rows=rows)
    return list(zip(findings, paths, strict=True))


def load(path: str | Path, *, device: str = "auto", registry: PluginRegistry | None = None) -> DeployedStudent:
    """Load a trained student from a run folder or its `student/` folder; call it on pictures.

    Raises:
        MissingResourceError, CorruptFileError: there is no student, or its files are damaged.
    """
    place = Path(path)
    folder = place / "student" if (place / "student").is_dir() else place
    return load_student(folder, registry or PluginRegistry.discover(), choose_device(device))


def deploy(
    model: str | Path,
    *,
    engine: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    registry: PluginRegistry | None = None,
) -> Model:
    """Open a trained student by the fastest engine, for 8-bit pictures of any size.

    Call what it returns with (N, H, W, 3) uint8 RGB pictures, and get as many of the same size.

    Args:
        model: a run folder, its `student/` folder, or a file of `gdp export`.
        engine: `torch`, `onnx`, `openvino` or another that is installed; by default the fastest, found by a short trial
            that is remembered beside the student.
        device: `cpu`, `cuda`, `cuda:1`.
        threads: of the processor; by default all.
        registry: the plugins; by default all that are installed.

    Raises:
        MissingResourceError, CorruptFileError: there is no student, or its files are damaged.
    """
    return open_model(
        registry or PluginRegistry.discover(), Path(model), engine=engine, context=EngineContext(device, threads)
    )


def train_teacher(
    recipe: str | Path,
    *,
    folder: str | Path | None = None,
    overrides: Sequence[str] = (),
    registry: PluginRegistry | None = None,
    progress: Progress | None = None,
) -> Path:
    """Train a teacher by its recipe, or go on where it stopped; return the file of its weights.

    Raises:
        RecipeError: with all mistakes of the recipe.
        GdpError: something that can be mended; checkpoints are kept.
    """
    registry = registry or PluginRegistry.discover()
    loaded = load_teacher_recipe(Path(recipe), registry, overrides)
    place = RunFolder((Path(folder) if folder is not None else Path("runs") / loaded.name).absolute())
    context = BuildContext(seed=loaded.seed, progress=progress or SilentProgress())
    teacher, dataset = registry.load(loaded.teacher), registry.load(loaded.dataset.record)
    if not issubclass(teacher, Teacher) or not issubclass(dataset, Dataset | UnpairedDataset):
        raise PluginError("a registered teacher or dataset is not of its interface; tell the plugin's author")
    teacher.require_dataset(loaded.teacher.name, dataset)
    with place.locked(), plugin_errors(f"teacher {loaded.teacher.name}"):
        place.write_text("recipe.toml", loaded.to_toml())
        images = dataset(loaded.dataset.config, context)
        weights: Path = teacher.train(loaded.train, images, place.path, context.progress)
    return weights
