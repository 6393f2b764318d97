"""Looks at the student while it trains: grids of the same held-out pairs, and its distance to their targets."""

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
MEASURED = 64
"""Held-out pairs on which the distance is measured while training."""

Network = Callable[[Tensor], Tensor]


class SampleGrids:
    """Draws grids with a row for each pair: its source pictures, the student's, the way back's, the target.

    Args:
        pairs: the first held-out pairs are shown, or the first training pairs where none is held out.
        folder: where `step-000250.png` is written.
        device: where the student runs.
        memory_format: of the pictures given to the student.
    """

    def __init__(
        self, pairs: TrainingPairs, folder: Path, device: torch.device, memory_format: torch.memory_format
    ) -> None:
        self._measures = bool(pairs.held_out) and pairs.measures_targets
        source, target = pairs.load_uint8((pairs.held_out or pairs.train)[: MEASURED if self._measures else SAMPLES])
        self._source = to_network(source, device, memory_format)
        self._target = to_network(target, device, memory_format)
        self._folder = folder

    @torch.no_grad()
    def look(
        self, step: int, generate: Network, downscale: int, back: Network | None = None
    ) -> tuple[Path, float | None]:
        """Write the grid of a step; return its file, and the mean absolute difference to the held-out targets.

        Args:
            step: steps done.
            generate: the student, (N, C, H, W) -> (N, 3, H, W).
            downscale: how many times smaller pictures are in the step's phase; its pictures are enlarged.
            back: the way back, where there is one: the same of the student's pictures.

        Returns:
            The distance is in [0, 2], to the targets as stored; None where none is held out or it says nothing.

        Raises:
            DiskFullError, RunFolderError: the file cannot be written.
        """
        predicted = self._predict(self._source, generate, downscale)
        shown = predicted[:SAMPLES]
        columns = [*torch.split(self._source[:SAMPLES], 3, dim=1), shown]
        if back is not None:
            columns.append(back(shown).float().clamp(-1, 1))
        columns.append(self._target[:SAMPLES])
        path = self._folder / f"step-{step:06d}.png"
        rows = torch.stack(columns, dim=1).flatten(0, 1)  # (N * columns, 3, H, W), row by row
        with readable_os_errors(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            save_image(rows, temporary, nrow=len(columns), normalize=True, value_range=(-1, 1), format="png")
            temporary.replace(path)
        return path, float((predicted - self._target).abs().mean()) if self._measures else None

    def _predict(self, source: Tensor, generate: Network, downscale: int) -> Tensor:
        size = source.shape[2:]
        if downscale > 1:
            source = functional.interpolate(source, size=(size[0] // downscale, size[1] // downscale), mode="area")
        predicted = torch.cat([generate(row).float() for row in torch.split(source, 1)])
        if downscale > 1:
            predicted = functional.interpolate(predicted, size=tuple(size), mode="nearest")
        return predicted.clamp(-1, 1)
