"""How pictures reach the training: from memory where they fit, else read ahead in the background."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.interfaces.pair_sources import Pictures
from gdp.core.progress import Progress
from gdp.core.training.sampler import BatchSampler, counter_generator

CACHE_LIMIT = 2 * 1024**3
"""Training pictures are kept in memory as uint8 where they take at most so many bytes."""
CACHE_CHUNK = 256
READ_AHEAD = 3

Load = Callable[[Sequence[int]], tuple[Tensor, ...]]
"""From indices to uint8 pictures: one tensor (N, C, H, W) for each picture of an item."""


@dataclass(frozen=True)
class TrainingPairs:
    """The pairs that a student is trained on, and the pictures beside them."""

    train: Sequence[int]
    """Indices of the pairs to train on, without those held out."""
    held_out: Sequence[int]
    """Indices of pairs that are never trained on; the sample grids show the first of them."""
    load_uint8: Callable[[Sequence[int]], tuple[Tensor, Tensor]]
    """Loads pairs by index as uint8 RGB, sources (N, C, H, W) and targets (N, 3, H, W); called from a background
    thread where they do not fit in memory."""
    unpaired: Pictures | None = None
    """Real pictures of the target's domain that belong to no pair."""
    teach: Callable[[Tensor], Tensor] | None = None
    """Makes targets (N, 3, H, W) of sources during training; None where the stored ones are used."""
    learns_from_targets: bool = True
    """If not, the loaded targets only stand beside the samples (a teacher's own training has none to learn from)."""
    measures_targets: bool = True
    """Whether the distance to held-out targets says anything."""


@contextmanager
def open_feed(
    load: Load, items: Sequence[int], sampler: BatchSampler, steps: range, progress: Progress
) -> Iterator[Callable[[int], tuple[Tensor, ...]]]:
    """Open the flow of training batches: a function from step to uint8 pictures.

    Args:
        load: gives the pictures of items.
        items: all that the sampler deals out.
        sampler: says which of them make up a step's batch.
        steps: the steps that will be asked for, in this order.
        progress: reports the loading into memory.
    """
    if len(items) * sum(picture.nbytes for picture in load(items[:1])) <= CACHE_LIMIT:
        cached = _load_all(load, items, progress)

        def from_memory(step: int) -> tuple[Tensor, ...]:
            positions = torch.tensor(sampler.positions(step))
            return tuple(pictures[positions] for pictures in cached)

        yield from_memory
        return

    with ThreadPoolExecutor(1, "pairs") as executor:
        ahead: deque[Future[tuple[Tensor, ...]]] = deque()
        unasked = iter(steps)

        def from_disk(step: int) -> tuple[Tensor, ...]:
            while len(ahead) <= READ_AHEAD and (upcoming := next(unasked, None)) is not None:
                ahead.append(executor.submit(load, sampler.indices(upcoming)))
            return ahead.popleft().result()

        try:
            yield from_disk
        finally:
            executor.shutdown(cancel_futures=True)


def _load_all(load: Load, items: Sequence[int], progress: Progress) -> tuple[Tensor, ...]:
    parts: list[tuple[Tensor, ...]] = []
    with progress.task("load pictures", len(items), "pictures") as task:
        for start in range(0, len(items), CACHE_CHUNK):
            chunk = items[start : start + CACHE_CHUNK]
            parts.append(load(chunk))
            task.advance(len(chunk))
    return tuple(torch.cat(column) for column in zip(*parts, strict=True))


def mirror_half(pictures: tuple[Tensor, ...], seed: int, step: int, stream: str = "flip") -> tuple[Tensor, ...]:
    """Mirror left and right about half of the items, in all their pictures alike; chosen by (seed, stream, step)."""
    chosen = torch.rand(len(pictures[0]), generator=counter_generator(seed, stream, step)) < 0.5
    chosen = chosen[:, None, None, None]
    return tuple(torch.where(chosen, picture.flip(3), picture) for picture in pictures)


def jitter(pictures: tuple[Tensor, ...], size: int, seed: int, step: int, stream: str) -> tuple[Tensor, ...]:
    """Enlarge pictures to `size` and crop them back at random places, all pictures of an item alike.

    pix2pix's random jitter (Isola et al., CVPR 2017, appendix 6.2), from 286 to 256 pixels there.

    Args:
        pictures: float (N, C, H, W) in [-1, 1], of one height and width.
        size: height and width to enlarge to, at least as large as they are.
        seed: with the step and the stream it decides the places.
        step: of the training.
        stream: a name, so that pairs and unpaired pictures are cut differently.
    """
    count, _, height, width = pictures[0].shape
    random = counter_generator(seed, stream, step)
    tops = torch.randint(0, size - height + 1, (count,), generator=random).tolist()
    lefts = torch.randint(0, size - width + 1, (count,), generator=random).tolist()
    jittered = []
    for picture in pictures:
        large = functional.interpolate(picture, size=(size, size), mode="bicubic", align_corners=False).clamp(-1, 1)
        crops = [
            large[row, :, top : top + height, left : left + width]
            for row, (top, left) in enumerate(zip(tops, lefts, strict=True))
        ]
        jittered.append(torch.stack(crops))
    return tuple(jittered)


def to_network(image: Tensor, device: torch.device, memory_format: torch.memory_format, downscale: int = 1) -> Tensor:
    """Turn uint8 pictures (N, C, H, W) into float32 in [-1, 1] on the device, `downscale` times smaller by area."""
    image = image.to(device, non_blocking=True).to(torch.float32).div_(127.5).sub_(1.0)
    if downscale > 1:
        height, width = image.shape[2] // downscale, image.shape[3] // downscale
        image = functional.interpolate(image, size=(height, width), mode="area")
    return image.contiguous(memory_format=memory_format)
