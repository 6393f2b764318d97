"""ST-LPIPS, the shift-tolerant perceptual distance (Ghildyal and Liu, ECCV 2022), from weights that pip can bring.

It is not LPIPS: the same distance over networks that blur before they drop pixels, trained anew, so that a shift of a
pixel, which nobody sees, costs almost nothing. The numbers of the one say nothing of the other's.

The weights come in the package stlpips-pytorch. Its files are read, and none of its code is imported or run: it imports
IPython at once, and part of it is not free for commercial use. The networks below are written after the paper's
section 4 and Zhang's "Making convolutional networks shift-invariant again" (ICML 2019).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdp import CorruptFileError, MissingResourceError
from gdp.plugins.losses import PERCEPTUAL, STNetwork
from gdp.toolbox import read_state, reduced_to_side

SMALLEST_SIDE = 32
"""Pixels; the networks halve four times, and smaller pictures are enlarged to it."""
_AT_ONCE = 2**18
"""Pixels of the pictures that `measured` shows a network together: about 0.5 GB of activations in vgg."""
_EPSILON = 1e-8
"""Under the root of the norm, so that its gradient is finite where nothing is active."""

FILES: Mapping[STNetwork, tuple[str, str]] = {
    "alex": ("alex_shift_tolerant.pth", "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"),
    "vgg": ("vgg_shift_tolerant.pth", "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250"),
}
"""The weights' file in the package, and its sha256."""
_FOLDER = Path("weights") / "vST0.0"


class _BlurPool(nn.Module):
    """Blurs with a binomial window of 3 x 3 and takes every second pixel; edges are mirrored over 2 pixels."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0], device="cpu") / 4  # no weight: not on the meta device, as those are first
        self.register_buffer("window", (line[:, None] * line).reshape(1, 1, 3, 3))

    def forward(self, activations: Tensor) -> Tensor:
        channels = activations.shape[1]
        padded = functional.pad(activations, (2, 2, 2, 2), mode="reflect")
        return functional.conv2d(padded, self.window.expand(channels, 1, 3, 3), stride=2, groups=channels)


def _alex() -> list[nn.Sequential]:
    """AlexNet's five stages; its strides have become blurs."""
    return [
        nn.Sequential(nn.Conv2d(3, 64, 11, padding=2), _BlurPool(), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(3, 1), _BlurPool(), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
        nn.Sequential(nn.MaxPool2d(3, 1), _BlurPool(), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


def _vgg() -> list[nn.Sequential]:
    """VGG16's five stages; each but the first halves what it gets by a maximum and a blur."""
    stages = []
    for before, widths in pairwise(((3,), (64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)):
        layers: list[nn.Module] = [] if before == (3,) else [nn.MaxPool2d(2, 1), _BlurPool()]
        for inputs, outputs in pairwise((before[-1], *widths)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        stages.append(nn.Sequential(*layers))
    return stages


_STAGES = {"alex": _alex, "vgg": _vgg}


class ShiftTolerantDistance(nn.Module):
    """ST-LPIPS of two batches of pictures; equation 1 of Zhang et al., CVPR 2018, over anti-aliased networks.

    Activations of five stages are scaled to unit length along their channels; the squared differences, weighed by the
    learnt heads, are summed over channels, averaged over places and summed over stages.

    Args:
        network: `alex` or `vgg`.
        state: its weights by the names of the published files: `net.slice1.0.weight`, `lin0.model.1.weight`.
        resolution: larger pictures are reduced (bicubic, antialiased) until their shorter side has so many pixels;
            None compares at the pictures' own size.

    Raises:
        CorruptFileError: the weights are not that network's.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, network: STNetwork, state: Mapping[str, Tensor], resolution: int | None = None) -> None:
        super().__init__()
        self.resolution = resolution
        with torch.device("meta"):  # shapes alone: the weights come from the file
            stages = _STAGES[network]()
        self.stages = nn.ModuleList(stages)
        _fill(self.stages, state, network)
        for number in range(len(stages)):
            self.register_buffer(f"head{number}", _tensor(state, f"lin{number}.model.1.weight", network))
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, references: Tensor) -> Tensor:
        """Return the distance of each picture (N, 3, H, W) in [-1, 1] from its reference, (N,) float32, 0 and more.

        No gradient reaches the references.
        """
        with torch.no_grad():
            wanted = list(self._features(references))
        distance = torch.zeros(len(images), device=images.device)
        for number, (ours, theirs) in enumerate(zip(self._features(images), wanted, strict=True)):
            squares = (ours - theirs).square()  # (N, C, h, w)
            distance = distance + (squares * self.get_buffer(f"head{number}")).sum(dim=1).mean(dim=(1, 2))
        return distance

    def _features(self, images: Tensor) -> Iterator[Tensor]:
        """Yield the activations of each stage, (N, C, h, w), scaled to unit length along the channels."""
        activations = (self._sized(images) - self.shift) / self.scale
        for stage in self.stages:
            activations = stage(activations)
            exact = activations.float()  # bf16 has three digits, too few for sums of squares
            yield exact / (exact.square().sum(dim=1, keepdim=True) + _EPSILON).sqrt()

    def _sized(self, images: Tensor) -> Tensor:
        images = images.float()
        if self.resolution is not None:
            images = reduced_to_side(images, self.resolution)
        height, width = images.shape[-2:]
        if min(height, width) >= SMALLEST_SIDE:
            return images
        size = (max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE))
        return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)


def _fill(stages: nn.ModuleList, state: Mapping[str, Tensor], network: STNetwork) -> None:
    """Put the published weights, whose names tell the stage and the place in it, into the convolutions in order."""
    convolutions = [layer for layer in stages.modules() if isinstance(layer, nn.Conv2d)]
    names = sorted(
        (name.removesuffix(".weight") for name in state if name.startswith("net.") and name.endswith(".weight")),
        key=lambda name: int(name.rpartition(".")[2]) if name.rpartition(".")[2].isdigit() else -1,
    )
    if len(names) != len(convolutions):
        raise CorruptFileError(f"these are no weights of ST-LPIPS with {network}: {len(names)} layers, not "
                               f"{len(convolutions)}")  # fmt: skip
    for layer, name in zip(convolutions, names, strict=True):
        for part, wanted in (("weight", layer.weight), ("bias", layer.bias)):
            assert wanted is not None
            found = _tensor(state, f"{name}.{part}", network)
            if found.shape != wanted.shape:
                raise CorruptFileError(
                    f"these are no weights of ST-LPIPS with {network}: {name}.{part} is {tuple(found.shape)}, not "
                    f"{tuple(wanted.shape)}"
                )
            setattr(layer, part, nn.Parameter(found, requires_grad=False))


def _tensor(state: Mapping[str, Tensor], name: str, network: STNetwork) -> Tensor:
    if name not in state:
        raise CorruptFileError(f"these are no weights of ST-LPIPS with {network}: {name} is missing")
    return state[name].float()


def load_distance(network: STNetwork, resolution: int | None = None) -> ShiftTolerantDistance:
    """Build ST-LPIPS with the weights that the package stlpips-pytorch brings; none of its code is run.

    Raises:
        MissingResourceError: the package is not installed, or has no such file.
        CorruptFileError: the file is not the one that was published.
    """
    path = weights_path(network)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != FILES[network][1]:
        raise CorruptFileError(
            f"{path}: this is not the file that version 0.0.2 of stlpips-pytorch has (sha256 {found}, expected "
            f"{FILES[network][1]}). Install it again: pip install --force-reinstall --no-deps stlpips-pytorch==0.0.2"
        )
    return ShiftTolerantDistance(network, read_state(path), resolution)


def weights_path(network: STNetwork) -> Path:
    """Return where the installed package has a network's weights; looking imports nothing.

    Raises:
        MissingResourceError: there is no such file.
    """
    module = PERCEPTUAL.modules[0]
    spec = find_spec(module)
    folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
    for folder in folders:
        if (path := folder / _FOLDER / FILES[network][0]).is_file():
            return path
    raise MissingResourceError(
        f"ST-LPIPS needs the weights that the package stlpips-pytorch brings, and "
        f"{'it is not installed' if not folders else f'{folders[0]} has none'}: {PERCEPTUAL.how_to_install(module)}"
    )


def st_lpips_protocol(distance: ShiftTolerantDistance, network: str, height: int, width: int) -> str:
    """Say how ST-LPIPS of pictures of a size in pixels is measured, without a full stop."""
    size = f"compared at their own {width} x {height} px"
    if distance.resolution is not None and min(height, width) > distance.resolution:
        size = (
            f"of {width} x {height} px, compared at a shorter side of {distance.resolution} px, to which they are "
            f"reduced (bicubic, antialiased)"
        )
    return (
        f"ST-LPIPS, which is not LPIPS (Ghildyal and Liu 2022; weights vST0.0 of stlpips-pytorch, {network}), mean "
        f"over pictures, {size}"
    )


@torch.no_grad()
def measured(distance: ShiftTolerantDistance, images: Tensor, references: Tensor) -> Tensor:
    """Return the distances of many pictures, (N,) float64 on the CPU, a few at a time so that memory stays bounded."""
    height, width = images.shape[-2:]
    shrunk = 1.0 if distance.resolution is None else min(1.0, distance.resolution / min(height, width))
    count = max(1, int(_AT_ONCE // (height * width * shrunk**2)))
    pieces = zip(torch.split(images, count), torch.split(references, count), strict=True)
    return torch.cat([distance(ours, theirs).double().cpu() for ours, theirs in pieces])
