"""The trained student in torch: from its files, on pictures of any size."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args, overload

import numpy
import torch
from PIL import Image
from torch import Tensor

from gdp.core.building import build, describe_plugin, plugin_errors
from gdp.core.errors import CorruptFileError, MissingResourceError, PluginError, PluginNotFoundError, ShapeError
from gdp.core.files import file_sha256
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.students import Student
from gdp.core.pictures import from_array, from_levels, to_array, to_levels
from gdp.core.records import PluginRecord, Plugins
from gdp.core.run_folder import RunFolder, is_like_run
from gdp.core.training.inference import CARD, WEIGHTS, deployed_predict, load_generator_weights, read_weights
from gdp.core.training.precision import Precision
from gdp.support.picture_files import KINDS_OF_PICTURES, levels_of
from gdp.support.settings import settings_of
from gdp.support.squares import Levels
from gdp.tools.deploy.allowance import within_weights
from gdp.tools.deploy.depth import PythonWatch
from gdp.tools.deploy.limits import (
    LARGEST_RESOLUTION,
    damaged,
    own_file,
    read_description,
    source_channels,
    text,
    whole,
)
from gdp.tools.deploy.tiling import Sizes, reflected
from gdp.tools.deploy.trained_on import TrainedOn, read_trained_on


def load_student(folder: Path, plugins: Plugins, device: torch.device) -> DeployedStudent:
    """Load a trained student from the folder that holds `student.safetensors` and `student.json`, or from either file.

    Raises:
        MissingResourceError: a file is not there.
        CorruptFileError: a file is damaged or does not fit the other.
        PluginError: the student's plugin is not installed, no longer takes these settings, or fails.
    """
    folder = folder.parent if folder.name in (WEIGHTS, CARD) else folder
    path = folder / CARD
    require_student_of_run(folder)
    if not path.is_file():
        raise MissingResourceError(_without_card(path))
    card = read_description(path)
    name, channels = text(card, "plugin", path), source_channels(card, "input_channels", path)
    resolution = whole(card, "resolution", path, LARGEST_RESOLUTION, "pixels")
    precision, config = _precision(card, path), card.get("config")
    if not isinstance(config, dict):
        raise damaged(path, "config is no table of settings")
    trained_on = read_trained_on(card.get("trained_on"), resolution, str(path))
    versions = card.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    record = _record_of(plugins, name, versions)
    settings = settings_of(record, config, str(path), versions)
    context = BuildContext(device=device, input_channels=channels, resolution=resolution)
    weights = read_weights(own_file(folder / WEIGHTS))
    with within_weights(weights, path):
        student: Student = build(plugins, record, settings, context, kind=Student)
        with plugin_errors(describe_plugin(record)):
            _ = student.generator  # which some make when it is first asked for
    load_generator_weights(student, folder / WEIGHTS)
    digest = file_sha256(folder / WEIGHTS)
    if card.get("weights_sha256", digest) != digest:
        raise CorruptFileError(
            f"{folder / WEIGHTS}: these are not the weights that {CARD} describes: the file was damaged or "
            f"exchanged. gdp run of its run makes it again; a downloaded student is to be downloaded again."
        )
    said = card.get("trained_on")
    return DeployedStudent(student, channels, resolution, precision, device, digest, trained_on, said)


def _without_card(path: Path) -> str:
    """Say that a student's description is not there, and what to do: of a run that has trained, gdp run remakes it."""
    run = path.absolute().parent.parent
    if not (path.parent / WEIGHTS).is_file():
        return f"{path}: there is no trained student here. `gdp runs` lists the runs that have one"
    mend = "get it from where the weights came"
    if path.parent.name == "student" and is_like_run(run):
        mend = f"gdp run {shlex.quote(str(run))} makes it again, without another training"
    return f"{path}: is not there, and without it nobody knows how to use the {WEIGHTS} beside it: {mend}."


def _precision(card: Mapping[str, Any], path: Path) -> Precision:
    for known in get_args(Precision):
        if card.get("precision") == known:
            return cast("Precision", known)
    raise damaged(path, f"precision is none of {', '.join(get_args(Precision))}")


def _record_of(plugins: Plugins, name: str, versions: Mapping[str, Any]) -> PluginRecord:
    """Return the student's plugin; of several packages that have one of that name, the one that trained it."""
    try:
        return plugins.get("student", name)
    except PluginNotFoundError:
        for package in versions:
            try:
                return plugins.get("student", f"{package}:{name}")
            except PluginNotFoundError:  # what else it was made with
                continue
        raise


def require_student_of_run(folder: Path) -> None:
    """Make sure that the files of a student that lies in its run's folder are those that the run left.

    Raises:
        CorruptFileError: one was changed.
    """
    run = RunFolder(folder.absolute().parent)
    for name in (CARD, WEIGHTS):
        if (folder / name).is_file():
            run.require_whole(run.relative(folder.absolute() / name))


class DeployedStudent:
    """A trained student, ready for pictures.

    Call it with a picture and get a picture of the same kind: a PIL image for an image or a path, a tensor in
    [-1, 1] for a tensor, a uint8 array (height, width, 3) for such an array; with a list of pictures and get a list.
    A student of two inputs takes two pictures. Sizes that the network does not take are padded by reflection, and the
    padding is cut off again.

    Args:
        student: holds its trained weights.
        input_channels: channels of its source, 3 for each picture.
        resolution: height and width in pixels that it was trained at.
        precision: of the forward pass.
        device: where it runs.
        weights_sha256: of the file of its weights.
        trained_on: what is known of its training pictures.
        said: the same, as its card says it.
    """

    def __init__(
        self,
        student: Student,
        input_channels: int,
        resolution: int,
        precision: Precision,
        device: torch.device,
        weights_sha256: str = "",
        trained_on: TrainedOn | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> None:
        self.student = student
        self.input_channels = input_channels
        self.resolution = resolution
        self.weights_sha256 = weights_sha256
        """Of the file of its weights."""
        self.trained_on = trained_on or TrainedOn(resolution)
        self.said_of_training = said
        """The part `trained_on` of its card, for the cards of what is exported."""
        self.watch: PythonWatch | None = None
        """Warns of pictures that are not as those that it was trained on; `gdp.load` sets it."""
        self._predict = deployed_predict(student, precision, device)
        self._runs_on = f"{device}, {precision}"
        self.size_multiple = find_size_multiple(self._predict, input_channels, resolution)
        """Heights and widths that are multiples of this many pixels need no padding."""

    def __repr__(self) -> str:
        """Return in a line what it is and where it runs, as notebooks show it."""
        sizes = f"input_channels={self.input_channels}, resolution={self.resolution}"
        return f"{type(self).__name__}({type(self.student).__name__}, {sizes}, runs_on={self._runs_on!r})"

    @overload
    def __call__(self, *pictures: Tensor) -> Tensor: ...

    @overload
    def __call__(self, *pictures: Image.Image | Path | str) -> Image.Image: ...

    @overload
    def __call__(self, *pictures: Levels) -> Levels: ...

    @overload
    def __call__(self, *pictures: list[Tensor]) -> list[Tensor]: ...

    @overload
    def __call__(self, *pictures: list[Image.Image | Path | str]) -> list[Image.Image]: ...

    def __call__(self, *pictures: Any) -> Any:
        """Translate a picture, a batch of pictures, or a list of pictures of any sizes.

        Args:
            pictures: one for each input of the student, of one size: tensors ([N,] C, H, W), which may hold all inputs
                in their channels; uint8 arrays ([N,] H, W, 3); PIL images; or paths.

        Raises:
            ShapeError: not as many pictures as the student takes, of different sizes, or empty.
            MissingResourceError, CorruptFileError: a path is no picture file.
        """
        if pictures and all(isinstance(picture, list | tuple) for picture in pictures):
            return [self(*inputs) for inputs in zip(*pictures, strict=True)]
        tensors = [picture if isinstance(picture, Tensor) else _to_tensor(picture) for picture in pictures]
        predicted = self._translate(tensors)
        if all(isinstance(picture, Tensor) for picture in pictures):
            return predicted
        if all(isinstance(picture, numpy.ndarray) for picture in pictures):
            return to_array(to_levels(predicted))
        return _to_image(predicted)

    def _translate(self, pictures: Sequence[Tensor]) -> Tensor:
        shapes = [tuple(picture.shape) for picture in pictures]
        is_batch = bool(shapes) and len(shapes[0]) == 4
        fits = shapes and {len(shape) for shape in shapes} <= {3, 4} and len({s[:-3] + s[-2:] for s in shapes}) == 1
        fits = fits and not any(0 in shape for shape in shapes)
        if not fits or sum(shape[-3] for shape in shapes) != self.input_channels:
            raise ShapeError(
                f"this student takes {self.input_channels // 3} picture(s) of one size, {self.input_channels} channels "
                f"in all, each (3, height, width) or (N, 3, height, width); got {shapes}"
            )
        if not all(picture.is_floating_point() for picture in pictures):
            raise ShapeError("a student takes pictures as floating-point tensors in [-1, 1]: use uint8 / 127.5 - 1")
        source = torch.cat([picture.float() for picture in pictures], dim=-3)
        source = source if is_batch else source[None]
        if self.watch is not None:
            self.watch(to_levels(source.detach()).permute(0, 2, 3, 1).cpu().numpy(), stacklevel=3)
        height, width = source.shape[-2:]
        predicted = self._predict(self._pad(source))[..., :height, :width]
        return predicted if is_batch else predicted[0]

    def _pad(self, source: Tensor) -> Tensor:
        sizes = Sizes.of(self.size_multiple, self.resolution)
        for axis in (-2, -1):
            size = source.shape[axis]
            if sizes.fitting(size) > size:
                places = torch.from_numpy(reflected(size, sizes.fitting(size)))
                source = source.index_select(axis, places.to(source.device))
        return source


def find_size_multiple(predict: Callable[[Tensor], Tensor], channels: int, resolution: int) -> int:
    """Find the smallest power of two whose odd multiples the network takes and gives back, by trying.

    Args:
        predict: the network, (1, C, H, W) -> (1, 3, H, W).
        channels: C.
        resolution: a height and width that it takes; returned where no smaller one is found.
    """
    for exponent in itertools.count():
        multiple: int = 2**exponent
        if multiple >= resolution:
            return resolution
        size = multiple * (max(1, 32 // multiple) | 1)  # odd multiples, not too small for deep networks
        if size == resolution:  # which says nothing of others
            size += 2 * multiple
        try:
            taken = predict(torch.zeros(1, channels, size, size)).shape[-2:] == (size, size)
        except (RuntimeError, ValueError, ShapeError, PluginError):  # how networks refuse a size is theirs to choose
            taken = False
        if taken:
            return multiple
    raise AssertionError("unreachable")


def _to_tensor(picture: object) -> Tensor:
    """Return ([N,] 3, H, W) in [-1, 1] of an image, an array or a path."""
    levels = levels_of(picture)
    if levels.shape[-1] != 3:
        raise ShapeError(f"{KINDS_OF_PICTURES}; got an array {levels.shape}")
    return from_levels(from_array(levels.copy()))


def _to_image(picture: Tensor) -> Image.Image:
    return Image.fromarray(to_array(to_levels(picture)))
