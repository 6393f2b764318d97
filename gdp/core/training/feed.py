"""The pictures of each step of a student's training: drawn, mirrored, jittered, brought to the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch

from gdp.core.errors import TrainingError
from gdp.core.progress import Progress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training.pairs import Load, TrainingPairs, jitter, mirror_half, open_feed, to_network
from gdp.core.training.sampler import BatchSampler, counter_generator
from gdp.core.training.ways import Batch

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
) -> Iterator[Callable[[int, int], Batch]]:
    """Open the flow of batches: a function from (step, downscale) to the step's pictures.

    Raises:
        TrainingError: pictures cannot be jittered as the settings ask.
    """
    unpaired = pairs.unpaired
    with ExitStack() as stack:
        sampler = BatchSampler(pairs.train, settings.batch, seed)
        learns = pairs.learns_from_targets and pairs.teach is None
        load_pairs: Load = pairs.load_uint8 if learns else lambda some: pairs.load_uint8(some)[:1]
        feed = stack.enter_context(open_feed(load_pairs, pairs.train, sampler, steps, progress))
        other = None
        if unpaired is not None:
            numbers = range(unpaired.count)
            own_seed = int(torch.randint(2**62, (), generator=counter_generator(seed, UNPAIRED_SEEDS, 0)))
            sampler = BatchSampler(numbers, settings.batch, own_seed)
            load = unpaired.load_uint8
            other = stack.enter_context(open_feed(lambda some: (load(some),), numbers, sampler, steps, progress))

        def batch(step: int, downscale: int) -> Batch:
            pictures = feed(step)
            real = None if other is None else other(step)
            if settings.flip:
                pictures = mirror_half(pictures, seed, step)
                real = None if real is None else mirror_half(real, seed, step, "flip unpaired")
            pictures = tuple(to_network(image, device, memory_format, downscale) for image in pictures)
            picture = None if real is None else to_network(real[0], device, memory_format, downscale)
            if settings.jitter is not None:
                _check_jitter(settings.jitter, pictures[0].shape[2])
                pictures = jitter(pictures, settings.jitter, seed, step, "jitter")
                if picture is not None:
                    (picture,) = jitter((picture,), settings.jitter, seed, step, "jitter unpaired")
            return Batch(pictures[0], pictures[1] if learns else None, picture)

        yield batch


def _check_jitter(size: int, pixels: int) -> None:
    if size < pixels:
        raise TrainingError(
            f"train.jitter enlarges pictures to {size} pixels before they are cropped, and they have {pixels} already: "
            f"choose a larger size (286 for pictures of 256 pixels, say) or leave it out"
        )
