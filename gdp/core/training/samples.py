"""Sample grids: always the same held-out pairs, so that pictures of different steps can be compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.utils import save_image

from gdp.core.errors import readable_os_errors
from gdp.core.training.pairs import TrainingPairs, to_network

SAMPLES = 8


class SampleGrids:
    """Draws grids with a row for each pair: its source pictures, the student's, the target.

    Args:
        pairs: the first held-out pairs are shown, or the first training pairs where none is held out.
        folder: where `step-000250.png` is written.
        device: where the student runs.
        memory_format: of the pictures given to the student.
    """

    def __init__(
        self, pairs: TrainingPairs, folder: Path, device: torch.device, memory_format: torch.memory_format
    ) -> None:
        source, target = pairs.load_uint8((pairs.held_out or pairs.train)[:SAMPLES])
        self._source = to_network(source, device, memory_format)
        self._target = to_network(target, device, memory_format)
        self._folder = folder

    @torch.no_grad()
    def draw(self, step: int, generate: Callable[[Tensor], Tensor], downscale: int) -> Path:
        """Write the grid of a step and return its file.

        Args:
            step: steps done.
            generate: the student, (N, C, H, W) -> (N, 3, H, W).
            downscale: how many times smaller pictures are in the step's phase.

        Raises:
            DiskFullError, RunFolderError: the file cannot be written.
        """
        size = self._source.shape[2:]
        small = (size[0] // downscale, size[1] // downscale)
        source = functional.interpolate(self._source, size=small, mode="area") if downscale > 1 else self._source
        predicted = torch.cat([generate(row).float() for row in torch.split(source, 1)])
        if downscale > 1:
            predicted = functional.interpolate(predicted, size=tuple(size), mode="nearest")
        columns = [*torch.split(self._source, 3, dim=1), predicted.clamp(-1, 1), self._target]
        path = self._folder / f"step-{step:06d}.png"
        rows = torch.stack(columns, dim=1).flatten(0, 1)  # (N * columns, 3, H, W), row by row
        with readable_os_errors(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            save_image(rows, temporary, nrow=len(columns), normalize=True, value_range=(-1, 1), format="png")
            temporary.replace(path)
        return path
