"""How pictures look at their border: measured without any judge, so that a direction's change of it can be held.

What a direction is to change stands in the middle, and behind it is what shall stay: the border's mean colours are
scores as a filter's are, three for each picture, and how far the border's pixels move is told beside the middle's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gdp.core.pictures import reduced_to_side, to_levels

LIGHTNESS, BLUENESS, REDNESS = BORDER_SCORES = ("border_lightness", "border_blueness", "border_redness")
"""Means over the border in levels: Y, Cb and Cr of ITU-R BT.601, the latter two around 0."""
SHARE = 16
"""The border is the outermost part of so many of each side, at least one pixel."""
SIDE = 64
"""Pixels of the reductions in which changes are measured."""


def border_mask(height: int, width: int) -> Tensor:
    """Return (height, width) bool: which pixels are the border."""
    rows, columns = max(1, height // SHARE), max(1, width // SHARE)
    mask = torch.ones(height, width, dtype=torch.bool)
    mask[rows : height - rows, columns : width - columns] = False
    return mask


def border_colours(images: Tensor) -> Tensor:
    """Return the `BORDER_SCORES` (N, 3) float64, on the CPU, of pictures (N, 3, H, W) in [-1, 1]."""
    mask = border_mask(*images.shape[-2:]).to(images.device)
    red, green, blue = ((images.clamp(-1, 1).float() + 1) * 127.5)[:, :, mask].mean(dim=2).double().unbind(dim=1)
    lightness = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([lightness, 0.564 * (blue - lightness), 0.713 * (red - lightness)], dim=1).cpu()


@dataclass
class Watched:
    """Pictures on their way to a judge, watched: the colours of their borders, how alike they are, reductions."""

    keep: bool = False
    """Whether reductions are kept."""
    colours: list[Tensor] = field(default_factory=list)
    reductions: list[Tensor] = field(default_factory=list)
    apart: list[Tensor] = field(default_factory=list)
    """Of each picture the mean absolute difference to the first, in levels, in the reductions."""
    _first: Tensor | None = None

    def through(self, pictures: Iterable[tuple[Sequence[int], Tensor]]) -> Iterator[tuple[Sequence[int], Tensor]]:
        """Hand on numbers and pictures (N, 3, R, R)."""
        for indices, images in pictures:
            self.colours.append(border_colours(images))
            reduced = to_levels(reduced_to_side(images.float(), SIDE)).cpu()
            self._first = reduced[:1].float() if self._first is None else self._first
            self.apart.append((reduced.float() - self._first).abs().mean(dim=(1, 2, 3)))
            if self.keep:
                self.reductions.append(reduced)
            yield indices, images

    def scores(self) -> dict[str, Tensor]:
        """Return the `BORDER_SCORES`, (N,) float64 each."""
        return dict(zip(BORDER_SCORES, torch.cat(self.colours).unbind(dim=1), strict=True))

    def spread(self) -> float:
        """Return how far the pictures are from the first, on average, in levels; 0 of one alone."""
        apart = torch.cat(self.apart)[1:]
        return float(apart.mean()) if len(apart) else 0.0

    def changed(self, other: Watched) -> tuple[float, float]:
        """Return how far the border's and the inner pixels are from another's: mean absolute changes in levels."""
        mine, theirs = (torch.cat(each.reductions).float() for each in (self, other))
        change = (mine - theirs).abs()
        mask = border_mask(*change.shape[-2:])
        return float(change[:, :, mask].mean()), float(change[:, :, ~mask].mean())
