"""Which pairs make up a batch: determined by the seed and the step alone, so that a resumed run goes on as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch


def counter_generator(seed: int, stream: str, counter: int) -> torch.Generator:
    """Return a CPU generator determined by the three; different streams or counters give unrelated numbers."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{counter}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


class BatchSampler:
    """Deals out the pairs in a new random order every epoch; a batch may reach into the next epoch.

    Args:
        pairs: indices of the training pairs.
        batch: pairs in a batch.
        seed: with it and the epoch's number the order is drawn.
    """

    def __init__(self, pairs: Sequence[int], batch: int, seed: int) -> None:
        self._pairs = list(pairs)
        self._batch = batch
        self._seed = seed
        self._orders: dict[int, list[int]] = {}

    def positions(self, step: int) -> list[int]:
        """Return the positions in `pairs` that make up the batch of step number `step`, counted from 0."""
        count = len(self._pairs)
        dealt = range(step * self._batch, (step + 1) * self._batch)
        epochs = range(dealt[0] // count, dealt[-1] // count + 1)
        self._orders = {epoch: self._orders.get(epoch) or self._order(epoch) for epoch in epochs}
        return [self._orders[number // count][number % count] for number in dealt]

    def indices(self, step: int) -> list[int]:
        """Return the indices of the pairs that make up the batch of step number `step`."""
        return [self._pairs[position] for position in self.positions(step)]

    def _order(self, epoch: int) -> list[int]:
        order: list[int] = torch.randperm(
            len(self._pairs), generator=counter_generator(self._seed, "epoch", epoch)
        ).tolist()
        return order
