from __future__ import annotations

import random
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from forked import processes

from gdp.core.pairs import PairBatch, PairRecord, PairStore, Verdict
from gdp.support.measuring import peak_bytes

pytestmark = pytest.mark.process

MEGABYTES_A_PAIR = 60 / 100_000
"""Of what a process may hold more for more pairs."""


def write(folder: Path, count: int) -> float:
    pictures = torch.rand(2000, 3, 4, 4) * 2 - 1
    began = time.perf_counter()
    with PairStore.open(folder, image_format="png") as store:
        for start in range(0, count, 2000):
            indices = list(range(start, min(start + 2000, count)))
            records = [PairRecord(index, 7, {"direction": "age", "strength": 2.0}, "ab" * 32) for index in indices]
            store.append(PairBatch(indices, pictures[: len(indices)], -pictures[: len(indices)], records))
    return time.perf_counter() - began


def read(folder: Path, count: int) -> dict[str, float]:
    chance = random.Random(1)
    began = time.perf_counter()
    with PairStore.open(folder, read_only=True) as store:
        assert len(store) == count
        opened = time.perf_counter() - began
        # The median and the best, for other work on the machine slows some of the reads.
        single = statistics.median(seconds_to_load(store, [index]) for index in chance.sample(range(count), 300))
        batch = min(seconds_to_load(store, chance.sample(range(count), 100)) for _ in range(20))
    return {"open": opened, "single": single, "batch": batch}


def seconds_to_load(store: PairStore, indices: list[int]) -> float:
    began = time.perf_counter()
    assert [record.index for record in store.load(indices).records] == indices
    return time.perf_counter() - began


def judge(folder: Path, count: int) -> None:
    with PairStore.open(folder) as store:
        for start in range(0, count, 10_000):
            indices = range(start, start + 10_000)
            store.put_verdicts("key", {index: Verdict.keep_if(index % 7 > 0, sharpness=index / 3) for index in indices})
        kept = [index for index, verdict in store.iterate_verdicts("key") if verdict.decision == "keep"]
        assert kept == [index for index in range(count) if index % 7 > 0]
        store.set_split(dict.fromkeys(kept, "train"))
        assert store.split("train") == kept
        assert store.missing(count + 2) == [count, count + 1]


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    peak = peak_bytes()
    assert peak is not None
    return peak / 2**20


def measure(folder: Path, count: int, results: Connection) -> None:
    torch.set_num_threads(1)
    write(folder / "small", 2000)
    measured = {f"small_{name}": value for name, value in read(folder / "small", 2000).items()}
    base = peak_memory()
    measured["write"] = write(folder / "large", count)
    measured["write_memory"] = peak_memory() - base
    measured |= read(folder / "large", count)
    measured["read_memory"] = peak_memory() - base
    judge(folder / "large", count)
    measured["judge_memory"] = peak_memory() - base
    results.send(measured)


@pytest.mark.parametrize("count", [30_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_tens_of_thousands_of_pairs_open_at_once_and_read_at_random_in_little_memory(
    tmp_path: Path, count: int
) -> None:
    results, inside = processes.Pipe(duplex=False)
    process = processes.Process(target=measure, args=(tmp_path, count, inside))
    process.start()
    inside.close()
    measured = results.recv()
    process.join()
    print({name: round(value, 5) for name, value in measured.items()})
    assert measured["open"] < measured["write"] / 200
    assert measured["single"] < 5 * measured["small_single"]
    assert measured["batch"] < 5 * measured["small_batch"]
    assert measured["write_memory"] < count * MEGABYTES_A_PAIR
    assert measured["judge_memory"] < count * MEGABYTES_A_PAIR
