"""Teachers from Python: train one, find directions in its latent space."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from gdp.api.given import FILE, FOLDER, RECIPE, given_names, given_path, path_if_given
from gdp.api.notebooks import shown_progress
from gdp.api.runs import choose_device
from gdp.core.building import build, class_of
from gdp.core.errors import PluginError
from gdp.core.memory import MemoryBound
from gdp.core.progress import Progress
from gdp.core.recipe.overrides import Overrides, written_overrides
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry
from gdp.support.devices import resolve_device
from gdp.tools.teacher_recipe import load_teacher_recipe
from gdp.tools.together.places import device_of

if TYPE_CHECKING:
    import torch

    from gdp.core.interfaces.teachers import Teacher
    from gdp.tools.directions.describing import Description
    from gdp.tools.directions.search import Finding
    from gdp.tools.together.company import ProcessCompany

DEFAULT_TEACHER = "stylegan2"
"""The teacher of `gdp find-direction` where neither the user nor a recipe names one."""


def find_direction(
    recipe: str | Path | None = None,
    *,
    method: str = "ridge",
    filter: str | None = None,
    labels: str | Sequence[str] = (),
    hold: str | Sequence[str] = (),
    hold_border: bool = True,
    teacher: str | None = None,
    name: str = "",
    samples: int = 5000,
    measured: int = 200,
    refine: int = 2,
    components: int = 10,
    layers: Sequence[int] | None = None,
    truncation: float = 0.8,
    seed: int = 0,
    overrides: Overrides = (),
    output: str | Path | None = None,
    strip: str | Path | None = None,
    rows: int = 6,
    device: str | torch.device = "auto",
    memory: str | None = None,
    registry: PluginRegistry | None = None,
    progress: Progress | bool | None = None,
) -> list[tuple[Finding, Path | None]]:
    """Find directions in a teacher's w, measure what they do, and write them.

    Args:
        recipe: a recipe whose teacher to take, and what its filters' scores depend on.
        method: a direction method's name.
        filter: the filter whose scores are the labels and the measure.
        labels: a score, or several; for each a direction along which it grows and the others stay. None for methods
            without.
        hold: scores that are to stay as they are; `all` stands for every other number that the filter measures.
        hold_border: whether the mean colours of the picture's border are to stay, too; no filter is asked about them.
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
        device: `auto`, `cpu`, `cuda`, `cuda:1`, or torch's.
        memory: for pictures in work, as `4GB`; by default a quarter of what is free.
        registry: the plugins; by default all that are installed.
        progress: where it is shown: by default in bars in a notebook or on a terminal, and in lines elsewhere;
            nowhere with False.

    Returns:
        Each direction with its measured effects, and the file that it was written to.

    Raises:
        GdpError: something that can be mended.
    """
    from gdp.tools.directions.choices import SearchChoices, check_names, read_choices

    check_names(output, strip)
    registry, progress = registry or PluginRegistry.discover(), shown_progress(progress)
    place = path_if_given(recipe, RECIPE)
    choices = SearchChoices(method, teacher, filter, place, written_overrides(overrides), otherwise=DEFAULT_TEACHER)
    chosen = read_choices(choices, registry)
    from gdp.tools.directions.opening import open_tools
    from gdp.tools.directions.samples import Sampling
    from gdp.tools.directions.search import SearchSettings, find_directions
    from gdp.tools.directions.writing import write_findings

    where = choose_device(device)
    bound = MemoryBound.written(memory, str(where))
    tools = open_tools(chosen, registry, seed=seed, pictures=samples, device=where, progress=progress, memory=bound)
    settings = SearchSettings(
        labels=given_names(labels, "labels"),
        hold=given_names(hold, "hold"),
        hold_border=hold_border,
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


def describe_direction(
    file: str | Path,
    recipe: str | Path | None = None,
    *,
    teacher: str | None = None,
    layers: Sequence[int] | None = None,
    truncation: float = 0.8,
    seed: int = 0,
    overrides: Overrides = (),
    strip: str | Path | None = None,
    rows: int = 6,
    device: str | torch.device = "auto",
    registry: PluginRegistry | None = None,
    progress: Progress | bool | None = None,
) -> Description:
    """Tell what a direction's file holds, how far it goes on a teacher, and whether it belongs there.

    Args:
        file: a .safetensors file made by gdp or a public .npy, .npz or .pt file; of components one, as `pca.pt#3`.
        recipe: a recipe whose teacher to take.
        teacher: a teacher's name; by default the recipe's, or `stylegan2`.
        layers: numbers of the w's that are moved, from 0 (coarsest); None for those that the file names.
        truncation: psi of the strip's samples, 0 to 1.
        seed: which samples.
        overrides: such as `teacher.weights=g.safetensors`.
        strip: a PNG of samples at strengths -3 to +3.
        rows: samples in the strip.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, or torch's.
        registry: the plugins; by default all that are installed.
        progress: where it is shown: by default in bars in a notebook or on a terminal, and in lines elsewhere;
            nowhere with False.

    Raises:
        GdpError: something that can be mended.
    """
    from gdp.tools.directions.choices import SearchChoices, check_names, read_choices

    check_names(None, strip)
    registry, progress = registry or PluginRegistry.discover(), shown_progress(progress)
    place = path_if_given(recipe, RECIPE)
    choices = SearchChoices("pca", teacher, None, place, written_overrides(overrides), otherwise=DEFAULT_TEACHER)
    chosen = read_choices(choices, registry)
    from gdp.tools.directions.describing import describe_file
    from gdp.tools.directions.opening import open_teacher
    from gdp.tools.directions.samples import STRENGTHS, Sampling
    from gdp.tools.directions.writing import write_strip

    built = open_teacher(chosen.teacher, registry, seed=seed, device=choose_device(device), progress=progress)
    described = describe_file(given_path(file, FILE), built, None if layers is None else tuple(layers))
    if strip is not None and described.move is not None:
        ws = Sampling(seed, truncation).ws(built, range(rows))
        moves = [strength * described.move.displacement for strength in STRENGTHS]
        captions = [[f"{strength:+.0f}"] for strength in STRENGTHS]
        with progress.task("drawing the strip", len(moves) * len(ws), "pictures") as task:
            write_strip(built, moves, ws, captions, Path(strip), task.advance)
    return described


def _absolute(weights: str | Path) -> str:
    """Return weights as a recipe in any folder names them."""
    named = isinstance(weights, str) and weights.startswith(("builtin:", "https://", "http://"))
    return str(weights) if named else str(Path(weights).absolute())


def _require_together(name: str, teacher: type[Teacher]) -> None:
    if not teacher.trains_together:
        raise PluginError(
            f"the teacher {name} cannot be trained by several processes: its plugin does not say trains_together. "
            f"Leave --devices out"
        )


def train_teacher(
    recipe: str | Path,
    *,
    folder: str | Path | None = None,
    from_weights: str | Path | None = None,
    overrides: Overrides = (),
    device: str | torch.device | None = None,
    registry: PluginRegistry | None = None,
    progress: Progress | bool | None = None,
    company: ProcessCompany | None = None,
) -> Path:
    """Train a teacher by its recipe, or go on where it stopped; return the file of its weights.

    Args:
        recipe: the TOML file, or the name of a recipe that comes with gdp.
        folder: where it trains; by default `runs/<name of the recipe>` below the present folder.
        from_weights: networks to begin with instead of random ones: a file, `builtin:faces64` or the like, or an
            address, as of the recipe's `train.from_weights`. A training that has begun goes on from its checkpoint.
        overrides: such as `train.batch=8`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, or torch's; by default what the recipe's `[train]` says.
        registry: the plugins; by default all that are installed.
        progress: where it is shown: by default in bars in a notebook or on a terminal, and in lines elsewhere;
            nowhere with False. What `advance` of it raises ends the training.
        company: the processes that train together, each of which calls this; by default this one is alone. All but
            rank 0 write nothing, and return the folder.

    Raises:
        RecipeError: with all mistakes of the recipe.
        GdpError: something that can be mended; checkpoints are kept.
    """
    registry = registry or PluginRegistry.discover()
    written = list(written_overrides(overrides))
    if device is not None:
        written.append(f'train.device="{resolve_device(device)}"')
    if from_weights is not None:
        written += written_overrides({"train.from_weights": _absolute(from_weights)})
    loaded = load_teacher_recipe(given_path(recipe, RECIPE), registry, written)
    from gdp.core.interfaces.context import BuildContext
    from gdp.core.interfaces.datasets import Dataset, UnpairedDataset

    place = RunFolder((path_if_given(folder, FOLDER) or Path("runs") / loaded.name).absolute())
    memory = MemoryBound(loaded.limits.memory_bytes)
    context = BuildContext(seed=loaded.seed, progress=shown_progress(progress), memory=memory)
    teacher: type[Teacher] = class_of(registry, loaded.teacher)
    kind: type[Dataset | UnpairedDataset] = registry.load(loaded.dataset.record)
    teacher.require_dataset(loaded.teacher.name, kind)

    def work(*called: object) -> Path:
        record, config = loaded.dataset.record, loaded.dataset.config
        images = build(registry, record, config, context, kind=(Dataset, UnpairedDataset))
        return teacher.train(loaded.train, images, place.path, context.progress)

    if company is not None:
        _require_together(loaded.teacher.name, teacher)
        device_of(company.place, str(device or getattr(loaded.train, "device", "auto")))
        if not company.place.leads:
            company.serve(work)
            return place.path
    with place.locked():
        place.write_text("recipe.toml", loaded.to_toml())
        with nullcontext() if company is None else company.called("teacher", {}):
            return work()
