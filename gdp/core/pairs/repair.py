"""Pairs that were damaged from outside are forgotten, to be made again; a lost manifest is made from the shards."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gdp.core.errors import CorruptFileError, RunFolderError, readable_os_errors
from gdp.core.pairs.integrity import MANIFEST_NAME, new_manifest, open_manifest, open_settings
from gdp.core.pairs.layout import (
    ImageFormat,
    StoredPair,
    canonical_json,
    damaged_pair,
    decode,
    describe_record,
    read_pair,
    record_of,
)
from gdp.core.pairs.manifest import TABLES, Manifest, ShardState
from gdp.core.pairs.records import PairRecord
from gdp.core.pairs.shards import end_shard_at, member_header, padding, shard_files, shard_path
from gdp.core.progress import Progress, SilentProgress

_NOBODY = SilentProgress()


class Damage(NamedTuple):
    """A pair that cannot be read as it was stored."""

    pair_index: int
    shard: int
    message: str


def find_damage(folder: Path, progress: Progress = _NOBODY) -> list[Damage]:
    """Read every pair of a store and return those that are not as they were stored, in index order.

    Raises:
        CorruptFileError: the manifest itself is damaged.
    """
    manifest = open_manifest(folder, read_only=True)
    try:
        settings = manifest.settings()
        return [] if settings is None else list(_damaged(folder, manifest, settings.image_format, progress))
    finally:
        manifest.database.close()


def repair_pairs(folder: Path, progress: Progress = _NOBODY) -> list[int]:
    """Forget the pairs of a damaged store that cannot be read, and those after them in their shards.

    The pairs can then be made again and appended; verdicts, scores and splits stay, for they will hold again.

    Returns:
        The numbers of the pairs that were forgotten, ascending.

    Raises:
        CorruptFileError: the manifest itself is damaged.
    """
    manifest = open_manifest(folder, read_only=False)
    try:
        settings = manifest.settings()
        if settings is None:
            return []
        first_damaged: dict[int, int] = {}
        for damage in _damaged(folder, manifest, settings.image_format, progress):
            first_damaged.setdefault(damage.shard, damage.pair_index)
        forgotten = [_forget_from(folder, manifest, first, settings.shard_size) for first in first_damaged.values()]
        return sorted(index for indices in forgotten for index in indices)
    finally:
        manifest.database.close()


def _damaged(folder: Path, manifest: Manifest, image_format: ImageFormat, progress: Progress) -> Iterator[Damage]:
    """Read every pair, in index order, and yield those whose members are not what was stored."""
    count = sum(state.pairs for state in manifest.shards().values())
    with progress.task("looking at pairs", count, "pairs") as task:
        for stored_pairs, records in manifest.pages():
            for stored, record in zip(stored_pairs, records, strict=True):
                path = shard_path(folder, stored.shard)
                try:
                    _check_members(path, stored, record, image_format)
                    read_pair(path, stored)
                except CorruptFileError as error:
                    yield Damage(stored.pair_index, stored.shard, str(error))
                task.advance()


def _check_members(path: Path, stored: StoredPair, record: PairRecord, image_format: ImageFormat) -> None:
    """Compare the names and sizes of a pair's members, and its record, with the manifest.

    Raises:
        CorruptFileError: they differ.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(stored.start)
            data = file.read(stored.end - stored.start)
    except OSError as error:
        raise damaged_pair(path, stored.pair_index, str(error)) from error
    members = stored.members(image_format)
    for name, offset, size in members:
        header = member_header(name, size)
        if data[offset - stored.start - len(header) : offset - stored.start] != header:
            raise damaged_pair(path, stored.pair_index, f"there is no member {name} of {size} bytes at byte {offset}")
        filling, end = padding(size), offset - stored.start + size
        if data[end : end + len(filling)] != filling:
            raise damaged_pair(path, stored.pair_index, f"what fills the last block of {name} was changed")
    description = canonical_json(describe_record(record, stored.source_sha256, stored.target_sha256)).encode()
    if data[stored.record_offset - stored.start :][: stored.record_size] != description:
        raise damaged_pair(path, stored.pair_index, f"{members[-1][0]} is not the record that was stored")


def _forget_from(folder: Path, manifest: Manifest, first: int, shard_size: int) -> list[int]:
    """Forget a pair and those after it in its shard, so that they can be appended again in order."""
    shard = first // shard_size
    indices = manifest.indices(first, manifest.shards()[shard].last_index + 1)
    [start] = [stored.start for stored in manifest.stored([first])]
    kept = manifest.indices(shard * shard_size, first)
    manifest.forget(indices, {shard: ShardState(len(kept), kept[-1] if kept else -1, start)})
    end_shard_at(shard_path(folder, shard), start)
    return indices


def mend_store(folder: Path, progress: Progress = _NOBODY) -> None:
    """Bring a store of which something was lost into a state that its missing pairs can be appended to.

    Of a manifest in which only what is said of pairs was damaged, that is forgotten. One that is lost or damaged
    otherwise is made from the shards, so that no pair is made (or paid for) twice; verdicts are lost with it. Pairs
    that cannot be read are forgotten.

    Args:
        folder: of the store; there may be none.
        progress: shows how many pairs were looked at.

    Raises:
        PairStoreError: a newer gdp wrote it.
    """
    if not folder.is_dir():
        return
    if not is_manifest_whole(folder) and not _without_damaged_judgements(folder):
        with readable_os_errors(folder):
            for file in folder.glob(f"{MANIFEST_NAME}*"):
                file.unlink()
        _read_manifest_from_shards(folder)
    repair_pairs(folder, progress)


def _without_damaged_judgements(folder: Path) -> bool:
    """Forget what is said of pairs where it was damaged; return whether the manifest is whole then."""
    with suppress(CorruptFileError, RunFolderError):
        manifest = open_manifest(folder, read_only=False)
        try:
            manifest.forget_damaged_judgements()
        finally:
            manifest.database.close()
        return is_manifest_whole(folder)
    return False


def is_manifest_whole(folder: Path) -> bool:
    """Say whether a store's manifest is there, passes SQLite's own check, and every row is what was written.

    Raises:
        PairStoreError: a newer gdp wrote it.
    """
    if not (folder / MANIFEST_NAME).is_file():
        return False
    try:
        manifest = open_manifest(folder, read_only=True)
    except (CorruptFileError, RunFolderError):
        return False
    try:
        if manifest.settings() is None or manifest.database.rows("PRAGMA integrity_check") != [("ok",)]:
            return False
        return not any(manifest.damaged_rows(table) for table in TABLES)
    except (CorruptFileError, RunFolderError):
        return False
    finally:
        manifest.database.close()


def _first_member(path: Path) -> tuple[int, ImageFormat]:
    """Return the number of a shard's first pair and the format of its pictures, by its first member's name."""
    with path.open("rb") as file:
        number, _, kind = file.read(100).rstrip(b"\0").partition(b".")
    return int(number) if number.isdigit() else 0, "png" if kind == b"source.png" else "webp"


def _read_manifest_from_shards(folder: Path) -> None:
    shards = sorted(shard_files(folder))
    if not shards:
        return
    image_format = _first_member(shards[0][1])[1]
    firsts = [_first_member(path)[0] // shard for shard, path in shards if shard]
    shard_size = min(filter(None, firsts), default=None)
    manifest = Manifest(folder, new_manifest(folder))
    try:
        open_settings(folder, manifest, read_only=False, image_format=image_format, shard_size=shard_size)
        for shard, path in shards:
            pairs = list(_pairs_of_shard(shard, path, image_format))
            if pairs:
                last = pairs[-1][0]
                manifest.add(pairs, {shard: ShardState(len(pairs), last.pair_index, last.end)})
            end_shard_at(path, pairs[-1][0].end if pairs else 0)
    finally:
        manifest.database.close()


def _pairs_of_shard(shard: int, path: Path, image_format: ImageFormat) -> Iterator[tuple[StoredPair, PairRecord]]:
    """Yield the pairs that a shard holds, up to the first one that is not whole."""
    members: dict[str, tuple[int, int]] = {}
    end = 0
    try:
        with tarfile.open(path) as archive, path.open("rb") as file:
            for member in archive:
                index, _, kind = member.name.partition(".")
                members[kind] = (member.offset_data, member.size)
                if kind != "json":
                    continue
                pair = _pair_of_members(int(index), shard, members, file, image_format)
                if pair[0].start != end:
                    return
                _check_members(path, *pair, image_format)
                read_pair(path, pair[0])
                yield pair
                members, end = {}, pair[0].end
    except (tarfile.TarError, OSError, KeyError, ValueError, TypeError, CorruptFileError):
        return  # what follows is made again


def _pair_of_members(
    index: int, shard: int, members: dict[str, tuple[int, int]], file: BinaryIO, image_format: ImageFormat
) -> tuple[StoredPair, PairRecord]:
    source, target, record = (members[name] for name in (f"source.{image_format}", f"target.{image_format}", "json"))
    second: tuple[int | None, int | None] = members.get(f"source2.{image_format}", (None, None))

    def content(place: tuple[int, int]) -> bytes:
        file.seek(place[0])
        return file.read(place[1])

    data = json.loads(content(record))
    hashes = [bytes.fromhex(data[f"{side}_sha256"]) for side in ("source", "target")]
    height, width, _ = decode(content(target)).shape
    places = source[0], source[1], second[0], second[1], target[0], target[1], record[0], record[1]
    stored = StoredPair(index, shard, height, width, *places, hashes[0], hashes[1])
    return stored, record_of({**data, "index": index})
