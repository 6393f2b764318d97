"""Opening a pair store in any state that a kill may leave, and finding and forgetting what was damaged from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gdp.core.database import Database, SqliteTexts
from gdp.core.errors import CorruptFileError, PairStoreError, readable_os_errors
from gdp.core.pairs.layout import ImageFormat, StoredPair, canonical_json, damaged_pair, describe_record, read_pair
from gdp.core.pairs.manifest import Manifest, ShardState, StoreSettings
from gdp.core.pairs.records import PairRecord
from gdp.core.pairs.shards import check_shard_reaches, end_shard_at, member_header, shard_files, shard_path

MANIFEST_NAME = "manifest.sqlite"
WAIT_FOR_OTHERS = 30.0
"""Seconds that a commit or a read waits for another process's commit or read."""

_TEXTS = SqliteTexts(
    full="{path}: no space left to write ({error}). Everything committed before is intact: free some space and run the "
    "same command again to go on.",
    damaged="{path}: the manifest of the pair store is damaged ({error}). Restore it from a copy, or move its folder "
    "away: the same command then makes the pairs again, and judges them again.",
    held="{path}: another process has held the pair store's manifest for "
    f"{WAIT_FOR_OTHERS:.0f} seconds ({{error}}). Wait until it is done, then run the same command again.",
    unusable="{path}: the manifest of the pair store cannot be used ({error}). Check that the folder exists, that you "
    "may write to it, and that the disk is healthy.",
)


def open_manifest(folder: Path, *, read_only: bool) -> Manifest:
    """Open the manifest of the store in `folder`; a writer creates both where there are none.

    Raises:
        PairStoreError: there is no store, and `read_only` forbids to create one.
        CorruptFileError: there are shards, but no manifest that knows of them.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        if read_only:
            raise PairStoreError(f"{folder}: there is no pair store here; make its pairs first")
        if folder.exists() and any(shard_files(folder)):
            raise CorruptFileError(
                f"{path}: the manifest is missing beside the shards that it describes. Restore it from a copy, or "
                f"move the folder {folder} away, so that the same command makes its pairs again."
            )
        with readable_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    return Manifest(folder, Database(path, _TEXTS, WAIT_FOR_OTHERS, read_only=read_only))


def open_settings(
    folder: Path, manifest: Manifest, *, read_only: bool, image_format: ImageFormat | None, shard_size: int | None
) -> StoreSettings:
    """Return the store's settings; a writer creates the tables of a new store with those asked for.

    Raises:
        PairStoreError: the store is empty and to be read only, or was created with other settings.
    """
    settings = manifest.settings()
    if settings is None:
        if read_only:
            raise PairStoreError(f"{folder}: this pair store is still empty; make its pairs first")
        settings = StoreSettings(image_format or "webp", shard_size or 1000)
        manifest.create(settings)
    asked = StoreSettings(image_format or settings.image_format, shard_size or settings.shard_size)
    if asked != settings:
        raise PairStoreError(
            f"{folder}: this pair store was created with {settings.image_format} pictures and {settings.shard_size} "
            f"pairs a shard, and was now opened for {asked.image_format} and {asked.shard_size}. "
            f"Leave the settings as they were, or let another folder hold the pairs."
        )
    return settings


def check_shards(folder: Path, manifest: Manifest) -> None:
    """Make sure that every shard is there in its committed length.

    Raises:
        CorruptFileError: a shard is missing or too short.
    """
    for shard, state in manifest.shards().items():
        check_shard_reaches(shard_path(folder, shard), state.end)


def settle_shards(folder: Path, manifest: Manifest) -> None:
    """Drop what an interrupted append wrote and the manifest does not know of, and end every shard properly.

    Raises:
        CorruptFileError: a shard is missing or too short.
    """
    states = manifest.shards()
    for shard, state in states.items():
        end_shard_at(shard_path(folder, shard), state.end)
    for shard, path in list(shard_files(folder)):
        if shard not in states:
            end_shard_at(path, 0)


class Damage(NamedTuple):
    """A pair that cannot be read as it was stored."""

    pair_index: int
    shard: int
    message: str


def find_damage(folder: Path, manifest: Manifest, image_format: ImageFormat) -> Iterator[Damage]:
    """Read every pair, in index order, and yield those whose members are not what was stored."""
    for stored_pairs, records in manifest.pages():
        for stored, record in zip(stored_pairs, records, strict=True):
            path = shard_path(folder, stored.shard)
            try:
                check_members(path, stored, record, image_format)
                read_pair(path, stored)
            except CorruptFileError as error:
                yield Damage(stored.pair_index, stored.shard, str(error))


def check_members(path: Path, stored: StoredPair, record: PairRecord, image_format: ImageFormat) -> None:
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


def forget_damaged(folder: Path, manifest: Manifest, settings: StoreSettings) -> list[int]:
    """Forget the damaged pairs, and those after them in their shards, so that they can be appended again in order."""
    first_damaged: dict[int, int] = {}
    for damage in find_damage(folder, manifest, settings.image_format):
        first_damaged.setdefault(damage.shard, damage.pair_index)
    forgotten: list[int] = []
    states = manifest.shards()
    for shard, first in first_damaged.items():
        indices = manifest.indices(first, states[shard].last_index + 1)
        [start] = [stored.start for stored in manifest.stored([first])]
        kept = manifest.indices(shard * settings.shard_size, first)
        state = ShardState(len(kept), kept[-1] if kept else -1, start)
        manifest.forget(indices, {shard: state})
        end_shard_at(shard_path(folder, shard), start)
        forgotten += indices
    return sorted(forgotten)
