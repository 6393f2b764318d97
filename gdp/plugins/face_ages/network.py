"""The age and gender network of face-api.js: small separable convolutions, 0.43 M parameters (justadudewhohacks,
MIT)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from gdp import CorruptFileError, MissingResourceError, Progress
from gdp.plugins.face_ages import HOW, JudgeModel
from gdp.toolbox import in_fixed_chunks, read_state, weights_file

SIDE = 112
"""Pixels that the network reads."""
_MIDDLE = 256
"""Pixels to which a picture is brought before its face is cut out, as the reference numbers were made."""
_MEAN = (122.782, 117.001, 104.298)
_CHUNK = 16
_MIDDLE_BLOCKS = ("middle_flow/main_block_0", "middle_flow/main_block_1")
_REDUCTIONS = ("entry_flow/reduction_block_0", "entry_flow/reduction_block_1", "exit_flow/reduction_block")


class Assessment(NamedTuple):
    """What the network says of N faces."""

    age: Tensor
    """Years, (N,)."""
    male: Tensor
    """Probability, (N,)."""


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors by their names in the published manifest, in torch's layout."""
    shapes: dict[str, tuple[int, ...]] = {"entry_flow/conv_in/filters": (32, 3, 3, 3), "entry_flow/conv_in/bias": (32,)}

    def separable(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}/depthwise_filter"] = (inputs, 1, 3, 3)
        shapes[f"{name}/pointwise_filter"] = (outputs, inputs, 1, 1)
        shapes[f"{name}/bias"] = (outputs,)

    for name, inputs, outputs in zip(_REDUCTIONS, (32, 64, 128), (64, 128, 256), strict=True):
        separable(f"{name}/separable_conv0", inputs, outputs)
        separable(f"{name}/separable_conv1", outputs, outputs)
        shapes[f"{name}/expansion_conv/filters"] = (outputs, inputs, 1, 1)
        shapes[f"{name}/expansion_conv/bias"] = (outputs,)
    for name in _MIDDLE_BLOCKS:
        for layer in range(3):
            separable(f"{name}/separable_conv{layer}", 128, 128)
    separable("exit_flow/separable_conv", 256, 512)
    for name, numbers in (("age", 1), ("gender", 2)):
        shapes[f"fc/{name}/weights"], shapes[f"fc/{name}/bias"] = (512, numbers), (numbers,)
    return shapes


def check_tensors(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise CorruptFileError unless these are the network's tensors."""
    for name, shape in expected_shapes().items():
        found = tensors.get(name)
        if found is None or tuple(found.shape) != shape:
            told = "is missing" if found is None else f"has the shape {tuple(found.shape)}, not {shape}"
            raise CorruptFileError(
                f"{where}: not the weights of face-api.js's age network: {name} {told}. Make it: {HOW}"
            )


def run_network(tensors: Mapping[str, Tensor], pictures: Tensor) -> Assessment:
    """Assess pictures (N, 3, 112, 112) of RGB levels 0 to 255."""
    mean = torch.tensor(_MEAN, device=pictures.device)[:, None, None]
    x = functional.pad((pictures - mean) / 256, (0, 1, 0, 1))  # TensorFlow's "same" with stride 2
    x = _convolution(tensors, x, "entry_flow/conv_in", 2).relu()
    x = _reduction(tensors, x, _REDUCTIONS[0], activate=False)
    x = _reduction(tensors, x, _REDUCTIONS[1])
    for block in _MIDDLE_BLOCKS:
        y = x
        for layer in range(3):
            y = _separable(tensors, y.relu(), f"{block}/separable_conv{layer}")
        x = x + y
    x = _reduction(tensors, x, _REDUCTIONS[2])
    x = _separable(tensors, x, "exit_flow/separable_conv").relu().mean(dim=(2, 3))
    age, gender = (x @ tensors[f"fc/{name}/weights"] + tensors[f"fc/{name}/bias"] for name in ("age", "gender"))
    return Assessment(age[:, 0], gender.softmax(dim=1)[:, 0])


def _convolution(tensors: Mapping[str, Tensor], x: Tensor, name: str, stride: int = 1) -> Tensor:
    return functional.conv2d(x, tensors[f"{name}/filters"], tensors[f"{name}/bias"], stride=stride)


def _separable(tensors: Mapping[str, Tensor], x: Tensor, name: str) -> Tensor:
    x = functional.conv2d(x, tensors[f"{name}/depthwise_filter"], padding=1, groups=x.shape[1])
    return functional.conv2d(x, tensors[f"{name}/pointwise_filter"], tensors[f"{name}/bias"])


def _reduction(tensors: Mapping[str, Tensor], x: Tensor, name: str, activate: bool = True) -> Tensor:
    y = _separable(tensors, x.relu() if activate else x, f"{name}/separable_conv0")
    y = _separable(tensors, y.relu(), f"{name}/separable_conv1")
    y = functional.max_pool2d(functional.pad(y, (0, 1, 0, 1), value=float("-inf")), 3, stride=2)
    return y + _convolution(tensors, x, f"{name}/expansion_conv", 2)


class PhotographJudge:
    """Assesses faces in pictures that are cut alike, as FFHQ's are; it does not look for them.

    Raises:
        MissingResourceError: the weights are not there.
        CorruptFileError: they are of another network.
    """

    def __init__(self, settings: JudgeModel, progress: Progress | None = None) -> None:
        self.settings = settings
        if isinstance(settings.weights, Path) and not settings.weights.is_file():
            raise MissingResourceError(
                f"{settings.weights}: the judge is not there. Make it by `{HOW}`, or mend weights."
            )
        self.path: Path = weights_file(settings.weights, progress)
        tensors = read_state(self.path)
        check_tensors(tensors, str(self.path))
        self._tensors = {name: tensors[name].float() for name in expected_shapes()}

    @property
    def fingerprint(self) -> str:
        """sha256 of the weights."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @torch.no_grad()
    def assess(self, images: Tensor) -> Assessment:
        """Assess the faces of pictures (N, 3, H, W) in [-1, 1]; each whatever the others are."""
        if images.device != self._tensors["fc/age/bias"].device:
            self._tensors = {name: tensor.to(images.device) for name, tensor in self._tensors.items()}
        found = in_fixed_chunks(self._stacked, images, _CHUNK)
        return Assessment(found[:, 0], found[:, 1])

    def _stacked(self, images: Tensor) -> Tensor:
        return torch.stack(run_network(self._tensors, self.shown(images)), dim=1)

    def shown(self, images: Tensor) -> Tensor:
        """Return what the network reads of pictures (N, 3, H, W) in [-1, 1]: (N, 3, 112, 112) of levels 0 to 255."""
        levels = _resized((images.float() + 1) * 127.5, _MIDDLE)
        left, top, right, bottom = (round(share * _MIDDLE) for share in self.settings.crop)
        face = levels[:, :, top : max(bottom, top + 1), left : max(right, left + 1)]
        return _resized(face, SIDE)


def _resized(levels: Tensor, side: int) -> Tensor:
    """Resize (N, 3, H, W) to whole levels as Pillow's bicubic does."""
    size = (side, side)
    if levels.shape[-2:] != size:
        levels = functional.interpolate(levels, size=size, mode="bicubic", align_corners=False, antialias=True)
    return levels.round().clamp(0, 255)
