"""The training's numbers: averaged over some steps, checked to be finite, and kept as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gdp.core.errors import NonFiniteError, readable_os_errors


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
            temporary = path.with_suffix(".tmp")
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in kept)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)

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
