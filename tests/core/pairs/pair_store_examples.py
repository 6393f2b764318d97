"""Pairs for the tests of the store, and the process that the kill tests kill."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy
import torch

from gdp.core.pairs import PairBatch, PairRecord, PairStore, Verdict

FILTER = "brightness-1a2b"
ASSESSMENT = "face-scores-3c4d"


def example_batch(indices: Sequence[int], *, size: int = 8, channels: int = 3) -> PairBatch:
    """Make pairs that depend on their index alone."""
    sources, targets, records = [], [], []
    for index in indices:
        generator = torch.Generator().manual_seed(index)
        sources.append(torch.rand(channels, size, size, generator=generator) * 2 - 1)
        targets.append(torch.rand(3, size, size, generator=generator) * 2 - 1)
        latent, shape = PairRecord.pack_latent(torch.randn(2, 4, generator=generator))
        edit = {"direction": "age", "strength": 2.0, "layers": [0, 7]}
        records.append(PairRecord(index, 2**63 + 5, edit, "ab" * 32, latent, shape, f"face {index}.png", {"psi": 0.7}))
    return PairBatch(list(indices), torch.stack(sources), torch.stack(targets), records)


def quantised(images: torch.Tensor) -> torch.Tensor:
    """The 8-bit form that the store promises to keep, in float32 as the pictures are."""
    levels = numpy.rint((images.numpy() + numpy.float32(1)) * numpy.float32(127.5))
    return torch.from_numpy(levels.clip(0, 255).astype(numpy.uint8))


COUNT, BATCH = 150, 7


def fill(folder: Path) -> None:
    """What a run does with the store: make what is missing, score and judge it, split it. Resumes itself."""
    with PairStore.open(folder, shard_size=40) as store:
        missing = [index for index in store.missing(COUNT) if index % 11 != 3]  # some pairs cannot be made
        for start in range(0, len(missing), BATCH):
            store.append(example_batch(missing[start : start + BATCH]))
        unscored = sorted(set(store.indices()) - set(store.scores(ASSESSMENT)))
        for start in range(0, len(unscored), BATCH):
            scores = {index: {"age": index / 3} for index in unscored[start : start + BATCH]}
            store.put_scores(ASSESSMENT, scores)
        unjudged = sorted(set(store.indices()) - set(store.verdicts(FILTER)))
        for start in range(0, len(unjudged), BATCH):
            some = unjudged[start : start + BATCH]
            verdicts = {i: Verdict.keep_if(i % 5 > 0, reason="too dark", luminance=i / 150) for i in some}
            store.put_verdicts(FILTER, verdicts)
        kept = [index for index, verdict in store.iterate_verdicts(FILTER) if verdict.decision == "keep"]
        store.set_split({index: "held_out" if index % 10 == 0 else "train" for index in kept})


def fill_in_process(folder: Path, killed_at_sync: int | None, ready: Connection) -> None:
    """Say that the imports are done, then fill; die before the n-th time that the disk is waited for."""
    torch.set_num_threads(1)
    sync, count = os.fsync, 0

    def counting_sync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == killed_at_sync:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = counting_sync
    ready.send("ready")
    fill(folder)
