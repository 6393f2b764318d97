"""A tiny run that stages are a step of: gdp itself makes it, of six pairs of example pictures, in a second."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image

from gdp.core.config import content_key
from gdp.core.interfaces.stages import Stage
from gdp.core.progress import Progress, SilentProgress
from gdp.core.recipe.reading import load_recipe
from gdp.core.records import DISTRIBUTION, Kind, PluginRecord, Plugins
from gdp.core.run.opening import recorded_keys
from gdp.core.run.pipeline import Plan, execute
from gdp.core.run.session import Session, never
from gdp.core.run.steps import steps_of
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry
from gdp.testing.examples.pictures import as_uint8, pictures
from gdp.tools.run_recipes import load_run_recipe

_SIDE = 16
RECIPE = f"""\
name = "tiny"
seed = 7

[pairs]
plugin = "folder"
source_folder = "before"
target_folder = "after"
resolution = {_SIDE}
held_out_names = ["1", "4"]

[student]
plugin = "pix2pixhd"
width = 4
downsamplings = 1
blocks = 1
discriminator_width = 4
num_discriminators = 1

[[losses]]
plugin = "l1"

[train]
steps = 2
batch = 2
precision = "float32"
"""
"""The tiny run's recipe. Beside it stand the folders `before` and `after`, with six pictures of 16 px each."""
_FOLDERS = {"before": 1, "after": 2}


@dataclass
class TinyRun:
    """What a stage sees of a run: `gdp.Run`, and nothing beyond it."""

    path: Path
    """The run's folder."""
    keys: Mapping[str, str]
    """Content keys of the stages before, and of one that `perform_stage` has performed."""
    summaries: Mapping[str, Mapping[str, Any]]
    """What the stages before recorded."""
    student_folder: Path
    """Where the trained student is, once the stage export is done."""
    device: torch.device
    """The processor."""
    _recipe: Mapping[str, Any]
    progress: Progress = field(default_factory=SilentProgress)
    stop_requested: Callable[[], bool] = never
    """Put another function in its place to try how a stage stops."""

    def data(self) -> Mapping[str, Any]:
        """Return the resolved recipe."""
        return self._recipe

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"gdp.Run promises no {name}: data() is the recipe, and path the folder that holds the rest"
        )


def tiny_run(folder: Path, *, recipe: str = RECIPE, until: str = "export", seed: int = 7) -> TinyRun:
    """Make a run of example pictures in a new folder, for a stage to be tried on.

    Args:
        folder: of the run; not there yet.
        recipe: its recipe; `RECIPE` and more.
        until: the stage that is done last; all are where there is none of that name.
        seed: of the recipe; another one makes another student.

    Raises:
        GdpError: the recipe cannot be run.
    """
    return view_of(open_tiny_session(folder, recipe=recipe, until=until, seed=seed))


def view_of(session: Session) -> TinyRun:
    """Return what a stage of another package sees of a run."""
    return TinyRun(
        session.path, session.keys, session.summaries, session.student_folder, session.device, session.data()
    )


def perform_stage(run: TinyRun | Session, name: str, stage: Stage[Any]) -> Mapping[str, Any]:
    """Let a stage work as a run does: with its own content key among the run's; return its summary.

    Args:
        run: of `tiny_run`; its `keys` have the stage's own afterwards.
        name: the stage's.
        stage: built.

    Raises:
        Stopped: `run.stop_requested` said so.
    """
    before = {known: key for known, key in run.keys.items() if known not in (name, *stage.shares)}
    content = dict(stage.key(run, before))
    shared = {shared: str(content[shared]) for shared in stage.shares}
    run.keys = {**run.keys, name: content_key({"stage": name, **content}), **shared}
    return stage.execute(run)


def open_tiny_session(folder: Path, *, recipe: str, until: str, seed: int) -> Session:
    """Make the run of `tiny_run`, and return gdp's own view of it; its keys are those of the stages that are done."""
    shutil.copytree(_made(recipe, until, seed), folder)
    return reopen(folder)


def reopen(folder: Path) -> Session:
    """Return gdp's own view of a run of `tiny_run`, by what its folder holds."""
    run = RunFolder(folder.absolute())
    plugins = cast(Plugins, _BuiltIns())
    session = Session(load_run_recipe(run, plugins), run, plugins, SilentProgress(), torch.device("cpu"))
    session.keys = recorded_keys(run)
    return session


@cache
def _made(recipe: str, until: str, seed: int) -> Path:
    """Return the folder of such a run; it is made once in a process and must not be changed."""
    place = Path(tempfile.mkdtemp(prefix="gdp-tiny-run-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for name, first in _FOLDERS.items():
        (place / name).mkdir()
        for number, picture in enumerate(as_uint8(pictures(6, _SIDE, seed=first))):
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(place / name / f"{number}.png")
    (place / "tiny.toml").write_text(recipe, encoding="utf-8")
    plugins = cast(Plugins, _BuiltIns())
    loaded = load_recipe(place / "tiny.toml", plugins, [f"seed={seed}"])
    session = Session(loaded, RunFolder(place / "run"), plugins, SilentProgress(), torch.device("cpu"))
    names = [step.name for step in steps_of(session)]
    with torch.random.fork_rng(devices=[]):  # a training seeds the global state
        execute(session, Plan(until=until if until in names else None))
    return place / "run"


class _BuiltIns:
    """The registry without the stages of other packages, and heard by nobody: a run for a test is nobody's affair."""

    def __init__(self) -> None:
        self._plugins = _registry()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugins, name)

    def records(self, kind: Kind) -> list[PluginRecord]:
        """Return the usable records of a kind, of stages gdp's own."""
        found = self._plugins.records(kind)
        return [record for record in found if kind != "stage" or record.package == DISTRIBUTION]

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell nobody."""


@cache
def _registry() -> PluginRegistry:
    return PluginRegistry.discover()
