"""The teacher itself; imported when a run builds it."""

import hashlib
from typing import Any

import gdp
import torch
from torch import Tensor, nn

from gdp_teacher_smoothing.config import SmoothingConfig


class SmoothingTeacher(gdp.TranslatorTeacher):
    """Anisotropic diffusion as a translator picture -> picture: slow, for it takes many steps, each after the other.

    It needs no weight file. What it makes is decided by its settings, so they are its fingerprint.
    """

    config: SmoothingConfig

    def __init__(self, config: SmoothingConfig, context: gdp.BuildContext) -> None:
        super().__init__(config, context)
        with torch.random.fork_rng(devices=[]):  # a new layer draws weights, though these are overwritten
            network = Diffusion(config.steps, config.edge, config.rate)
        self._network = network.eval().to(context.device)

    @property
    def fingerprint(self) -> str:
        """Hash of the settings that decide what it makes, and of the version of its formula."""
        return hashlib.sha256(f"diffusion 1 {self.config.model_dump_json(exclude={'resolution'})}".encode()).hexdigest()

    @property
    def resolution(self) -> int:
        """Height and width of the pictures in pixels."""
        return self.config.resolution

    @property
    def module(self) -> nn.Module:
        """The diffusion; its only weights are those of four differences."""
        return self._network

    def example_inputs(self) -> tuple[Any, ...]:
        """Return one grey picture."""
        return (torch.zeros(1, 3, self.resolution, self.resolution, device=self.context.device),)

    @torch.no_grad()
    def translate(self, images: Tensor) -> Tensor:
        """Smooth (N, 3, H, W) in [-1, 1]; the range stays."""
        smoothed: Tensor = self._network(images)
        return smoothed


class Diffusion(nn.Module):
    """Pixels give to their neighbours, but not over edges: I <- I + rate * sum over 4 neighbours of c(d) d.

    Perona and Malik, "Scale-space and edge detection using anisotropic diffusion" (PAMI 1990), equations 7 and 8, with
    the conduction c(d) = exp(-(d / edge)^2) of section V. Nothing flows over the border of a picture.

    Args:
        steps: how many.
        edge: K of the paper, in the units of [-1, 1].
        rate: lambda of the paper, at most 1/4.
    """

    def __init__(self, steps: int, edge: float, rate: float) -> None:
        super().__init__()
        self.steps, self.edge, self.rate = steps, edge, rate
        # A convolution that gives every channel's differences to its neighbours: north, south, west, east.
        self.differences = nn.Conv2d(3, 12, 3, padding=1, padding_mode="replicate", groups=3, bias=False)
        kernels = torch.zeros(4, 1, 3, 3)
        kernels[:, 0, 1, 1] = -1
        for direction, (row, column) in enumerate([(0, 1), (2, 1), (1, 0), (1, 2)]):
            kernels[direction, 0, row, column] = 1
        self.differences.weight = nn.Parameter(kernels.repeat(3, 1, 1, 1), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        """Smooth (N, 3, H, W) in [-1, 1] to the same shape and range."""
        for _ in range(self.steps):
            difference = self.differences(images)  # (N, 12, H, W)
            flow = torch.exp(-((difference / self.edge) ** 2)) * difference
            images = images + self.rate * flow.unflatten(1, (3, 4)).sum(dim=2)
        return images
