"""`rendered-faces`: pictures of the procedural face renderer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset
from gdp.plugins.faces.attributes import sample_attributes, sample_latents
from gdp.plugins.faces.config import RenderedFacesConfig
from gdp.plugins.faces.renderer import render


class RenderedFaces(Dataset):
    """Faces 0 to count - 1 of a seed. Each is rendered when it is first asked for, and kept as uint8."""

    def __init__(self, config: RenderedFacesConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        # The system gives the pages of this memory only when faces are written into them.
        self._pictures = torch.empty(config.count, 3, config.resolution, config.resolution, dtype=torch.uint8)
        self._rendered = torch.zeros(config.count, dtype=torch.bool)

    def __len__(self) -> int:
        return int(self.config.count)

    @property
    def resolution(self) -> int:
        """Height and width in pixels."""
        return int(self.config.resolution)

    def images(self, indices: Sequence[int]) -> Tensor:
        """Return faces (N, 3, R, R) uint8 RGB."""
        wanted = torch.as_tensor(list(indices), dtype=torch.int64)
        missing = torch.unique(wanted[~self._rendered[wanted]])
        if len(missing):
            faces = render(sample_attributes(self.config.seed, missing), self.resolution)
            self._pictures[missing] = faces.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
            self._rendered[missing] = True
        return self._pictures[wanted]

    def latents(self, indices: Sequence[int]) -> Tensor:
        """Return what decides the attributes of these faces, one standard normal number for each: (N, K) float32."""
        return sample_latents(self.config.seed, torch.as_tensor(list(indices), dtype=torch.int64))
