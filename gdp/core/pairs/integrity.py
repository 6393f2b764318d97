"""Checks of a pair store against its manifest, its canonical dump and its digest.

Opening a pair store: from a folder in any state that a kill may leave to one that can be read and appended to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gdp.core.errors import CorruptFileError, PairStoreError, readable_os_errors
from gdp.core.pairs.database import Database
from gdp.core.pairs.judgements import Judgements
from gdp.core.pairs.layout import ImageFormat, StoredPair, canonical_json, damaged_pair, describe_record, read_pair
from gdp.core.pairs.manifest import Manifest, ShardState, StoreSettings
from gdp.core.pairs.records import Json, PairRecord
from gdp.core.pairs.shards import check_shard_reaches, end_shard_at, member_header, shard_files, shard_path

MANIFEST_NAME = "manifest.sqlite"


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
    return Manifest(Database(path, read_only=read_only))


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


def export_rows(manifest: Manifest, judgements: Judgements) -> Iterator[dict[str, Json]]:
    """Yield everything that the manifest knows of each pair, in index order, as JSON."""
    keys = sorted(judgements.filter_keys()), sorted(judgements.assessment_keys())
    for stored_pairs, records in manifest.pages():
        judged = judgements.describe(stored_pairs[0].pair_index, stored_pairs[-1].pair_index, *keys)
        for stored, record in zip(stored_pairs, records, strict=True):
            described = describe_record(record, stored.source_sha256, stored.target_sha256)
            yield {**stored._asdict(), **described, **judged[stored.pair_index]}


def content_digest(folder: Path, manifest: Manifest, judgements: Judgements) -> str:
    """Return the sha256, in hexadecimal, of the manifest's dump and of the shards' bytes."""
    digest = hashlib.sha256()
    for row in export_rows(manifest, judgements):
        digest.update(canonical_json(row).encode() + b"\n")
    for shard in manifest.shards():
        with shard_path(folder, shard).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
