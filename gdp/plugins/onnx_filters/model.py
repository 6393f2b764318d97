"""A model in an ONNX file that reads pictures; whatever is wrong with it becomes one clear error.

Bring pictures into the form that a model reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gdp import CorruptFileError, MissingResourceError, ShapeError
from gdp.plugins.onnx_filters.config import PictureInput

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of a picture."""


def prepare(images: Tensor, settings: PictureInput) -> Tensor:
    """Crop, resize and normalise pictures (N, 3, H, W) in [-1, 1] to what the settings say, width and height included.

    Returns (N, 3, height, width) or, as NHWC, (N, height, width, 3), float32.
    """
    left, top, right, bottom = settings.crop
    height, width = images.shape[-2:]
    # At least one pixel is left, however small the picture.
    columns = slice(min(round(left * width), width - 1), max(round(right * width), round(left * width) + 1))
    rows = slice(min(round(top * height), height - 1), max(round(bottom * height), round(top * height) + 1))
    assert settings.width is not None and settings.height is not None
    shown = resize(images[:, :, rows, columns].float(), settings.height, settings.width, settings.resize)
    levels = shown.add(1).div(2).clamp(0, 1).mul(settings.white)
    if settings.channels == "BGR":
        levels = levels.flip(1)
    mean, deviation = (
        torch.tensor(values, device=levels.device)[:, None, None] for values in (settings.mean, settings.deviation)
    )
    normalised = (levels - mean) / deviation
    return normalised if settings.layout == "NCHW" else normalised.permute(0, 2, 3, 1)


def resize(images: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Resize (N, 3, H, W) as Pillow does, with an average where it shrinks."""
    if images.shape[-2:] == (height, width):
        return images
    return functional.interpolate(images, size=(height, width), mode=mode, align_corners=False, antialias=True)


def square_around(images: Tensor, boxes: Sequence[Box], margin: float, side: int, mode: str) -> Tensor:
    """Cut the square around each box out of its picture, (N, 3, H, W) to (N, 3, side, side); black beyond the edge.

    Args:
        images: in [-1, 1].
        boxes: one for each picture.
        margin: side of the square in multiples of the box's longer side.
        side: of the result, in pixels.
        mode: bilinear or bicubic.
    """
    return torch.cat([_cut(image[None], box, margin, side, mode) for image, box in zip(images, boxes, strict=True)])


def _cut(image: Tensor, box: Box, margin: float, side: int, mode: str) -> Tensor:
    height, width = image.shape[-2:]
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    size = max(round(margin * max(right - left, bottom - top)), 1)
    x, y = round((left + right - size) / 2), round((top + bottom - size) / 2)
    columns, rows = (max(x, 0), min(x + size, width)), (max(y, 0), min(y + size, height))
    square = image.new_full((1, 3, size, size), -1.0)
    if columns[0] < columns[1] and rows[0] < rows[1]:
        part = image[:, :, rows[0] : rows[1], columns[0] : columns[1]]
        square[:, :, rows[0] - y : rows[1] - y, columns[0] - x : columns[1] - x] = part
    return resize(square, side, side, mode)


_CHUNK = 8
"""Pictures that go through a model at once, never more nor fewer, so that answers do not depend on the batch."""
_LARGEST = 4096
"""Pixels of a side, and pictures at once, beyond which a file is not believed."""
_QUIET = 4
"""onnxruntime's level at which only fatal errors are printed; ours say more."""
_ERROR_NAMES = (
    "EPFail",
    "EngineError",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelLoaded",
    "NoModel",
    "NoSuchFile",
    "NotFound",
    "NotImplemented",
    "RuntimeException",
)
_FLOATS = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(double)": torch.float64}


class OnnxModel:
    """Runs a model on pictures, a fixed number at a time; one that takes a single picture gets them one by one.

    It uses as many threads as torch does, and a GPU where the device is one and onnxruntime has a provider for it.

    Raises:
        MissingResourceError: onnxruntime is not installed, or the file is not there.
        CorruptFileError: the file is no whole ONNX model, or one that onnxruntime cannot run.
        ShapeError: its inputs are not what the settings say.
    """

    def __init__(self, path: Path, settings: PictureInput, device: torch.device) -> None:
        self.path = path
        self._errors = _runtime_errors()
        self._session = self._open(device)
        self._input = self._find_input(settings.name)
        self._type = self._element_type()
        self.settings, batch = self._sized(settings)
        self._chunk = batch or _CHUNK
        self.outputs = self._try_out(batch)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the file, and of the files of tensors beside it that bear its name."""
        digest = hashlib.sha256()
        for path in sorted(self.path.parent.iterdir()):
            if not path.name.startswith(self.path.name) or not path.is_file():
                continue
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def run(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs of pictures (N, 3, H, W) in [-1, 1], by name: (N, ...) float32 on the CPU."""
        prepared = prepare(images, self.settings).to(self._type).cpu()
        parts = [self._run_chunk(part) for part in torch.split(prepared, self._chunk)]
        return {name: torch.cat([part[name] for part in parts]) for name in self.outputs}

    def output(self, name: str | None, what: str) -> str:
        """Return the name of an output; of None, that of the only one.

        Raises:
            ShapeError: there is no such output, or there are several to choose from.
        """
        if name is None and len(self.outputs) == 1:
            return next(iter(self.outputs))
        if name not in self.outputs:
            shapes = ", ".join(f"{found} {('N', *shape)}".replace("'", "") for found, shape in self.outputs.items())
            asked = "which output holds it must be said" if name is None else f"there is no output called {name!r}"
            raise ShapeError(f"{self.path}: {what}: {asked}; the model has {shapes}.")
        assert name is not None
        return name

    def _open(self, device: torch.device) -> Any:
        import onnxruntime

        if not self.path.is_file():
            raise MissingResourceError(f"{self.path}: there is no such model. Mend weights in the recipe.")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the processor from torch's.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        wanted = [("CUDAExecutionProvider", {"device_id": device.index or 0})] if device.type == "cuda" else []
        available = onnxruntime.get_available_providers()
        providers = [*(each for each in wanted if each[0] in available), ("CPUExecutionProvider", {})]
        try:
            return onnxruntime.InferenceSession(str(self.path), options, providers=providers)
        except self._errors as error:
            raise CorruptFileError(
                f"{self.path}: this is no ONNX model that onnxruntime {onnxruntime.__version__} can run "
                f"({_first_line(error)}). Copy or export it again."
            ) from error

    def _find_input(self, name: str | None) -> Any:
        inputs = {found.name: found for found in self._session.get_inputs()}
        if name is None and len(inputs) == 1:
            return next(iter(inputs.values()))
        if name not in inputs:
            asked = "which of its inputs takes the picture" if name is None else f"the right input, not {name!r}"
            raise ShapeError(f"{self.path}: say {asked} (input.name); the model has {', '.join(inputs) or 'none'}.")
        if len(inputs) > 1:
            raise ShapeError(f"{self.path}: the model reads more than a picture ({', '.join(inputs)}).")
        return inputs[name]

    def _element_type(self) -> torch.dtype:
        if self._input.type not in _FLOATS:
            raise ShapeError(f"{self.path}: the input {self._input.name} is a {self._input.type}, not one of floats.")
        return _FLOATS[self._input.type]

    def _sized(self, settings: PictureInput) -> tuple[PictureInput, int | None]:
        """Return the settings with the file's own size in them, and the batch that the file insists on."""
        shape = self._input.shape
        axes = ("N", "C", "H", "W") if settings.layout == "NCHW" else ("N", "H", "W", "C")
        if len(shape) != len(axes):
            raise ShapeError(f"{self.path}: the input {self._input.name} has shape {shape}, not {', '.join(axes)}.")
        fixed = {axis: size for axis, size in zip(axes, shape, strict=True) if isinstance(size, int)}
        if fixed.get("C", 3) != 3:
            raise ShapeError(
                f"{self.path}: the input {self._input.name} has shape {shape}; as {settings.layout} that is "
                f"{fixed['C']} colours instead of 3. Mend input.layout in the recipe, or take a model that reads RGB."
            )
        sizes: dict[str, int] = {}
        for axis, key, given in (("W", "width", settings.width), ("H", "height", settings.height)):
            if given is None and axis not in fixed:
                raise ShapeError(
                    f"{self.path}: the model takes any {key}; say which it was trained with (input.{key})."
                )
            if given is not None and fixed.get(axis, given) != given:
                raise ShapeError(
                    f"{self.path}: the model reads a {key} of {fixed[axis]} pixels; the recipe says "
                    f"input.{key} = {given}."
                )
            sizes[key] = fixed[axis] if given is None else given
        if not all(1 <= size <= _LARGEST for size in (*sizes.values(), fixed.get("N", 1))):
            raise ShapeError(
                f"{self.path}: the input {self._input.name} has shape {shape}, which no picture model has."
            )
        return settings.model_copy(update=sizes), fixed.get("N")

    def _try_out(self, batch: int | None) -> dict[str, tuple[int, ...]]:
        """Run one grey picture and return the shapes of the outputs without the batch."""
        width, height = self.settings.width, self.settings.height
        assert width is not None and height is not None
        picture = torch.zeros(1, 3, height, width)
        try:
            return self._shapes(picture)
        except ShapeError:
            # Some files promise any batch and were exported for one.
            if batch is not None or self._chunk == 1:
                raise
            self._chunk = 1
            return self._shapes(picture)

    def _shapes(self, picture: Tensor) -> dict[str, tuple[int, ...]]:
        found = self._run_chunk(prepare(picture, self.settings).to(self._type))
        return {name: tuple(tensor.shape[1:]) for name, tensor in found.items()}

    def _run_chunk(self, pictures: Tensor) -> dict[str, Tensor]:
        """Run at most one chunk, filled up with copies of its first row whose answers are thrown away."""
        missing = self._chunk - len(pictures)
        full = torch.cat([pictures, pictures[:1].expand(missing, *pictures.shape[1:])]) if missing else pictures
        names = [output.name for output in self._session.get_outputs()]
        try:
            results = self._session.run(names, {self._input.name: full.contiguous().numpy()})
        except self._errors as error:
            raise ShapeError(
                f"{self.path}: the model cannot read {tuple(full.shape)} {full.dtype}: {_first_line(error)}. Mend "
                "input (layout, width, height) in the recipe, or export the model again."
            ) from error
        return {name: self._rows(name, result, len(pictures)) for name, result in zip(names, results, strict=True)}

    def _rows(self, name: str, result: Any, count: int) -> Tensor:
        shape = getattr(result, "shape", None)
        if not shape or shape[0] != self._chunk:
            raise ShapeError(
                f"{self.path}: the output {name} has shape {shape} for {self._chunk} pictures; one row for each is "
                "needed."
            )
        return torch.from_numpy(result[:count].copy()).float()


def _runtime_errors() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises.

    Raises:
        MissingResourceError: onnxruntime is not installed.
    """
    try:
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise MissingResourceError(
            "models in ONNX files need onnxruntime, which is not installed: pip install 'gdp-distill[onnx]'"
        ) from error
    # Their common base is Exception itself; a bug of ours must not pass for a broken model.
    known: Mapping[str, Any] = vars(state)
    return (*(known[name] for name in _ERROR_NAMES if name in known), ValueError)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
