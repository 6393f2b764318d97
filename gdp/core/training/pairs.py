"""How pairs reach the training: from memory where they fit, else read ahead in the background."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.progress import Progress
from gdp.core.training.sampler import BatchSampler, counter_generator

CACHE_LIMIT = 2 * 1024**3
"""Training pairs are kept in memory as uint8 where they take at most so many bytes."""
CACHE_CHUNK = 256
READ_AHEAD = 3

Pictures = tuple[Tensor, Tensor]
"""Sources (N, C, H, W) and targets (N, 3, H, W)."""


@dataclass(frozen=True)
class TrainingPairs:
    """The pairs that a student is trained on."""

    train: Sequence[int]
    """Indices of the pairs to train on, without those held out."""
    held_out: Sequence[int]
    """Indices of pairs that are never trained on; the sample grids show the first of them."""
    load_uint8: Callable[[Sequence[int]], Pictures]
    """Loads pairs by index as uint8 RGB; called from a background thread where they do not fit in memory."""


@contextmanager
def open_feed(
    pairs: TrainingPairs, sampler: BatchSampler, steps: range, progress: Progress
) -> Iterator[Callable[[int], Pictures]]:
    """Open the flow of training batches: a function from step to uint8 sources and targets.

    Args:
        pairs: where the pictures come from.
        sampler: says which pairs make up a step's batch.
        steps: the steps that will be asked for, in this order.
        progress: reports the loading into memory.
    """
    source, target = pairs.load_uint8(pairs.train[:1])
    if len(pairs.train) * (source.nbytes + target.nbytes) <= CACHE_LIMIT:
        sources, targets = _load_all(pairs, progress)

        def from_memory(step: int) -> Pictures:
            positions = torch.tensor(sampler.positions(step))
            return sources[positions], targets[positions]

        yield from_memory
        return

    with ThreadPoolExecutor(1, "pairs") as executor:
        ahead: deque[Future[Pictures]] = deque()
        unasked = iter(steps)

        def from_disk(step: int) -> Pictures:
            while len(ahead) <= READ_AHEAD and (upcoming := next(unasked, None)) is not None:
                ahead.append(executor.submit(pairs.load_uint8, sampler.indices(upcoming)))
            return ahead.popleft().result()

        try:
            yield from_disk
        finally:
            executor.shutdown(cancel_futures=True)


def _load_all(pairs: TrainingPairs, progress: Progress) -> Pictures:
    sources, targets = [], []
    with progress.task("load pairs", len(pairs.train), "pairs") as task:
        for start in range(0, len(pairs.train), CACHE_CHUNK):
            chunk = pairs.train[start : start + CACHE_CHUNK]
            source, target = pairs.load_uint8(chunk)
            sources.append(source)
            targets.append(target)
            task.advance(len(chunk))
    return torch.cat(sources), torch.cat(targets)


def mirror_half(pictures: Pictures, seed: int, step: int) -> Pictures:
    """Mirror left and right, in source and target alike, about half of the pairs; chosen by (seed, step)."""
    source, target = pictures
    chosen = torch.rand(len(source), generator=counter_generator(seed, "flip", step)) < 0.5
    chosen = chosen[:, None, None, None]
    return torch.where(chosen, source.flip(3), source), torch.where(chosen, target.flip(3), target)


def to_network(image: Tensor, device: torch.device, memory_format: torch.memory_format, downscale: int = 1) -> Tensor:
    """Turn uint8 pictures (N, C, H, W) into float32 in [-1, 1] on the device, `downscale` times smaller by area."""
    image = image.to(device, non_blocking=True).to(torch.float32).div_(127.5).sub_(1.0)
    if downscale > 1:
        height, width = image.shape[2] // downscale, image.shape[3] // downscale
        image = functional.interpolate(image, size=(height, width), mode="area")
    return image.contiguous(memory_format=memory_format)
