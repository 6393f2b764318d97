"""A teacher whose w is normal with a covariance of one's choice, and what it takes to stand in for FFHQ's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import LatentTeacher, Projection
from gdp.core.progress import Progress

REAL = Path(os.environ.get("GDP_GOLDEN", "../shared/golden")).parent / "real" / "latent_directions"


class GaussianTeacher(LatentTeacher):
    """w = mean + z A; its pictures are 8 px of the mean of w."""

    def __init__(self, axes: Tensor, num_ws: int = 6, fingerprint: str = "cd" * 32) -> None:
        super().__init__(None, BuildContext())
        self._axes, self._num_ws, self._fingerprint = axes, num_ws, fingerprint
        self._module = nn.Identity()

    fingerprint = property(lambda self: self._fingerprint)  # type: ignore[assignment] # short for six properties
    resolution = property(lambda self: 8)  # type: ignore[assignment] # the same
    module = property(lambda self: self._module)  # type: ignore[assignment] # the same
    z_dim = property(lambda self: len(self._axes))  # type: ignore[assignment] # the same
    w_dim = property(lambda self: self._axes.shape[1])  # type: ignore[assignment] # the same
    num_ws = property(lambda self: self._num_ws)  # type: ignore[assignment] # the same

    def example_inputs(self) -> tuple[Any, ...]:
        return (torch.zeros(1, self.z_dim),)

    def map(self, z: Tensor, truncation: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        w = truncation * (z.double() @ self._axes).float()
        return w[:, None].expand(-1, self._num_ws, -1)

    def synthesize(self, ws: Tensor) -> Tensor:
        return ws.mean(dim=(1, 2)).tanh()[:, None, None, None].expand(-1, 3, 8, 8)

    def project(self, images: Tensor, steps: int | None, progress: Progress) -> Projection:
        raise NotImplementedError


def decaying(width: int, seed: int = 0) -> Tensor:
    """Return axes (width, width) along which w varies less and less, turned at random."""
    random = torch.Generator().manual_seed(seed)
    turned, _ = torch.linalg.qr(torch.randn(width, width, generator=random, dtype=torch.float64))
    return torch.linspace(3.0, 0.1, width, dtype=torch.float64)[:, None] * turned


def like_ffhq() -> GaussianTeacher:
    """Return a teacher with the w of StyleGAN2's FFHQ generator, as GANSpace's published components tell it.

    80 components and their deviations are published; the other 432 are here as the power law that the last 40 follow,
    in directions at random.
    """
    held = torch.load(REAL / "e4e" / "ffhq_pca.pt", map_location="cpu", weights_only=True)
    components, deviations = held["comp"][:, 0].double(), held["std"].double()
    random = torch.randn(512, 432, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turned, _ = torch.linalg.qr(torch.cat([components.T, random], dim=1))
    axes = torch.cat([components, turned.T[80:]])
    numbers = torch.arange(1, 513, dtype=torch.float64).log()
    last = torch.stack([numbers[40:80], torch.ones(40, dtype=torch.float64)], dim=1)
    law = torch.linalg.lstsq(last, deviations[40:].log()[:, None]).solution[:, 0]
    spread = torch.cat([deviations, (law[0] * numbers[80:] + law[1]).exp()])
    return GaussianTeacher(spread[:, None] * axes, num_ws=18)
