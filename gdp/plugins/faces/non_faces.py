"""Pictures that are no faces, made from faces: what the judge learns to reject."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def make_non_faces(faces: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Turn `faces` (N, 3, H, W) in [-1, 1] into non-faces of a `kind` of `NON_FACE_KINDS`, same shape and range."""
    return _KINDS[kind](faces, generator).clamp(-1.0, 1.0)


def _uniform(generator: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=generator)


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (1,), generator=generator))


def _noise(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of any grain, from single pixels to clouds."""
    count, _, size, _ = faces.shape
    grain = size >> _integer(generator, 0, 5)
    clouds = torch.randn(count, 3, grain, grain, generator=generator)
    clouds = functional.interpolate(clouds, size=(size, size), mode="bilinear", align_corners=False)
    return _uniform(generator, count, 3, 1, 1, low=-0.5, high=0.5) + 0.6 * clouds


def _flat(faces: Tensor, generator: torch.Generator) -> Tensor:
    """One colour, or a gradient between two."""
    first, second = (_uniform(generator, len(faces), 3, 1, 1, low=-1.0) for _ in range(2))
    slope = torch.linspace(0.0, 1.0, faces.shape[-1]).expand_as(faces[:, :1])
    return first + (second - first) * slope * (_uniform(generator, len(faces), 1, 1, 1) > 0.3)


def _shuffled(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Square patches of the picture in another order."""
    count, channels, size, _ = faces.shape
    grid = 2 << _integer(generator, 0, 3)
    patch = size // grid
    order = torch.stack([_derangement(grid * grid, generator) for _ in range(count)])
    patches = faces.reshape(count, channels, grid, patch, grid, patch).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    patches = patches[torch.arange(count)[:, None], order].reshape(count, grid, grid, channels, patch, patch)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(faces.shape)


def _derangement(count: int, generator: torch.Generator) -> Tensor:
    """A permutation that leaves nothing in its place: a cycle through a random order."""
    order = torch.randperm(count, generator=generator)
    moved = torch.empty_like(order)
    moved[order] = order.roll(1)
    return moved


def _blurred(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Blobs: so strongly blurred that no feature is left."""
    size = faces.shape[-1]
    small = functional.interpolate(faces, size=(_integer(generator, 3, 8),) * 2, mode="area")
    return functional.interpolate(small, size=(size, size), mode="bicubic", align_corners=False)


def _halves(faces: Tensor, generator: torch.Generator) -> Tensor:
    """One half of a face beside (or above) the shifted half of another."""
    size = faces.shape[-1]
    dimension = _integer(generator, 2, 4)
    cut = _integer(generator, int(0.42 * size), int(0.58 * size))
    shift = _integer(generator, size // 8, size // 4) * (1 if _integer(generator, 0, 2) else -1)
    other = faces.roll(1, dims=0).roll(shift, dims=5 - dimension)
    return torch.cat([faces.narrow(dimension, 0, cut), other.narrow(dimension, cut, size - cut)], dim=dimension)


def _warped(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Strongly bent by a smooth random flow."""
    count, _, size, _ = faces.shape
    nodes = _integer(generator, 4, 8)
    flow = torch.randn(count, 2, nodes, nodes, generator=generator) * _uniform(generator, 1, low=0.18, high=0.35)
    flow = functional.interpolate(flow, size=(size, size), mode="bicubic", align_corners=True)
    identity = functional.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(faces.shape), align_corners=False)
    grid = identity + flow.permute(0, 2, 3, 1)
    return functional.grid_sample(faces, grid, padding_mode="reflection", align_corners=False)


def _erased(faces: Tensor, generator: torch.Generator) -> Tensor:
    """The middle of the face filled with a colour, with noise or with a piece of another face."""
    size = faces.shape[-1]
    result = faces.clone()
    for index in range(len(faces)):
        height, width = (_integer(generator, size // 4, int(0.55 * size)) for _ in range(2))
        top = _integer(generator, int(0.30 * size), int(0.62 * size)) - height // 2
        left = _integer(generator, int(0.38 * size), int(0.62 * size)) - width // 2
        hole = result[index, :, max(top, 0) : top + height, max(left, 0) : left + width]
        match _integer(generator, 0, 3):
            case 0:
                hole[:] = hole.mean(dim=(1, 2), keepdim=True) + _uniform(generator, 3, 1, 1, low=-0.3, high=0.3)
            case 1:
                hole[:] = torch.randn(hole.shape, generator=generator) * 0.5
            case _:
                hole[:] = faces[index - 1, :, : hole.shape[1], : hole.shape[2]].flip(1)
    return result


def _doubled(faces: Tensor, generator: torch.Generator) -> Tensor:
    """A band of the face (eyes, nose or mouth) a second time, above or below its place."""
    size = faces.shape[-1]
    height = _integer(generator, size // 6, size // 4)
    source = _integer(generator, int(0.35 * size), int(0.65 * size))
    target = source + height * (1 if source < size // 2 else -1)
    left = _integer(generator, size // 8, size // 5)
    result = faces.clone()
    result[..., target : target + height, left:-left] = faces[..., source : source + height, left:-left]
    return result


def _turned(faces: Tensor, generator: torch.Generator) -> Tensor:
    """On the head or lying on one side."""
    return torch.rot90(faces, _integer(generator, 1, 4), dims=(2, 3))


def _cropped(faces: Tensor, generator: torch.Generator) -> Tensor:
    """A piece of a face, two to four times too large, or a face far out of the picture's middle."""
    count = len(faces)
    if _integer(generator, 0, 2):
        scale, reach = _uniform(generator, count, low=0.25, high=0.5), 0.5
    else:
        scale, reach = torch.ones(count), 1.0
    angle = _uniform(generator, count, high=2.0 * torch.pi)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale
    matrix[:, :, 2] = reach * torch.stack([angle.cos(), angle.sin()], dim=1)
    grid = functional.affine_grid(matrix, list(faces.shape), align_corners=False)
    return functional.grid_sample(faces, grid, padding_mode="border", align_corners=False)


_KINDS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "noise": _noise,
    "flat": _flat,
    "shuffled": _shuffled,
    "blurred": _blurred,
    "halves": _halves,
    "warped": _warped,
    "erased": _erased,
    "doubled": _doubled,
    "turned": _turned,
    "cropped": _cropped,
}
NON_FACE_KINDS = tuple(_KINDS)
"""The kinds of non-faces by name."""
