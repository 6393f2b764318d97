from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pair_store_examples import example_batch
from stored_pairs import digest, rows, verify

from gdp.core.errors import CorruptFileError, DiskFullError, PairStoreError, RunFolderError, RunLockedError
from gdp.core.pairs import PairStore, Verdict, integrity
from gdp.core.pairs.manifest import TABLES
from gdp.core.pairs.repair import find_damage, is_manifest_whole, mend_store, repair_pairs
from gdp.core.pairs.shards import BLOCK


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with PairStore.open(tmp_path / "pairs", shard_size=5) as store:
        store.append(example_batch(range(12)))
        store.put_verdicts("key", {index: Verdict.keep() for index in range(12)})
    return tmp_path / "pairs"


def flip_byte(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def place(folder: Path, index: int) -> dict:
    with PairStore.open(folder, read_only=True) as store:
        return rows(store)[index]


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("cut", ["half", "all"])
def test_a_truncated_shard_is_named_with_what_to_do(folder: Path, read_only: bool, cut: str) -> None:
    shard = folder / "shard-000001.tar"
    if cut == "half":
        os.truncate(shard, shard.stat().st_size // 2)
    else:
        shard.unlink()
    with pytest.raises(CorruptFileError, match=r"shard-000001\.tar.*gdp pairs .* --repair"):
        PairStore.open(folder, read_only=read_only)


@pytest.mark.parametrize("field", ["source_offset", "target_offset", "record_offset"])
@pytest.mark.parametrize("part", ["content", "header"])
def test_verify_finds_a_flipped_byte_in_every_member(folder: Path, field: str, part: str) -> None:
    row = place(folder, 7)
    flip_byte(folder / "shard-000001.tar", row[field] + (20 if part == "content" else -500))
    with PairStore.open(folder, read_only=True) as store:
        assert [(damage.pair_index, damage.shard) for damage in find_damage(folder)] == [(7, 1)]
        with pytest.raises(CorruptFileError, match=r"shard-000001\.tar: pair 7 is damaged"):
            verify(store)
        assert len(store.load([0, 6, 8, 11])) == 4


@pytest.mark.parametrize("following", ["target_offset", "record_offset"])
def test_verify_finds_a_flipped_byte_between_members(folder: Path, following: str) -> None:
    flip_byte(folder / "shard-000001.tar", place(folder, 7)[following] - BLOCK - 1)
    assert [damage.message for damage in find_damage(folder) if "fills the last block" in damage.message]


def test_loading_a_pair_whose_pixels_changed_fails_rather_than_training_on_them(folder: Path) -> None:
    row = place(folder, 7)
    flip_byte(folder / "shard-000001.tar", row["target_offset"] + row["target_size"] - 4)
    with PairStore.open(folder, read_only=True) as store, pytest.raises(CorruptFileError, match="pair 7"):
        store.load([6, 7])


def test_a_whole_store_passes_verification(folder: Path) -> None:
    with PairStore.open(folder, read_only=True) as store:
        verify(store)


@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_repair_forgets_what_is_lost_and_remaking_it_restores_the_store_bit_for_bit(folder: Path, damage: str) -> None:
    with PairStore.open(folder, read_only=True) as store:
        whole = digest(store)
    shard, row = folder / "shard-000001.tar", place(folder, 7)
    if damage == "flip":
        flip_byte(shard, row["target_offset"] + 30)
    elif damage == "cut":
        os.truncate(shard, row["target_offset"] + 30)
    else:
        shard.unlink()
    lost = [5, 6, 7, 8, 9] if damage == "missing" else [7, 8, 9]
    assert repair_pairs(folder) == lost
    with PairStore.open(folder) as store:
        assert store.missing(12) == lost
        assert set(store.verdicts("key")) >= set(store.indices())
        verify(store)
        store.append(example_batch(lost))
        assert digest(store) == whole
    assert repair_pairs(folder) == []


def test_a_corrupt_manifest_is_named_with_what_to_do(folder: Path) -> None:
    path = folder / "manifest.sqlite"
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(CorruptFileError, match=r"manifest\.sqlite.*Restore it from a copy"):
        PairStore.open(folder)


def test_a_manifest_damaged_in_the_middle_never_ends_in_a_traceback(folder: Path) -> None:
    path = folder / "manifest.sqlite"
    data = path.read_bytes()
    found = 0
    for page in range(1, len(data) // 4096):
        path.write_bytes(data[: page * 4096] + b"\xa5" * 4096 + data[(page + 1) * 4096 :])
        try:
            with PairStore.open(folder) as store:
                verify(store)
        except CorruptFileError:
            found += 1
    assert found == len(data) // 4096 - 1


def test_shards_without_their_manifest_are_not_deleted(folder: Path) -> None:
    (folder / "manifest.sqlite").unlink()
    before = {path.name: path.read_bytes() for path in folder.glob("*.tar")}
    with pytest.raises(CorruptFileError, match="manifest is missing"):
        PairStore.open(folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*.tar")} == before


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "manifest.sqlite") as connection:
        connection.execute("CREATE TABLE cats (name)")
    connection.close()
    with pytest.raises(CorruptFileError, match="cats"):
        PairStore.open(tmp_path)


def test_a_store_of_a_newer_gdp_is_refused_and_left_alone(folder: Path) -> None:
    connection = sqlite3.connect(folder / "manifest.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (folder / "manifest.sqlite").read_bytes()
    for read_only in (True, False):
        with pytest.raises(PairStoreError, match="newer gdp"):
            PairStore.open(folder, read_only=read_only)
    assert (folder / "manifest.sqlite").read_bytes() == before


def test_a_locked_manifest_says_that_another_process_holds_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "WAIT_FOR_OTHERS", 0.1)
    other = sqlite3.connect(folder / "manifest.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(RunLockedError, match="another process"):
            PairStore.open(folder)
    finally:
        other.close()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="file"):
        PairStore.open(tmp_path / "file" / "pairs")


def test_a_file_size_limit_leaves_the_store_good_for_everything_before(folder: Path) -> None:
    with PairStore.open(folder, read_only=True) as store:
        before = digest(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with PairStore.open(folder) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "shard-000002.tar").stat().st_size + 700, hard))
        try:
            with pytest.raises(DiskFullError, match="intact"):
                store.append(example_batch([13, 14]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert digest(store) == before
        store.append(example_batch([13, 14]))
        verify(store)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("mounting a small tmpfs needs the mount command")
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs the right to mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.process
def test_a_full_disk_stops_an_append_at_any_byte_without_harm(small_disk: Path, tmp_path: Path) -> None:
    """Leave a little more room each time, so that the shard, the journal and the manifest are hit in turn."""
    steps = [range(start, start + 5) for start in range(0, 20, 5)]
    with PairStore.open(tmp_path / "unbroken", shard_size=10) as store:
        for indices in steps:
            store.append(example_batch(indices, size=16))
        whole = digest(store)
    filler, stops = small_disk / "filler", 0
    with PairStore.open(small_disk / "pairs", shard_size=10) as store:
        for number, indices in enumerate(steps):
            made = list(range(5 * number))
            for pages in range(40):
                free = shutil.disk_usage(small_disk).free
                filler.write_bytes(bytes(max(0, free - 4096 * pages)))
                try:
                    store.append(example_batch(indices, size=16))
                    filler.unlink()
                    break
                except DiskFullError:
                    stops += 1
                    with PairStore.open(small_disk / "pairs", read_only=True) as reader:
                        assert reader.indices() == made
                        verify(reader)
                    filler.unlink()
        assert digest(store) == whole
    assert stops >= 2 * len(steps)


@pytest.mark.process
def test_a_verdict_that_finds_the_disk_full_is_not_half_stored(small_disk: Path) -> None:
    with PairStore.open(small_disk / "pairs") as store:
        store.append(example_batch(range(3)))
        (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
        verdicts = {index: Verdict.keep(comment="x" * 50) for index in range(2000)}
        with pytest.raises(DiskFullError, match=r"manifest\.sqlite"):
            store.put_verdicts("key", verdicts)
        assert store.verdicts("key") == {}
        (small_disk / "filler").unlink()
        store.put_verdicts("key", verdicts)
        assert len(store.verdicts("key")) == 2000


def complete(folder: Path) -> None:
    """Do what a run does: make, measure and judge what is missing, and split."""
    with PairStore.open(folder, shard_size=5) as store:
        if missing := store.missing(12):
            store.append(example_batch(missing))
        if unscored := set(range(12)) - set(store.scores("scores")):
            store.put_scores("scores", {index: {"age": index / 3, "word": "x" * 20} for index in unscored})
        if unjudged := set(range(12)) - set(store.verdicts("key")):
            store.put_verdicts("key", {index: Verdict.keep() for index in unjudged})
        if not store.split("train"):
            store.set_split({index: "train" if index % 3 else "held_out" for index in range(12)})


def all_that_is_read(folder: Path) -> object:
    with PairStore.open(folder, read_only=True) as store:
        indices = store.indices()
        pictures = [part.numpy().tobytes() for part in store.load_uint8(indices)]
        said = store.verdicts("key"), store.scores("scores"), store.split("train"), store.split("held_out")
        return indices, store.missing(15), len(store), store.records(indices), store.names(indices), pictures, said


@pytest.mark.parametrize("flips", [60, pytest.param(4000, marks=pytest.mark.soak)])
def test_a_bit_that_flips_in_the_manifest_is_told_or_changes_nothing_and_is_mended(
    folder: Path, tmp_path: Path, flips: int
) -> None:
    complete(folder)
    whole, content = all_that_is_read(folder), (folder / "manifest.sqlite").read_bytes()
    with PairStore.open(folder, read_only=True) as store:
        whole_rows = rows(store)
    chance = random.Random(5)
    header = chance.sample(range(800), min(800, flips // 5))  # of SQLite's first 100 bytes
    told = 0
    for bit in [*header, *(chance.randrange(8 * len(content)) for _ in range(flips - len(header)))]:
        broken = tmp_path / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(folder, broken)
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (broken / "manifest.sqlite").write_bytes(flipped)
        try:
            is_whole = is_manifest_whole(broken)
        except PairStoreError as error:
            assert "newer gdp" in str(error), bit
            continue
        if is_whole:
            assert all_that_is_read(broken) == whole, bit
        else:
            told += 1
            with suppress(CorruptFileError, RunFolderError):
                all_that_is_read(broken)
        mend_store(broken)
        complete(broken)
        with PairStore.open(broken, read_only=True) as store:
            assert rows(store) == whole_rows, bit
    assert told > flips // 10


def test_a_store_of_an_older_gdp_is_read_as_it_is_and_gets_checksums_from_who_writes(folder: Path) -> None:
    complete(folder)
    whole = all_that_is_read(folder)
    with PairStore.open(folder, read_only=True) as store:
        whole_rows = rows(store)
    with closing(sqlite3.connect(folder / "manifest.sqlite")) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        connection.execute("PRAGMA user_version = 1")
    assert is_manifest_whole(folder)
    assert all_that_is_read(folder) == whole
    PairStore.open(folder).close()
    assert all_that_is_read(folder) == whole
    with PairStore.open(folder, read_only=True) as store:
        assert rows(store) == whole_rows, "checksums and all"
