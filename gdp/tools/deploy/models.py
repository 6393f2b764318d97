"""A trained student that an engine runs: where it lies, its engine, and its pictures. Imports no torch by itself."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy

from gdp.core.building import build, name_of, plugin_errors
from gdp.core.errors import MissingResourceError, PluginError, ShapeError
from gdp.core.records import Plugins
from gdp.core.run_folder import is_like_run, nearest_run
from gdp.support.interfaces.engines import Engine, EngineContext, PictureArray, Translate
from gdp.support.picture_files import levels_of
from gdp.support.settings import settings_of
from gdp.tools.deploy.depth import PythonWatch
from gdp.tools.deploy.student_folder import CHOICE, DESCRIPTION, WEIGHTS
from gdp.tools.deploy.tiling import Sizes, Tiling, translate_any_size
from gdp.tools.deploy.trained_on import TrainedOn
from gdp.tools.named_recipes import plain_name

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from gdp.support.interfaces.picture_network import PictureNetwork

STUDENT = "student"


@dataclass(frozen=True)
class Place:
    """Where a trained student lies: a folder with its weights, or one exported file."""

    folder: Path
    file: Path | None = None
    """The exported file that the user named; None for a whole student."""


def find_model(model: Path) -> Place:
    """Find a trained student by its run (folder or name in runs/), its `student/` folder, or an exported file.

    Raises:
        MissingResourceError: there is no trained student.
    """
    places = (model, Path("runs") / model, Path("runs") / plain_name(str(model)))
    for place in places:
        for folder in (place / STUDENT, place):
            if (folder / WEIGHTS).is_file():
                return Place(folder)
    if model.is_file() and model.suffix == ".safetensors":
        return Place(model.parent)
    if model.is_file():
        return Place(model.parent, model)
    for place in places:
        if is_like_run(place):
            raise MissingResourceError(
                f"{place}: this run has no trained student yet. gdp run {shlex.quote(str(place))} goes on with it"
            )
    raise MissingResourceError(
        f"{model}: there is no trained student here{nearest_run(model) or '.'} Name a run (gdp runs shows which there "
        f"are), or a file that gdp export has written"
    )


@dataclass(frozen=True)
class Model:
    """A trained student, run by an engine, for pictures of any size."""

    translate: Translate = field(repr=False)
    size_multiple: int
    input_channels: int
    resolution: int
    """Height and width in pixels that it was trained at."""
    engine: str
    runs_on: str
    """Versions, threads and precision."""
    together: bool = False
    """Whether pictures of one size go through the engine together, as on a GPU. A processor is hardly faster for it,
    and what it makes of a picture may then differ in the last bit by how many are beside it."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Engines that could not take part in the trial that was just made, with the reasons."""
    trained_on: TrainedOn | None = field(default=None, repr=False)
    """What is known of its training pictures."""
    watch: PythonWatch | None = field(default=None, repr=False)
    """Warns of pictures that are not as those; `gdp.deploy` sets it."""

    @overload
    def __call__(self, pictures: PictureArray, tiling: Tiling | None = None) -> PictureArray: ...

    @overload
    def __call__(self, pictures: Image | Path | str, tiling: Tiling | None = None) -> Image: ...

    @overload
    def __call__(self, pictures: Tensor, tiling: Tiling | None = None) -> Tensor: ...

    @overload
    def __call__(self, pictures: Sequence[Any], tiling: Tiling | None = None) -> list[Any]: ...

    def __call__(self, pictures: Any, tiling: Tiling | None = None) -> Any:
        """Translate pictures of any size, and return them in kind.

        Args:
            pictures: uint8 RGB levels (N, H, W, C), which become (N, H, W, 3); one picture (H, W, C); a PIL image or a
                path, which become a PIL image; torch tensors ([N,] C, H, W) in [-1, 1], which become such; or a list.
            tiling: how large pictures are cut.

        Raises:
            ShapeError: something else.
            MissingResourceError, CorruptFileError: a path is no picture file.
            PluginError: the engine failed.
        """
        if isinstance(pictures, list | tuple):
            return [self(picture, tiling) for picture in pictures]
        if type(pictures).__module__.partition(".")[0] == "torch":  # which is imported then, and not for others
            return self._translate_tensor(pictures, tiling)
        levels = levels_of(pictures)
        if levels.shape[-1] != self.input_channels:
            raise ShapeError(f"this student takes {self.input_channels} channels; got {levels.shape}")
        if self.watch is not None:
            self.watch(levels if levels.ndim == 4 else levels[None], stacklevel=2)
        made = self._translate_levels(levels if levels.ndim == 4 else levels[None], tiling or Tiling())
        if isinstance(pictures, numpy.ndarray):
            return made if levels.ndim == 4 else made[0]
        from PIL.Image import fromarray

        return fromarray(made[0])

    def _translate_tensor(self, pictures: Any, tiling: Tiling | None) -> Tensor:
        """Translate tensors as 8-bit pictures: engines know no others."""
        from gdp.core.pictures import from_array, from_levels, to_array, to_levels

        if not (hasattr(pictures, "is_floating_point") and pictures.is_floating_point() and pictures.ndim in (3, 4)):
            raise ShapeError("a student takes pictures as floating-point tensors ([N,] C, H, W) in [-1, 1]")
        made: PictureArray = self(to_array(to_levels(pictures.detach()).cpu()), tiling)
        return from_levels(from_array(made))

    def _translate_levels(self, pictures: PictureArray, tiling: Tiling) -> PictureArray:
        sizes = Sizes.of(self.size_multiple, self.resolution)
        if self.together or len(pictures) == 1:
            return translate_any_size(self.translate, pictures, sizes, tiling)
        made = numpy.empty((*pictures.shape[:3], 3), numpy.uint8)
        for one, place in zip(pictures, made, strict=True):
            place[:] = translate_any_size(self.translate, one[None], sizes, tiling)[0]
        return made


def build_engine(plugins: Plugins, name: str, context: EngineContext, settings: Mapping[str, Any]) -> Engine:
    """Make an engine by its name.

    Raises:
        PluginNotFoundError, PluginError: there is none, its package is not installed, it fails, or the settings are not
            its own.
    """
    record = plugins.get("engine", name)
    engine: Engine = build(plugins, record, settings_of(record, settings), context, kind=Engine)
    if engine.file in (WEIGHTS, DESCRIPTION, CHOICE):
        raise PluginError(f"{name_of(engine)}: its file is called {engine.file}, as the student's own. Tell its author")
    return engine


def open_engine(engine: Engine, path: Path, network: Callable[[], PictureNetwork] | None = None) -> Translate:
    """Load a student into an engine, so that whatever fails, then and later, is told in the engine's name.

    Args:
        engine: made by `build_engine`.
        path: the exported file.
        network: makes the network from the student's weights, for engines that run from these.

    Raises:
        GdpError: what the engine itself says is wrong.
        PluginError: it failed in a way that it did not foresee.
    """
    translate, who, looked_at = engine.open(path, network), name_of(engine), False

    def translated(pictures: PictureArray) -> PictureArray:
        nonlocal looked_at
        before = None if looked_at else pictures.copy()
        with plugin_errors(who):
            made: object = translate(pictures)
        if before is not None and not numpy.array_equal(before, pictures):
            raise PluginError(f"{who}: it wrote into the pictures that it was given. Tell the plugin's author")
        looked_at = True
        expected = (*pictures.shape[:3], 3)
        if not isinstance(made, numpy.ndarray) or made.dtype != numpy.uint8 or made.shape != expected:
            got = f"{made.dtype} {made.shape}" if isinstance(made, numpy.ndarray) else type(made).__name__
            raise PluginError(
                f"{who}: it made {got} of pictures {pictures.shape}, and uint8 {expected} was due. The engine is at "
                f"fault, or {path.name} is no file that gdp export has written"
            )
        return made

    return translated
