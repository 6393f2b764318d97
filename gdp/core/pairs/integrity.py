"""Opening a pair store in any state that a kill may leave, and finding and forgetting what was damaged from outside."""

from __future__ import annotations

from pathlib import Path

from gdp.core.database import Database, SqliteTexts
from gdp.core.errors import CorruptFileError, PairStoreError, readable_os_errors
from gdp.core.pairs.layout import ImageFormat
from gdp.core.pairs.manifest import HOW_TO_MEND, Manifest, StoreSettings
from gdp.core.pairs.shards import check_shard_reaches, end_shard_at, shard_files, shard_path

MANIFEST_NAME = "manifest.sqlite"
WAIT_FOR_OTHERS = 30.0
"""Seconds that a commit or a read waits for another process's commit or read."""

_TEXTS = SqliteTexts(
    full="{path}: no space left to write ({error}). Everything committed before is intact: free some space and run the "
    "same command again to go on.",
    damaged="{path}: the manifest of the pair store is damaged ({error}). " + HOW_TO_MEND,
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
            raise PairStoreError(f"{folder}: there is no pair store here; gdp run of this run makes its pairs")
        if folder.exists() and any(shard_files(folder)):
            raise CorruptFileError(
                f"{path}: the manifest is missing beside the shards that it describes. {HOW_TO_MEND}"
            )
        with readable_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    if not read_only and _is_empty(path) and any(shard_files(folder)):
        raise CorruptFileError(f"{path}: the manifest of the pair store is empty beside its shards. {HOW_TO_MEND}")
    manifest = Manifest(folder, Database(path, _TEXTS, WAIT_FOR_OTHERS, read_only=read_only))
    if not read_only:
        try:
            manifest.add_checksums()
        except BaseException:
            manifest.database.close()
            raise
    return manifest


def new_manifest(folder: Path) -> Database:
    """Return an empty manifest's database in a folder that has none, whatever shards are there.

    Raises:
        DiskFullError, RunFolderError: as the system says.
    """
    return Database(folder / MANIFEST_NAME, _TEXTS, WAIT_FOR_OTHERS)


def _is_empty(path: Path) -> bool:
    return path.is_file() and path.stat().st_size == 0


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
            raise PairStoreError(f"{folder}: this pair store is still empty; gdp run of this run makes its pairs")
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
