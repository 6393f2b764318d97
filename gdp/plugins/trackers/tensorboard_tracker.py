"""TensorBoard's event files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from gdp import TrackedRun, Tracker
from gdp.plugins.trackers import TensorBoardConfig


class TensorBoardTracker(Tracker):
    """Writes event files: scalars `train/generator.l1` in float64, pictures, recipe and summaries as text."""

    config: TensorBoardConfig

    def begin(self, run: TrackedRun) -> str:
        """Open the files of a run; a training that begins anew gets a folder of its own."""
        folder = self.config.folder or run.folder / "tensorboard"
        name = run.known or f"{run.name}-{len(list(folder.glob('*/'))) + 1:03d}"
        self._writer = SummaryWriter(str(folder / name), flush_secs=10)
        self._text("recipe", dict(run.recipe))
        return name

    def metrics(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Write scalars."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"{stage}/{name}", value, step, new_style=True, double_precision=True)

    def image(self, stage: str, step: int, path: Path) -> None:
        """Write a picture."""
        with Image.open(path) as image:
            self._writer.add_image(f"{stage}/samples", numpy.asarray(image.convert("RGB")), step, dataformats="HWC")

    def summary(self, stage: str, summary: Mapping[str, Any]) -> None:
        """Write it as text."""
        self._text(f"{stage}/summary", dict(summary))

    def end(self, outcome: str, artifacts: Sequence[Path]) -> None:
        """Say where the files are, which lie beside these, and close."""
        self._text("run", {"outcome": outcome, "artifacts": [str(path) for path in artifacts]})
        self._writer.close()

    def _text(self, name: str, data: Mapping[str, Any]) -> None:
        self._writer.add_text(name, f"```json\n{json.dumps(data, indent=2, default=str)}\n```")
