"""`gdp pairs RUN --repair`: pairs that were damaged from outside are forgotten, so that they are made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gdp.core.errors import CorruptFileError, RunFolderError
from gdp.core.pairs.integrity import open_manifest
from gdp.core.pairs.layout import ImageFormat, StoredPair, canonical_json, damaged_pair, describe_record, read_pair
from gdp.core.pairs.manifest import Manifest, ShardState
from gdp.core.pairs.records import PairRecord
from gdp.core.pairs.shards import end_shard_at, member_header, shard_path
from gdp.core.run.opening import recorded_keys
from gdp.core.run.session import Session


class Damage(NamedTuple):
    """A pair that cannot be read as it was stored."""

    pair_index: int
    shard: int
    message: str


def find_damage(folder: Path) -> list[Damage]:
    """Read every pair of a store and return those that are not as they were stored, in index order.

    Raises:
        CorruptFileError: the manifest itself is damaged.
    """
    manifest = open_manifest(folder, read_only=True)
    try:
        settings = manifest.settings()
        return [] if settings is None else list(_damaged(folder, manifest, settings.image_format))
    finally:
        manifest.database.close()


def repair_run(session: Session) -> list[int]:
    """Repair the pair store that a run wrote down last, under the folder's lock; return what `repair_pairs` does.

    Raises:
        RunLockedError: another process works in the run.
        RunFolderError: the run has no pairs.
        CorruptFileError: the manifest itself is damaged.
    """
    with session.folder.locked():
        session.keys = recorded_keys(session.folder)
        if "store" not in session.keys or not session.store_folder.is_dir():
            raise RunFolderError(f"{session.folder.path}: the run has no pairs yet; gdp run makes them.")
        return repair_pairs(session.store_folder)


def repair_pairs(folder: Path) -> list[int]:
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
        for damage in _damaged(folder, manifest, settings.image_format):
            first_damaged.setdefault(damage.shard, damage.pair_index)
        forgotten = [_forget_from(folder, manifest, first, settings.shard_size) for first in first_damaged.values()]
        return sorted(index for indices in forgotten for index in indices)
    finally:
        manifest.database.close()


def _damaged(folder: Path, manifest: Manifest, image_format: ImageFormat) -> Iterator[Damage]:
    """Read every pair, in index order, and yield those whose members are not what was stored."""
    for stored_pairs, records in manifest.pages():
        for stored, record in zip(stored_pairs, records, strict=True):
            path = shard_path(folder, stored.shard)
            try:
                _check_members(path, stored, record, image_format)
                read_pair(path, stored)
            except CorruptFileError as error:
                yield Damage(stored.pair_index, stored.shard, str(error))


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
