"""`rendered-scenes`: photos, and paintings of other scenes, of the procedural scene renderer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gdp.core.config import content_key
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Part, UnpairedDataset
from gdp.plugins.scenes.config import RenderedScenesConfig
from gdp.plugins.scenes.parameters import sample_scenes
from gdp.plugins.scenes.renderer import VERSION, Look, render

_PARTS: dict[Part, tuple[int, Look]] = {
    "trainA": (0, "photo"),
    "trainB": (1, "painting"),
    "testA": (2, "photo"),
    "testB": (3, "painting"),
}
_PART_DISTANCE = 1 << 32
"""No part reaches as many scenes, so no scene is in two parts."""


class RenderedScenes(UnpairedDataset):
    """Photos (domain A) and paintings (B), each part of scenes of its own.

    A picture is rendered when it is first asked for, and kept as uint8; true counterparts are rendered every time.
    """

    def __init__(self, config: RenderedScenesConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        size = (3, config.resolution, config.resolution)
        # The system gives the pages of this memory only when pictures are written into them.
        self._pictures = {part: torch.empty(self.count(part), *size, dtype=torch.uint8) for part in _PARTS}
        self._rendered = {part: torch.zeros(self.count(part), dtype=torch.bool) for part in _PARTS}

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return int(self.config.resolution)

    @property
    def fingerprint(self) -> str:
        """Hash of the settings and the renderer's version."""
        return content_key({"rendered-scenes": VERSION, **self.config.model_dump(mode="json")})

    def count(self, part: Part) -> int:
        """How many pictures a part has."""
        return int(self.config.train_count if part.startswith("train") else self.config.test_count)

    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, R, R) uint8 RGB of a part."""
        wanted = self._numbers(part, indices)
        pictures, rendered = self._pictures[part], self._rendered[part]
        missing = torch.unique(wanted[~rendered[wanted]])
        if len(missing):
            pictures[missing] = self._render(part, missing, _PARTS[part][1])
            rendered[missing] = True
        return pictures[wanted]

    def name(self, part: Part, index: int) -> str:
        """Return the part and the scene's number in it."""
        return f"{part}-{index:06d}"

    def truth(self, part: Part, indices: Sequence[int]) -> Tensor:
        """Return the same scenes in the other domain's look, (N, 3, R, R) uint8 RGB."""
        other: Look = "painting" if _PARTS[part][1] == "photo" else "photo"
        return self._render(part, self._numbers(part, indices), other)

    def _numbers(self, part: Part, indices: Sequence[int]) -> Tensor:
        """The scenes' numbers in the part, (N,); negative indices count from its end. Raises IndexError."""
        return torch.arange(self.count(part))[torch.as_tensor(list(indices), dtype=torch.int64)]

    def _render(self, part: Part, indices: Tensor, look: Look) -> Tensor:
        scenes = sample_scenes(self.config.seed, indices + _PARTS[part][0] * _PART_DISTANCE)
        return render(scenes, look, self.resolution).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
