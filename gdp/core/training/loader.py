"""The batches of a training: which pairs, from memory or read ahead, mirrored, jittered, on the device.

A batch is determined by the seed and the step alone, so that a resumed run goes on as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.counters import counter_generator
from gdp.core.errors import TrainingError
from gdp.core.interfaces.pair_sources import Pictures
from gdp.core.memory import MemoryBound
from gdp.core.pictures import from_levels
from gdp.core.progress import Progress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training.group import ALONE, Group, training_group
from gdp.core.training.ways import Batch


class BatchSampler:
    """Deals out the pairs in a new random order every epoch; a batch may reach into the next epoch.

    Args:
        pairs: indices of the training pairs.
        batch: pairs in a batch.
        seed: with it and the epoch's number the order is drawn.
        group: the processes that train together; each gets its part of the batch.
    """

    def __init__(self, pairs: Sequence[int], batch: int, seed: int, group: Group = ALONE) -> None:
        self._pairs = pairs if isinstance(pairs, range) else list(pairs)  # there may be millions
        self._batch = batch
        self._seed = seed
        self._group = group
        self._orders: dict[int, Tensor] = {}

    def positions(self, step: int) -> list[int]:
        """Return the positions in `pairs` of this process's part of the batch of step number `step`, from 0."""
        count = len(self._pairs)
        dealt = range(step * self._batch, (step + 1) * self._batch)
        epochs = range(dealt[0] // count, dealt[-1] // count + 1)
        kept = self._orders
        self._orders = {epoch: kept[epoch] if epoch in kept else self._order(epoch) for epoch in epochs}
        return [int(self._orders[number // count][number % count]) for number in self._group.part(dealt)]

    def indices(self, step: int) -> list[int]:
        """Return the indices of the pairs of this process's part of the batch of step number `step`."""
        return [self._pairs[position] for position in self.positions(step)]

    def _order(self, epoch: int) -> Tensor:
        return torch.randperm(len(self._pairs), generator=counter_generator(self._seed, "epoch", epoch))


CACHE_LIMIT = 2 * 1024**3
"""Training pictures are kept in memory as uint8 where they take at most so many bytes, or as many as the user gives,
and where no fewer are asked for."""
CACHED = 0.5
"""Share of the memory for pictures in work that kept training pictures take."""
CHUNK_BYTES = 2**26
"""Of pictures that are read at once to be kept."""
READ_AHEAD = 3
"""Batches that are read while others are trained on, fewer where they are large."""
READ_AHEAD_SHARE = 0.25

Load = Callable[[Sequence[int]], tuple[Tensor, ...]]
"""From indices to uint8 pictures: one tensor (N, C, H, W) for each picture of an item."""
Read = Callable[[int], tuple[Tensor, ...]]
"""From a step to the uint8 pictures of its batch."""


@dataclass(frozen=True)
class TrainingPairs:
    """The pairs that a student is trained on, and the pictures beside them.

    Attributes:
        train: Indices of the pairs to train on, without those held out.
        held_out: Indices of pairs that are never trained on; the sample grids show the first of them.
        load_uint8: Loads pairs by index as uint8 RGB, sources (N, C, H, W) and targets (N, 3, H, W); called from a
            background thread where they do not fit in memory.
        unpaired: Real pictures of the target's domain that belong to no pair.
        teach: Makes targets (N, 3, H, W) of sources during training; None where the stored ones are used.
        learns_from_targets: If not, the loaded targets only stand beside the samples (a teacher's own training has none
            to learn from).
        measures_targets: Whether the distance to held-out targets says anything.
    """

    train: Sequence[int]
    held_out: Sequence[int]
    load_uint8: Callable[[Sequence[int]], tuple[Tensor, Tensor]]
    unpaired: Pictures | None = None
    teach: Callable[[Tensor], Tensor] | None = None
    learns_from_targets: bool = True
    measures_targets: bool = True


def cache_limit(memory: MemoryBound, group: Group = ALONE) -> int:
    """Return the bytes that training pictures may take which are kept in memory; others are read ahead."""
    return memory.share(CACHED, max(CACHE_LIMIT, memory.given or 0)) // group.world


@contextmanager
def open_feed(
    load: Load,
    items: Sequence[int],
    sampler: BatchSampler,
    steps: range,
    progress: Progress,
    memory: MemoryBound | None = None,
    device: torch.device | None = None,
) -> Iterator[Read]:
    """Open the flow of training batches: a function from step to uint8 pictures.

    Args:
        load: gives the pictures of items.
        items: all that the sampler deals out.
        sampler: says which of them make up a step's batch.
        steps: the steps that will be asked for, in this order; behind them any of them may be asked for again.
        progress: reports the loading into memory.
        memory: for pictures in work; a share of what is free where none is given. No batch depends on it.
        device: where they are wanted, the processor by default. A GPU's are there before their step begins.
    """
    with _open_reading(load, items, sampler, steps, progress, memory or MemoryBound()) as read:
        if device is None or device.type != "cuda":
            yield read
            return
        with _copied_ahead(read, steps, device) as copied:
            yield copied


@contextmanager
def _copied_ahead(read: Read, steps: range, device: torch.device) -> Iterator[Read]:
    """Bring a step's pictures to a GPU while the step before is computed.

    Another thread reads them into pinned memory, from where a stream of their own copies them.
    """
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's class has no annotations

    def copy(step: int) -> tuple[tuple[Tensor, ...], torch.cuda.Event]:
        pictures = read(step)
        with torch.cuda.stream(stream):
            pinned = [picture.pin_memory() for picture in pictures]
            return tuple(picture.to(device, non_blocking=True) for picture in pinned), stream.record_event()

    with ThreadPoolExecutor(1, "copies") as executor:
        ahead: dict[int, Future[tuple[tuple[Tensor, ...], torch.cuda.Event]]] = {}

        def copied(step: int) -> tuple[Tensor, ...]:
            pictures, done = (ahead.pop(step, None) or executor.submit(copy, step)).result()
            if step + 1 in steps:
                ahead[step + 1] = executor.submit(copy, step + 1)
            here = torch.cuda.current_stream(device)
            here.wait_event(done)  # the device waits, if it must; the processor does not
            for picture in pictures:
                picture.record_stream(here)  # its memory is given to no other copy before the step is done with it
            return pictures

        try:
            yield copied
        finally:
            executor.shutdown(cancel_futures=True)


@contextmanager
def _open_reading(
    load: Load, items: Sequence[int], sampler: BatchSampler, steps: range, progress: Progress, memory: MemoryBound
) -> Iterator[Read]:
    """Open the reading of batches into the main memory; the arguments are those of `open_feed`."""
    first = load(items[:1])
    each = sum(picture.nbytes for picture in first)
    together = len(sampler.indices(steps.start)) if steps else 0
    # What few steps ask for is less than all that there is.
    if len(items) * each <= cache_limit(memory, training_group()) and len(items) <= len(steps) * together:
        cached = _load_all(load, items, first, max(1, CHUNK_BYTES // each), progress)

        def from_memory(step: int) -> tuple[Tensor, ...]:
            positions = torch.tensor(sampler.positions(step))
            return tuple(pictures[positions] for pictures in cached)

        yield from_memory
        return

    with ThreadPoolExecutor(1, "pairs") as executor:
        most = max(1, min(READ_AHEAD, memory.share(READ_AHEAD_SHARE) // max(1, together * each)))
        ahead: deque[Future[tuple[Tensor, ...]]] = deque()
        unasked = iter(steps)

        def from_disk(step: int) -> tuple[Tensor, ...]:
            while len(ahead) <= most and (upcoming := next(unasked, None)) is not None:
                ahead.append(executor.submit(load, sampler.indices(upcoming)))
            if not ahead:  # all were given out: a rehearsal asks for one again
                ahead.append(executor.submit(load, sampler.indices(step)))
            return ahead.popleft().result()

        try:
            yield from_disk
        finally:
            executor.shutdown(cancel_futures=True)


def _load_all(
    load: Load, items: Sequence[int], first: tuple[Tensor, ...], chunk: int, progress: Progress
) -> tuple[Tensor, ...]:
    """Load all items into one tensor for each picture, `chunk` at a time; `first` is the first item."""
    whole = tuple(picture.new_empty((len(items), *picture.shape[1:])) for picture in first)
    with progress.task("load pictures", len(items), "pictures") as task:
        for start in range(0, len(items), chunk):
            some = items[start : start + chunk]
            for column, pictures in zip(whole, load(some), strict=True):
                column[start : start + len(some)] = pictures
            task.advance(len(some))
    return whole


def mirror_half(
    pictures: tuple[Tensor, ...], seed: int, step: int, stream: str = "flip", group: Group = ALONE
) -> tuple[Tensor, ...]:
    """Mirror left and right about half of the items, in all their pictures alike; chosen by (seed, stream, step)."""
    chosen = mirrored(len(pictures[0]), counter_generator(seed, stream, step), group)
    chosen = chosen.to(pictures[0].device, non_blocking=True)
    return tuple(torch.where(chosen, picture.flip(3), picture) for picture in pictures)


def mirrored(count: int, random: torch.Generator, group: Group = ALONE) -> Tensor:
    """Choose which of this process's `count` items of a batch are mirrored: booleans (count, 1, 1, 1)."""
    return group.part(torch.rand(count * group.world, generator=random) < 0.5)[:, None, None, None]


def jitter(
    pictures: tuple[Tensor, ...], size: int, seed: int, step: int, stream: str, group: Group = ALONE
) -> tuple[Tensor, ...]:
    """Enlarge pictures to `size` and crop them back at random places, all pictures of an item alike.

    pix2pix's random jitter (Isola et al., CVPR 2017, appendix 6.2), from 286 to 256 pixels there.

    Args:
        pictures: float (N, C, H, W) in [-1, 1], of one height and width.
        size: height and width to enlarge to, at least as large as they are.
        seed: with the step and the stream it decides the places.
        step: of the training.
        stream: a name, so that pairs and unpaired pictures are cut differently.
        group: the processes that train together; the places of the whole batch are drawn.
    """
    count, _, height, width = pictures[0].shape
    whole, random = (count * group.world,), counter_generator(seed, stream, step)
    tops = group.part(torch.randint(0, size - height + 1, whole, generator=random)).tolist()
    lefts = group.part(torch.randint(0, size - width + 1, whole, generator=random)).tolist()
    jittered = []
    for picture in pictures:
        large = functional.interpolate(picture, size=(size, size), mode="bicubic", align_corners=False).clamp(-1, 1)
        crops = [
            large[row, :, top : top + height, left : left + width]
            for row, (top, left) in enumerate(zip(tops, lefts, strict=True))
        ]
        jittered.append(torch.stack(crops))
    return tuple(jittered)


FLAT_ENDS = 0.3
"""Share of flat frames that are black or white."""
GRAINY, GRAIN = 0.3, 0.01
"""Share of flat frames that have a grain, and its standard deviation in [-1, 1]: what a camera shows of a wall."""


def flatten_some(
    pictures: tuple[Tensor, ...], share: float, seed: int, step: int, group: Group = ALONE
) -> tuple[Tensor, ...]:
    """Replace source and target of some pairs by one flat frame of a random colour, chosen by (seed, step).

    Args:
        pictures: source (N, C, H, W) and target (N, 3, H, W), float in [-1, 1]; of a source of several pictures the
            first is flattened like the target, the others each by a colour of their own.
        share: of the pairs that are replaced, in [0, 1).
        seed: with the step it decides which, and their colours.
        step: of the training.
        group: the processes that train together; the frames of the whole batch are drawn.
    """
    random, (source, target) = counter_generator(seed, "flat frames", step), pictures
    count, channels = len(source) * group.world, source.shape[1]
    chosen = torch.rand(count, 1, 1, 1, generator=random) < share
    colour = 2 * torch.rand(count, channels, 1, 1, generator=random) - 1
    ends = torch.rand(count, 1, 1, 1, generator=random)
    colour = torch.where(ends < FLAT_ENDS, torch.where(ends < FLAT_ENDS / 2, -1.0, 1.0), colour)
    grainy = chosen & (torch.rand(count, 1, 1, 1, generator=random) < GRAINY)
    frames = colour.expand(count, *source.shape[1:]).clone()
    for item in grainy.flatten().nonzero().flatten().tolist():  # few: whole batches of grain would cost more than they
        frames[item] += GRAIN * torch.randn(source.shape[1:], generator=random)
    frames = group.part(frames.clamp_(-1, 1)).to(source, non_blocking=True)
    chosen = group.part(chosen).to(source.device, non_blocking=True)
    return torch.where(chosen, frames, source), torch.where(chosen, frames[:, : target.shape[1]], target)


def to_network(image: Tensor, device: torch.device, memory_format: torch.memory_format, downscale: int = 1) -> Tensor:
    """Turn uint8 pictures (N, C, H, W) into float32 in [-1, 1] on the device, `downscale` times smaller by area."""
    image = from_levels(image.to(device, non_blocking=True))
    if downscale > 1:
        height, width = image.shape[2] // downscale, image.shape[3] // downscale
        image = functional.interpolate(image, size=(height, width), mode="area")
    return image.contiguous(memory_format=memory_format)


UNPAIRED_SEEDS = "unpaired"


@contextmanager
def open_batches(
    pairs: TrainingPairs,
    settings: TrainSection,
    seed: int,
    steps: range,
    device: torch.device,
    memory_format: torch.memory_format,
    progress: Progress,
    memory: MemoryBound | None = None,
) -> Iterator[Callable[[int, int], Batch]]:
    """Open the flow of batches: a function from (step, downscale) to the step's pictures.

    Raises:
        TrainingError: pictures cannot be jittered as the settings ask, or there are no targets to be flat.
    """
    unpaired, group = pairs.unpaired, training_group()
    with ExitStack() as stack:
        sampler = BatchSampler(pairs.train, settings.batch, seed, group)
        learns = pairs.learns_from_targets and pairs.teach is None
        check_flat_frames(settings, learns)
        load_pairs: Load = pairs.load_uint8 if learns else lambda some: pairs.load_uint8(some)[:1]
        feed = stack.enter_context(open_feed(load_pairs, pairs.train, sampler, steps, progress, memory, device))
        other = None
        if unpaired is not None:
            numbers = range(unpaired.count)
            own_seed = int(torch.randint(2**62, (), generator=counter_generator(seed, UNPAIRED_SEEDS, 0)))
            sampler = BatchSampler(numbers, settings.batch, own_seed, group)
            load = unpaired.load_uint8
            other = stack.enter_context(
                open_feed(lambda some: (load(some),), numbers, sampler, steps, progress, memory, device)
            )

        def batch(step: int, downscale: int) -> Batch:
            pictures = feed(step)
            real = None if other is None else other(step)
            if settings.flip:
                pictures = mirror_half(pictures, seed, step, group=group)
                real = None if real is None else mirror_half(real, seed, step, "flip unpaired", group)
            pictures = tuple(to_network(image, device, memory_format, downscale) for image in pictures)
            picture = None if real is None else to_network(real[0], device, memory_format, downscale)
            if settings.jitter is not None:
                _check_jitter(settings.jitter, pictures[0].shape[2])
                pictures = jitter(pictures, settings.jitter, seed, step, "jitter", group)
                if picture is not None:
                    (picture,) = jitter((picture,), settings.jitter, seed, step, "jitter unpaired", group)
            if settings.flat_frames:
                pictures = flatten_some(pictures, settings.flat_frames, seed, step, group)
            return Batch(pictures[0], pictures[1] if learns else None, picture)

        yield batch


def check_flat_frames(settings: TrainSection, has_targets: bool) -> None:
    """Make sure that there are stored targets where flat frames are to be among them.

    Raises:
        TrainingError: there are none.
    """
    if settings.flat_frames and not has_targets:
        raise TrainingError(
            "train.flat_frames replaces targets as well as sources, and this training has no stored targets: leave it "
            "out, or make the pairs beforehand (live = false)"
        )


def _check_jitter(size: int, pixels: int) -> None:
    if size < pixels:
        raise TrainingError(
            f"train.jitter enlarges pictures to {size} pixels before they are cropped, and they have {pixels} already: "
            f"choose a larger size (286 for pictures of 256 pixels, say) or leave it out"
        )
