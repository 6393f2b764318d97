"""The training's numbers as JSON lines, averaged and checked to be finite, and its grids of the same held-out pairs."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gdp.core.errors import NonFiniteError, readable_os_errors
from gdp.core.files import write_atomically
from gdp.core.pictures import to_array, to_levels
from gdp.core.training.loader import TrainingPairs, to_network


class Window:
    """The numbers of the steps since the last line of statistics; they stay on the device until they are asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[Tensor] = []
        """For each step a float32 (len(names),)."""

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in a step's numbers: name to scalar; the names are the same in all steps of a window."""
        self.names = list(values)
        self.rows.append(torch.stack([value.to(torch.float32) for value in values.values()]))

    def means(self) -> dict[str, float]:
        """Return each number's mean over the steps, and begin anew."""
        means = torch.stack(self.rows).double().mean(dim=0).tolist()
        self.rows = []
        return dict(zip(self.names, means, strict=True))

    def check_finite(self, step: int, kept: str, newest_only: bool = False) -> None:
        """Make sure that the numbers are finite.

        Args:
            step: number of the newest step, counted from 1.
            kept: which checkpoint there is to go back to, in words.
            newest_only: look at the newest step alone.

        Raises:
            NonFiniteError: names the first number that is not, its step, and what to try.
        """
        rows = self.rows[-1:] if newest_only else self.rows
        if not rows:
            return
        finite = torch.stack(rows).isfinite()
        if bool(finite.all()):
            return
        row, column = (~finite).nonzero()[0].tolist()
        name, value = self.names[column], float(rows[row][column])
        raise NonFiniteError(
            f"training stopped at step {step - len(rows) + 1 + row}: {name} became {value}. {kept} Try a lower "
            f'train.learning_rate, train.gradient_clip = 1.0, or train.precision = "float32".'
        )


class StatisticsFile:
    """`statistics.jsonl`, a line of numbers every few steps.

    Args:
        path: the file.
        step: lines of later steps are removed: a resumed training writes them again.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        with readable_os_errors(path):
            kept = [line for line in _complete_lines(path) if json.loads(line)["step"] <= step]
        write_atomically(path, "".join(f"{line}\n" for line in kept).encode())

    def write(self, line: Mapping[str, float | int | str]) -> None:
        """Add a line."""
        with readable_os_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def sync(self) -> None:
        """Make the lines durable; before a checkpoint is."""
        with readable_os_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            os.fsync(file.fileno())


def _complete_lines(path: Path) -> list[str]:
    """Return the lines that end in a newline; a killed process may leave one that does not."""
    if not path.exists():
        return []
    return [line[:-1] for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


SAMPLES = 8
MEASURED = 64
"""Held-out pairs on which the distance is measured while training."""

Network = Callable[[Tensor], Tensor]


class SampleGrids:
    """Draws grids with a row for each pair: its source pictures, the target, the student's, the way back's.

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
        self._indices = list(pairs.held_out or pairs.train)[: MEASURED if self._measures else SAMPLES]
        self._load = pairs.load_uint8
        self._folder, self._device, self._memory_format = folder, device, memory_format

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
        rows: list[Tensor] = []
        distances: list[Tensor] = []
        for index in self._indices:  # one at a time: the numbers of large pictures would fill the memory
            source, target = (to_network(each, self._device, self._memory_format) for each in self._load([index]))
            predicted = self._predict(source, generate, downscale)
            distances.append((predicted - target).abs().mean())
            if len(rows) < SAMPLES:
                columns = [*torch.split(source, 3, dim=1), target, predicted]
                columns += [] if back is None else [back(predicted).float().clamp(-1, 1)]
                rows.append(to_levels(torch.cat(columns)).cpu())  # (columns, 3, H, W)
        path = self._folder / f"step-{step:06d}.png"
        from torchvision.utils import make_grid  # here, for it takes as long to import as torch does

        content = io.BytesIO()
        grid = make_grid(torch.cat(rows), nrow=len(rows[0]))
        Image.fromarray(to_array(grid)).save(content, format="png")
        write_atomically(path, content.getbuffer())
        return path, float(torch.stack(distances).mean()) if self._measures else None

    def _predict(self, source: Tensor, generate: Network, downscale: int) -> Tensor:
        size = source.shape[2:]
        if downscale > 1:
            source = functional.interpolate(source, size=(size[0] // downscale, size[1] // downscale), mode="area")
        predicted = generate(source).float()
        if downscale > 1:
            predicted = functional.interpolate(predicted, size=tuple(size), mode="nearest")
        return predicted.clamp(-1, 1)
