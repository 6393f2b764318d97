"""Datasets: collections of pictures that teachers are trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gdp.core.interfaces.context import BuildContext


class Dataset(ABC):
    """Pictures by number, all of one size."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def __len__(self) -> int:
        """How many pictures there are."""

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Height and width in pixels."""

    @abstractmethod
    def images(self, indices: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, R, R) uint8 RGB; picture i is always the same."""

    def latents(self, indices: Sequence[int]) -> Tensor | None:
        """Return what determines these pictures as independent standard normal numbers (N, K) float32.

        None where that is not known, as of photographs. A renderer knows it, and a teacher may learn from it.
        """
        return None
