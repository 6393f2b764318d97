"""Pictures in memory as a dataset, and progress that is interrupted: what tests of StyleGAN2's training stand on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset
from gdp.core.memory import MemoryBound
from gdp.core.progress import ProgressTask, SilentProgress


class KnownPictures(Dataset):
    """Pictures (N, 3, R, R) uint8, perhaps with their latents; notes how many are asked for, and in which thread."""

    def __init__(
        self, pictures: Tensor, latents: Tensor | None = None, *, memory: int | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__(None, BuildContext(memory=MemoryBound(memory)))
        self._pictures, self._latents, self._seconds = pictures, latents, seconds
        self.asked: list[int] = []
        self.threads: list[str] = []

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def resolution(self) -> int:
        return self._pictures.shape[-1]

    def images(self, indices: Sequence[int]) -> Tensor:
        self.asked.append(len(indices))
        self.threads.append(threading.current_thread().name)
        time.sleep(self._seconds)
        return self._pictures[torch.as_tensor(list(indices), dtype=torch.int64)]

    def latents(self, indices: Sequence[int]) -> Tensor | None:
        return None if self._latents is None else self._latents[torch.as_tensor(list(indices), dtype=torch.int64)]


class InterruptingProgress(SilentProgress):
    """Raises where so many pictures of the training are done; keeps what is told."""

    def __init__(self, images: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.images, self.error = images, error
        self.told: list[str] = []

    def message(self, text: str) -> None:
        self.told.append(text)

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        training = name.startswith("training")
        limit, error = self.images if training else None, self.error

        class Task:
            def __init__(self) -> None:
                self.done = done

            def advance(self, amount: int = 1, **status: float | str) -> None:
                self.done += amount
                if limit is not None and self.done >= limit:
                    raise error

        yield Task()
