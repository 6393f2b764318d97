"""Stage pairs: make the pairs that are missing, in order, durably."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gdp.core.building import describe_plugin, plugin_errors
from gdp.core.config import content_key
from gdp.core.errors import CorruptFileError, DiskFullError, MissingResourceError, PluginError
from gdp.core.interfaces.stages import Stage
from gdp.core.memory import describe_bytes, readable_memory_errors
from gdp.core.pairs.integrity import MANIFEST_NAME
from gdp.core.pairs.manifest import HOW_TO_MEND
from gdp.core.pairs.records import PairBatch
from gdp.core.pairs.repair import is_manifest_whole, mend_store
from gdp.core.pairs.shards import shard_files
from gdp.core.pairs.store import PairStore
from gdp.core.pairs.writer import PairWriter
from gdp.core.progress import ProgressTask, Stopped
from gdp.core.run.reduced import ReducedSource
from gdp.core.run.session import Session

BATCH = 32
"""Pairs made at a time, fewer where they are large: a killed run makes again at most twice as many, those that were
being made and those that were being stored meanwhile."""
PIXELS = 2**21
"""Of the pairs that are made at a time: 32 at 256 px, 2 at 1024; of a few large ones some are stored meanwhile, too."""
BYTES = 21
"""That a pixel of a pair takes for each of its channels while it is made and stored: floats of the source's, clamped
ones, those of the storing, levels, and the levels of the pairs before."""


def wanted(session: Session) -> int:
    """Return how many pairs the recipe asks for.

    Raises:
        MissingResourceError: the recipe asks for more than the source has, or sets no number for an endless source.
    """
    count, available = session.recipe.pairs.section.count, session.pair_source.count
    name = session.recipe.pairs.record.name
    if count is None and available is None:
        raise MissingResourceError(f"pairs.count: {name} can make any number of pairs; say how many, as count = 2000")
    if count is not None and available is not None and count > available:
        raise MissingResourceError(
            f"pairs.count: {count} pairs are wanted and {name} has {available}; lower it, or leave it out to take all"
        )
    chosen = count if count is not None else available
    assert chosen is not None
    return chosen


def made_pairs(session: Session, store: PairStore) -> list[int]:
    """Return the numbers of the made pairs that the recipe asks for, ascending; no pair source is built for it."""
    count = session.recipe.pairs.section.count
    return store.indices() if count is None else store.made(0, count)


class PairsStage(Stage[Session]):
    """Makes the pairs that are missing."""

    shares = ("store",)

    def key(self, session: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on; the store's key leaves the count out: more pairs extend it."""
        store = {
            "stage": "store",
            **session.settings_key(session.recipe.pairs),
            "teacher": keys["teacher"],
            "seed": session.recipe.seed,
            "fingerprint": session.pair_source.fingerprint,
            "image_format": session.recipe.pairs.section.image_format,
        }
        if session.recipe.pairs.section.resolution is not None:
            store["resolution"] = session.recipe.pairs.section.resolution
        return {"store": content_key(store), "count": wanted(session)}

    def is_there(self, session: Session) -> bool:
        """Say whether the pairs are still in the store; a repair may have taken damaged ones out."""
        if not is_manifest_whole(session.store_folder):  # which execute mends
            return False
        try:
            with session.open_store(read_only=True) as store:
                return not store.missing(wanted(session))
        except CorruptFileError:
            return False

    def leaves(self, session: Session) -> Iterable[Path]:
        """Return the shards; the manifest beside them changes with every judgement."""
        return [path for _, path in shard_files(session.store_folder)]

    def mend(self, session: Session, files: Sequence[Path]) -> None:
        """Forget the pairs that cannot be read."""
        mend_store(session.store_folder, session.progress)

    def reset(self, session: Session, first: str) -> None:
        """Throw the stored pairs of the present key away."""
        shutil.rmtree(session.store_folder, ignore_errors=True)

    def execute(self, session: Session) -> dict[str, Any]:
        """Make the missing pairs; each batch is committed to the store before the next but one is begun.

        Raises:
            Stopped: the user asked to stop; what is made is stored.
        """
        count = wanted(session)
        with _open_or_mend(session) as store:
            missing = store.missing(count)
            made_before = count - len(missing)
            with session.progress.task("pairs", count, "pairs", done=made_before) as task:
                if not (missing and session.crew and session.crew.make(session, store, missing, task)):
                    _make_here(session, store, missing, task)
            made = len(store.made(0, count))
        return {
            "made": made,
            "made_now": len(missing),
            "folder": session.pairs_home.relative(session.store_folder),
            "resolution": session.pair_source.resolution,
        }


def _make_here(session: Session, store: PairStore, missing: Sequence[int], task: ProgressTask) -> None:
    """Make pairs; those that are made are encoded and written while the next ones are."""
    together = pairs_together(session) if missing else BATCH
    with PairWriter(store) as writer:
        for start in range(0, len(missing), together):
            if start == together:
                task.advance(writer.wait())
                require_room(session.store_folder, len(store), len(missing) - together)
            if session.stop_requested():
                raise Stopped
            task.advance(writer.put(make_batch(session, list(missing[start : start + together]))))
        task.advance(writer.wait())


def require_room(folder: Path, made: int, left: int) -> None:
    """Make sure, when the first pairs are stored, that the disk has room for those that are left, as large as they.

    Raises:
        DiskFullError: it has not.
    """
    stored = sum(path.stat().st_size for _, path in shard_files(folder))
    needed, free = left * stored / made, shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(
            f"{folder}: the {left:,} pairs that are still to be made need about "
            f"{describe_bytes(needed)}, and {describe_bytes(free)} are free. Lower pairs.count, free some space, or "
            f"choose another disk with --folder; the {made:,} that are made stay."
        )


def _open_or_mend(session: Session) -> PairStore:
    folder = session.store_folder
    try:
        if folder.is_dir() and any(shard_files(folder)) and not is_manifest_whole(folder):
            raise CorruptFileError(f"{folder / MANIFEST_NAME}: the manifest is missing or damaged. {HOW_TO_MEND}")
        return session.open_store()
    except CorruptFileError as error:
        session.progress.message(f"pairs: {error} That is done now.")
        mend_store(folder, session.progress)
        return session.open_store()


def make_pairs(session: Session, store: PairStore, indices: list[int]) -> None:
    """Make some pairs and store them; durable on return. The stage does it, and an estimate for a few."""
    store.append(make_batch(session, indices))


def pairs_together(session: Session) -> int:
    """Return how many pairs are made at a time; they are the same whatever it is."""
    source = session.pair_source
    size = source.made_at if isinstance(source, ReducedSource) else source.resolution
    each, tell = BYTES * (source.input_channels + 3), session.progress.message
    most = max(1, min(BATCH, PIXELS // size**2))
    return session.memory.pictures_together((size, size), most, bytes_a_pixel=each, tell=tell, what="pairs")


def make_batch(session: Session, indices: list[int]) -> PairBatch:
    """Make some pairs, in memory.

    Raises:
        GdpError: they do not fit into memory, or the pair source failed.
    """
    record, size = session.recipe.pairs.record, session.pair_source.resolution
    mend = "Lower --memory (or memory in [limits]), so that fewer are made together, or pairs.resolution."
    told = readable_memory_errors(f"making {len(indices)} pairs of {size} x {size} px", mend)
    with told, plugin_errors(describe_plugin(record)):
        batch = session.pair_source.make(indices)
    if list(batch.indices) != list(indices):
        raise PluginError(f"pair source {record.name}: was asked for pairs {indices[:4]}... and made others")
    return batch
