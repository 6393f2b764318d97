from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from pair_store_examples import example_batch, quantised
from PIL import Image
from stored_pairs import digest, rows

from gdp.core.errors import PairStoreError, ShapeError
from gdp.core.pairs import PairBatch, PairRecord, PairStore, Verdict
from gdp.core.pairs.shards import member_header
from gdp.core.pictures import from_levels


@pytest.mark.parametrize("image_format", ["webp", "png"])
@pytest.mark.parametrize("channels", [3, 6])
def test_pairs_come_back_as_they_were_but_for_the_rounding_to_8_bits(
    tmp_path: Path, image_format: str, channels: int
) -> None:
    batch = example_batch(range(20), size=9, channels=channels)
    with PairStore.open(tmp_path / "pairs", image_format=image_format, shard_size=6) as store:
        store.append(batch)
    order = [13, 2, 19, 2]
    with PairStore.open(tmp_path / "pairs", read_only=True) as store:
        source, target = store.load_uint8(order)
        loaded, names = store.load(order), store.names(order)
    assert torch.equal(source, quantised(batch.source)[order])
    assert torch.equal(target, quantised(batch.target)[order])
    assert loaded.source.shape == (4, channels, 9, 9)
    assert torch.equal(loaded.source, from_levels(source))
    assert torch.equal(loaded.target, from_levels(target))
    assert loaded.source.dtype == torch.float32
    assert loaded.records == [batch.records[index] for index in order]
    assert names == [record.name for record in loaded.records]
    assert len(loaded) == 4


def test_other_tools_read_the_shards_with_webdataset_names(tmp_path: Path) -> None:
    batch = example_batch([3, 4, 12], channels=6)
    with PairStore.open(tmp_path, shard_size=10) as store:
        store.append(batch)
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == ["shard-000000.tar", "shard-000001.tar"]
    with tarfile.open(tmp_path / "shard-000000.tar") as shard:
        suffixes = ["source.webp", "source2.webp", "target.webp", "json"]
        assert shard.getnames() == [f"{index:09d}.{suffix}" for index in (3, 4) for suffix in suffixes]
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in shard.getmembers()} == {(0, 0, 0, "")}
        pictures = {
            name: numpy.asarray(Image.open(io.BytesIO(shard.extractfile(name).read())))
            for name in shard.getnames()
            if not name.endswith("json")
        }
        record = json.loads(shard.extractfile("000000004.json").read())
    pixels = quantised(batch.source)[1].permute(1, 2, 0).numpy()
    assert numpy.array_equal(pictures["000000004.source.webp"], pixels[..., :3])
    assert numpy.array_equal(pictures["000000004.source2.webp"], pixels[..., 3:])
    assert (record["index"], record["seed"], record["edit"]) == (4, 2**63 + 5, batch.records[1].edit)
    assert (tmp_path / "shard-000000.tar").read_bytes().endswith(bytes(1024))


@pytest.mark.parametrize("size", [0, 1, 512, 10**9])
def test_the_fast_header_is_the_standard_librarys(size: int) -> None:
    member = tarfile.TarInfo("000000012.source2.webp")
    member.size = size
    assert member_header(member.name, size) == member.tobuf(tarfile.USTAR_FORMAT)


def test_shards_are_whole_archives_while_the_store_is_still_being_written(tmp_path: Path) -> None:
    with PairStore.open(tmp_path) as store:
        for index in range(3):
            store.append(example_batch([index]))
            with tarfile.open(tmp_path / "shard-000000.tar") as shard:
                assert len(shard.getnames()) == 3 * (index + 1)
            with PairStore.open(tmp_path, read_only=True) as reader:
                assert reader.indices() == list(range(index + 1))


def test_bytes_do_not_depend_on_the_batches_nor_on_reopening(tmp_path: Path) -> None:
    with PairStore.open(tmp_path / "whole", shard_size=5) as store:
        store.append(example_batch(range(12)))
        whole = digest(store)
    for index in range(12):
        with PairStore.open(tmp_path / "single", shard_size=5) as store:
            store.append(example_batch([index]))
    with PairStore.open(tmp_path / "single", read_only=True) as store:
        assert digest(store) == whole
    for path in (tmp_path / "whole").glob("*.tar"):
        assert path.read_bytes() == (tmp_path / "single" / path.name).read_bytes()


def test_the_digest_tells_stores_apart(tmp_path: Path) -> None:
    batch = example_batch([0])
    variants = [
        batch,
        replace(batch, target=-batch.target),
        replace(batch, records=[replace(batch.records[0], edit={"direction": "smile"})]),
        replace(batch, records=[replace(batch.records[0], latent=bytes(32))]),
    ]
    digests = set()
    for number, variant in enumerate(variants):
        with PairStore.open(tmp_path / str(number)) as store:
            store.append(variant)
            digests.add(digest(store))
            store.set_split({0: "train"})
            digests.add(digest(store))
    assert len(digests) == 2 * len(variants)


def test_missing_pairs_are_those_after_the_last_of_each_shard(tmp_path: Path) -> None:
    with PairStore.open(tmp_path, shard_size=5) as store:
        assert store.missing(7) == list(range(7))
        store.append(example_batch([0, 2, 3, 5, 7]))
        assert store.missing(12) == [4, 8, 9, 10, 11]
        assert store.missing(3) == []
        assert (store.indices(), store.made(1, 6), len(store)) == ([0, 2, 3, 5, 7], [2, 3, 5], 5)


@pytest.mark.parametrize("indices", [[1, 0], [2, 2], [6], [7, 11], [-1], [10**9]])
def test_pairs_out_of_order_are_refused_and_nothing_is_written(tmp_path: Path, indices: list[int]) -> None:
    with PairStore.open(tmp_path, shard_size=5) as store:
        store.append(example_batch([3, 7, 12]))
        before = digest(store)
        with pytest.raises(PairStoreError, match="ascending"):
            store.append(replace(example_batch([20] * len(indices)), indices=indices, records=records(indices)))
        assert digest(store) == before


def records(indices: list[int]) -> list[PairRecord]:
    return [PairRecord(index, 7) for index in indices]


def test_a_picture_with_nan_is_refused(tmp_path: Path) -> None:
    batch = example_batch([0])
    batch.target[0, 1, 2, 3] = float("nan")
    with PairStore.open(tmp_path) as store, pytest.raises(PairStoreError, match="NaN"):
        store.append(batch)


@pytest.mark.parametrize("value", [float("nan"), torch.tensor(1.0), {1, 2}])
def test_a_record_that_is_no_json_is_refused(tmp_path: Path, value: object) -> None:
    batch = example_batch([4])
    batch = replace(batch, records=[replace(batch.records[0], extra={"value": value})])
    with PairStore.open(tmp_path) as store:
        with pytest.raises(PairStoreError, match="pair 4 cannot be written as JSON"):
            store.append(batch)
        assert len(store) == 0


def test_pictures_that_take_several_threads_come_back_in_order(tmp_path: Path) -> None:
    batch = example_batch(range(7), size=96)
    with PairStore.open(tmp_path, shard_size=3) as store:
        store.append(batch)
        order = numpy.random.default_rng(1).permutation(7)
        source, target = store.load_uint8(order)
        assert store.load(order).records == [batch.records[index] for index in order]
    assert torch.equal(source, quantised(batch.source)[order])
    assert torch.equal(target, quantised(batch.target)[order])


def test_readers_read_while_the_writer_writes(tmp_path: Path) -> None:
    done = threading.Event()

    def read() -> int:
        reads = 0
        with PairStore.open(tmp_path, read_only=True) as reader:
            while not done.is_set() or reads == 0:
                indices = reader.indices()
                assert indices == list(range(len(indices)))
                assert reader.load(indices[-3:]).records[-1].index == indices[-1]
                reads += 1
        return reads

    with PairStore.open(tmp_path, shard_size=10) as store, ThreadPoolExecutor(2) as pool:
        store.append(example_batch([0]))
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for index in range(1, 40):
                store.append(example_batch([index]))
                store.put_verdicts("key", {index: Verdict.keep()})
        finally:
            done.set()
        assert min(reader.result() for reader in readers) > 0


def test_asking_for_pairs_that_are_not_there_names_them(tmp_path: Path) -> None:
    with PairStore.open(tmp_path) as store:
        store.append(example_batch([0, 1]))
        with pytest.raises(PairStoreError, match="no pair 5"):
            store.load([0, 5])
        with pytest.raises(PairStoreError, match="no pair 9"):
            store.records([9])
        with pytest.raises(PairStoreError, match="no pair 9"):
            store.names([0, 9])
        with pytest.raises(PairStoreError, match="no pairs"):
            store.load([])


def test_pairs_of_several_sizes_are_kept_and_loaded_each_with_its_like(tmp_path: Path) -> None:
    with PairStore.open(tmp_path) as store:
        store.append(example_batch([0], size=4))
        store.append(example_batch([1], size=6))
        assert store.load([1]).source.shape == (1, 3, 6, 6)
        with pytest.raises(ShapeError):
            store.load([0, 1])


def test_an_empty_batch_changes_nothing(tmp_path: Path) -> None:
    empty = PairBatch([], torch.zeros(0, 3, 4, 4), torch.zeros(0, 3, 4, 4), [])
    with PairStore.open(tmp_path) as store:
        store.append(empty)
        assert (len(store), store.indices(), rows(store)) == (0, [], [])


def test_a_store_keeps_the_settings_that_it_was_created_with(tmp_path: Path) -> None:
    PairStore.open(tmp_path, image_format="png", shard_size=7).close()
    with PairStore.open(tmp_path) as store:
        assert (store.settings.image_format, store.settings.shard_size) == ("png", 7)
    with pytest.raises(PairStoreError, match="created with png"):
        PairStore.open(tmp_path, image_format="webp")
    with pytest.raises(PairStoreError, match="7 pairs a shard"):
        PairStore.open(tmp_path, shard_size=8)


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(PairStoreError, match="no pair store"):
        PairStore.open(tmp_path / "absent", read_only=True)
    assert not (tmp_path / "absent").exists()
    with PairStore.open(tmp_path) as store:
        store.append(example_batch([0]))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with PairStore.open(tmp_path, read_only=True) as store:
        for write in (
            lambda: store.append(example_batch([1])),
            lambda: store.put_verdicts("key", {}),
            lambda: store.put_scores("key", {}),
            lambda: store.set_split({}),
        ):
            with pytest.raises(PairStoreError, match="reading only"):
                write()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_store_in_a_folder_without_write_permission_can_be_read(tmp_path: Path) -> None:
    with PairStore.open(tmp_path / "pairs") as store:
        store.append(example_batch([0]))
    (tmp_path / "pairs").chmod(0o555)
    try:
        with PairStore.open(tmp_path / "pairs", read_only=True) as store:
            assert len(store.load([0])) == 1
    finally:
        (tmp_path / "pairs").chmod(0o755)
