"""What a plugin is given when a run builds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from gdp.core.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from gdp.core.interfaces.datasets import Dataset, UnpairedDataset
    from gdp.core.interfaces.teachers import Teacher


@dataclass(frozen=True)
class BuildContext:
    """The surroundings of a plugin. Plugins take what they need and keep no reference to the run."""

    seed: int = 0
    """The recipe's seed; everything random derives from it and from the pair's index."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    teacher: Teacher | None = None
    """The run's teacher; None where the recipe has none (existing pairs)."""
    dataset: Dataset | UnpairedDataset | None = None
    """The pictures of the recipe's `[dataset]`; None where it has none."""
    input_channels: int = 3
    """Students only: channels of the source, 3 for each input picture."""
    resolution: int = 64
    """Students only: height and width of the pairs in pixels."""
    progress: Progress = field(default_factory=SilentProgress)
