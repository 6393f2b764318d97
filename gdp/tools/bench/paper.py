"""System A's networks at their published sizes, with random weights: a run folder that can be measured as any other.

StyleGAN2 config-f at 512 px (Karras et al., 2020: 32768 / resolution feature maps, at most 512) and pix2pixHD's global
generator (Wang et al., 2018: width 64, 4 downsamplings, 9 blocks; 182,443,267 parameters).
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch

from gdp.core.progress import Progress, SilentProgress
from gdp.core.recipe.reading import load_recipe
from gdp.core.records import Plugins
from gdp.core.run.session import Session
from gdp.core.run.steps import step_of
from gdp.core.run_folder import RunFolder
from gdp.core.tensor_file import write_tensors
from gdp.tools.bench.measuring import bench
from gdp.tools.bench.processes import in_a_process_of_its_own
from gdp.tools.bench.random_weights import CONFIG_F, vgg19_features, write_direction, write_generator
from gdp.tools.bench.request import Request, SlowRoute
from gdp.tools.bench.tasks import Bench
from gdp.tools.bench.worker import OpenPlugins

RECIPE = "recipe.toml"
SIZES = {**CONFIG_F, "resolution": 512}
STEPS, REPEATS = 5, 10
SLOW_ROUTES = (
    SlowRoute("slow route"),
    SlowRoute("slow route, VGG19-shaped distance", ("teacher.projection_vgg19=vgg19.safetensors",)),
)
ABOUT = (
    "random weights, for times do not depend on them; no VGG weights are needed: the first slow route has a distance "
    "without a network, the second the arithmetic of VGG19's features (the published one has VGG16's)"
)


def bench_paper(request: Request, open_plugins: OpenPlugins, progress: Progress) -> Bench:
    """Measure the published sizes.

    Args:
        request: threads, engines, repeats, steps and device count; its model and sizes do not.
        open_plugins: makes the registry.
        progress: where to report.
    """
    with tempfile.TemporaryDirectory(prefix="gdp-paper-") as folder:
        progress.message("making networks of the published sizes, with random weights")
        in_a_process_of_its_own(_make, open_plugins, Path(folder))
        found = bench(
            replace(
                request,
                model=Path(folder),
                sizes=(),
                repeats=REPEATS if request.repeats is None else request.repeats,
                slow_steps=STEPS if request.slow_steps is None else request.slow_steps,
                slow_routes=SLOW_ROUTES,
            ),
            open_plugins,
            progress,
        )
    return Bench({**found.about, "model": "system A at its published sizes", "weights": ABOUT}, found.rows)


def _make(open_plugins: OpenPlugins, folder: Path) -> None:
    make_run(open_plugins(), folder, SIZES)


def make_run(plugins: Plugins, folder: Path, sizes: dict[str, int], overrides: tuple[str, ...] = ()) -> None:
    """Write a run folder with an exported student, a teacher and a direction of random weights.

    Args:
        plugins: the registry.
        folder: an empty folder.
        sizes: of the teacher's network.
        overrides: of the recipe, such as `student.width=4`.
    """
    with resources.as_file(resources.files("gdp.tools.bench") / "paper.toml") as template:
        shutil.copyfile(template, folder / RECIPE)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        write_generator(plugins, "stylegan2", sizes, folder / "teacher.safetensors")
        write_direction(sizes["w_dim"], folder / "direction.safetensors")
        write_tensors(folder / "vgg19.safetensors", vgg19_features())
        recipe = load_recipe(folder / RECIPE, plugins, overrides)
        run = RunFolder(folder)
        run.write_text(RECIPE, recipe.to_toml())
        run.write_json("run.json", {"name": recipe.name, "state": "finished", "recipe": str(folder / RECIPE)})
        _write_student(Session(recipe, run, plugins, SilentProgress(), torch.device("cpu")))


def _write_student(session: Session) -> None:
    """Export a student of fresh weights, as a finished training's is."""
    session.keys = {"train": "random", "store": "none"}
    session.open_store().close()  # nothing: the student's card tells that it was trained on 0 pairs
    session.train_folder.mkdir(parents=True)
    write_tensors(session.train_folder / "student.safetensors", session.new_student().generator.state_dict())
    step_of(session, "export").stage.execute(session)
    shutil.rmtree(session.train_folder)
    shutil.rmtree(session.store_folder)
