"""The pair store: a folder of tar shards with lossless pictures, and a SQLite manifest that says what is there.

One process writes (the run folder's lock sees to that), any number read. An append first makes the members durable,
then commits them to the manifest: a process that is killed loses at most the append that was under way, and making
the same pairs again gives the same bytes.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy
import torch

from gdp.core.errors import PairStoreError, ShapeError
from gdp.core.pairs.integrity import check_shards, open_manifest, open_settings, settle_shards
from gdp.core.pairs.layout import (
    EncodedPair,
    ImageFormat,
    StoredPair,
    canonical_json,
    encode_pair,
    read_encoded,
    read_pair,
)
from gdp.core.pairs.manifest import Manifest, ShardState, StoreSettings
from gdp.core.pairs.records import PairBatch, PairRecord, Score, Scores, Verdict, check_scores
from gdp.core.pairs.shards import append_to_shard, shard_path
from gdp.core.pictures import from_levels, storable_levels

if TYPE_CHECKING:
    from torch import Tensor

THREADS = min(8, os.cpu_count() or 1)
PAGE = 5000
"""Rows of verdicts or scores that are held at a time."""
LARGEST_INDEX = 999_999_999
"""Member names hold nine digits."""
PIXELS_A_TASK = 2**15
"""What a thread encodes or decodes at a time, so that handing over small pictures does not cost more than them."""


class PairStore:
    """Pairs by number, with what is said about them. Open it with `PairStore.open`; it is a context manager.

    Supports appending in ascending order within each shard, random reads, verdicts, scores and a split. Does not
    support changing or deleting pairs. A forked or spawned process opens its own store.
    """

    def __init__(self, folder: Path, manifest: Manifest, settings: StoreSettings, *, read_only: bool) -> None:
        self.folder = folder
        self.settings = settings
        self.read_only = read_only
        self._manifest = manifest
        self._database = manifest.database
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="pair-store")

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        read_only: bool = False,
        image_format: ImageFormat | None = None,
        shard_size: int | None = None,
    ) -> Self:
        """Open a store; a writer creates the folder where there is none, and drops what an interrupted append left.

        Args:
            folder: holds `manifest.sqlite` and the shards `shard-000000.tar`, ...
            read_only: many readers may be open while one process writes.
            image_format: of a new store, `webp` where not given; an existing one keeps its own.
            shard_size: how many indices a shard of a new store spans, 1000 where not given.

        Raises:
            PairStoreError: there is no store, a newer gdp wrote it, or it was created with other settings.
            CorruptFileError: the manifest is damaged, or a shard is shorter than it was.
            DiskFullError, RunFolderError, RunLockedError: as the system says.
        """
        folder = Path(folder)
        manifest = open_manifest(folder, read_only=read_only)
        try:
            settings = open_settings(
                folder, manifest, read_only=read_only, image_format=image_format, shard_size=shard_size
            )
            if read_only:
                check_shards(folder, manifest)
            else:
                settle_shards(folder, manifest)
        except BaseException:
            manifest.database.close()
            raise
        return cls(folder, manifest, settings, read_only=read_only)

    @classmethod
    def repair(cls, folder: Path | str) -> list[int]:
        """Until API version 2: what `gdp pairs RUN --repair` does."""
        text = "gdp pairs RUN --repair does it; PairStore.repair goes with the next API version"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        forgotten: list[int] = import_module("gdp.core.pairs.repair").repair_pairs(Path(folder))
        return forgotten

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files; nothing is pending."""
        self._pool.shutdown()
        self._manifest.database.close()

    # Pairs

    def append(self, batch: PairBatch) -> None:
        """Store pairs; durable on return. Values are rounded to 8 bits, the only loss.

        Args:
            batch: at most some hundred pairs, which are encoded in memory; indices ascend within the batch and within
                each shard, gaps are allowed (for pairs that could not be made).

        Raises:
            PairStoreError: the store is read-only, the order is wrong, a picture holds NaN, or a record is no JSON.
            DiskFullError: no space is left; the store is as it was before.
        """
        self._require_writer()
        self.add(encode_batch(batch, self.settings.image_format, self._pool))

    def add(self, encoded: Sequence[EncodedPair]) -> None:
        """Store pairs that are encoded, by another process perhaps; durable on return.

        Raises: as `append`.
        """
        self._require_writer()
        states, size = self._manifest.shards(), self.settings.shard_size
        _require_order(self.folder, [pair.record.index for pair in encoded], states, size)
        stored: list[tuple[StoredPair, PairRecord]] = []
        changed: dict[int, ShardState] = {}
        for shard, pairs in groupby(encoded, key=lambda pair: pair.record.index // size):
            state = states.get(shard, ShardState(0, -1, 0))
            placed, pieces = _place_pairs(list(pairs), shard, state.end, self.settings.image_format)
            append_to_shard(shard_path(self.folder, shard), state.end, pieces)
            stored += placed
            last = placed[-1][0]
            changed[shard] = ShardState(state.pairs + len(placed), last.pair_index, last.end)
        self._manifest.add(stored, changed)

    def __len__(self) -> int:
        return sum(state.pairs for state in self._manifest.shards().values())

    def indices(self) -> list[int]:
        """Return the numbers of all pairs, ascending."""
        return self._manifest.indices()

    def made(self, start: int, stop: int) -> list[int]:
        """Return the numbers of the pairs in [start, stop), ascending."""
        return self._manifest.indices(start, stop)

    def missing(self, count: int) -> list[int]:
        """Return which of the pairs 0 to count - 1 are still to be made, ascending.

        Those that lie before a stored pair of their shard were left out when it was made, and are not asked for again.
        """
        return _missing_pairs(count, self._manifest.shards(), self.settings.shard_size)

    def records(self, indices: Sequence[int]) -> list[PairRecord]:
        """Return where pairs come from, in the order asked."""
        return self._manifest.records(indices)

    def names(self, indices: Sequence[int]) -> list[str | None]:
        """Return what records call pairs (a file's name, say; None for made ones), in the order asked."""
        return self._manifest.names(indices)

    def shape(self, index: int) -> tuple[int, int, int]:
        """Return a pair's channels of the source, height and width in pixels; no picture is read.

        Raises:
            PairStoreError: the pair is not in the store.
        """
        [stored] = self._manifest.stored([index])
        return stored.source_channels, stored.height, stored.width

    def encoded(self, indices: Sequence[int]) -> list[EncodedPair]:
        """Read pairs as they lie in their shards, in the order asked, for `add` of another store.

        Raises:
            PairStoreError: a pair is not in the store.
            CorruptFileError: a shard is shorter than what was stored.
        """
        stored = zip(self._manifest.stored(indices), self.records(indices), strict=True)
        return [read_encoded(shard_path(self.folder, place.shard), place, record) for place, record in stored]

    def load(self, indices: Sequence[int]) -> PairBatch:
        """Read pairs of one size, in the order asked; as they were appended, but for the rounding to 8 bits.

        Raises:
            PairStoreError: a pair is not in the store.
            ShapeError: the pairs are not of one size.
            CorruptFileError: a shard does not hold what was stored.
        """
        source, target = self.load_uint8(indices)
        return PairBatch(list(indices), from_levels(source), from_levels(target), self.records(indices))

    def load_uint8(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Read pairs as they are on disk: source (N, 3 or 6, H, W) and target (N, 3, H, W), uint8 RGB.

        Raises: as `load`.
        """
        stored = self._manifest.stored(indices)
        if not stored:
            raise PairStoreError(f"{self.folder}: no pairs were asked for")
        sizes = {(pair.source_channels, pair.height, pair.width) for pair in stored}
        if len(sizes) != 1:
            raise ShapeError(f"{self.folder}: pairs of one size were asked for; these have {sorted(sizes)} (C, H, W)")
        [(channels, height, width)] = sizes
        source = numpy.empty((len(stored), channels, height, width), numpy.uint8)
        target = numpy.empty((len(stored), 3, height, width), numpy.uint8)

        def read(rows: range) -> None:
            for row in rows:
                source[row], target[row] = read_pair(shard_path(self.folder, stored[row].shard), stored[row])

        for _ in self._pool.map(read, _tasks(len(stored), height, width)):
            pass
        return torch.from_numpy(source), torch.from_numpy(target)

    # Judgements

    def put_verdicts(self, filter_key: str, verdicts: Mapping[int, Verdict]) -> None:
        """Store verdicts by index, in place of earlier ones of the same key; durable on return.

        Args:
            filter_key: the filter and a hash of all its settings.
        """
        self._require_writer()
        rows = (
            (filter_key, int(index), verdict.decision, canonical_json(dict(verdict.scores)), verdict.reason)
            for index, verdict in verdicts.items()
        )
        with self._database.transaction():
            self._manifest.put("verdicts", rows)

    def verdicts(self, filter_key: str) -> dict[int, Verdict]:
        """Return all verdicts of a key, by index, ascending."""
        return dict(self.iterate_verdicts(filter_key))

    def iterate_verdicts(self, filter_key: str) -> Iterator[tuple[int, Verdict]]:
        """Yield index and verdict, ascending, without holding all of them."""
        rows = self._pages("verdicts", "pair_index, decision, scores, reason", "filter_key", filter_key)
        for index, decision, scores, reason in rows:
            yield index, Verdict(decision, json.loads(scores), reason)

    def put_scores(self, assessment_key: str, scores: Mapping[int, Scores]) -> None:
        """Store what was measured of pairs, apart from any decision on it; durable on return.

        Args:
            assessment_key: the filter and a hash of the settings that the scores depend on, thresholds left out.
            scores: by index, in place of earlier ones of the same key.

        Raises:
            PairStoreError: a score is no word, finite number, bool or None; or the store is read-only.
        """
        self._require_writer()
        for each in scores.values():
            check_scores(each)
        rows = ((assessment_key, int(index), canonical_json(dict(each))) for index, each in scores.items())
        with self._database.transaction():
            self._manifest.put("scores", rows)

    def scores(self, assessment_key: str) -> dict[int, dict[str, Score]]:
        """Return all scores of a key, by index, ascending."""
        return dict(self.iterate_scores(assessment_key))

    def iterate_scores(self, assessment_key: str) -> Iterator[tuple[int, dict[str, Score]]]:
        """Yield index and scores, ascending, without holding all of them."""
        for index, scores in self._pages("scores", "pair_index, scores", "assessment_key", assessment_key):
            yield index, json.loads(scores)

    def set_split(self, splits: Mapping[int, str]) -> None:
        """Replace the whole split (index to `train` or `held_out`): other pairs belong to none; durable on return."""
        self._require_writer()
        with self._database.transaction():
            self._database.rows("DELETE FROM splits")
            self._manifest.put("splits", ((int(index), split) for index, split in splits.items()))

    def split(self, name: str) -> list[int]:
        """Return the pairs of a split, ascending."""
        here = "AND EXISTS (SELECT 1 FROM pairs WHERE pairs.pair_index = splits.pair_index)"
        rows = self._manifest.select("splits", "pair_index", f"WHERE split = ? {here} ORDER BY pair_index", (name,))
        return [index for (index,) in rows]

    def _pages(self, table: str, columns: str, key_column: str, key: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a key in the order of the pairs' numbers, which come first; some are held at a time."""
        last, rest = -1, f"WHERE {key_column} = ? AND pair_index > ? ORDER BY pair_index LIMIT ?"
        while rows := self._manifest.select(table, columns, rest, (key, last, PAGE)):
            yield from rows
            last = rows[-1][0]

    def _require_writer(self) -> None:
        if self.read_only:
            raise PairStoreError(f"{self.folder}: this pair store is open for reading only")


def _tasks(count: int, height: int, width: int) -> list[range]:
    """Divide `count` pairs of a size among tasks for a thread pool."""
    share = max(1, PIXELS_A_TASK // (height * width))
    return [range(start, min(start + share, count)) for start in range(0, count, share)]


def _missing_pairs(count: int, states: Mapping[int, ShardState], shard_size: int) -> list[int]:
    """Return which of the pairs 0 to count - 1 can still be appended, ascending."""
    missing: list[int] = []
    for shard in range(-(-count // shard_size)):
        start = states[shard].last_index + 1 if shard in states else shard * shard_size
        missing.extend(range(start, min(count, (shard + 1) * shard_size)))
    return missing


def _require_order(folder: Path, indices: Sequence[int], states: Mapping[int, ShardState], shard_size: int) -> None:
    """Make sure that pairs can be appended.

    Raises:
        PairStoreError: an index does not come after those before it in the batch and in its shard.
    """
    last = -1
    for index in indices:
        state = states.get(index // shard_size)
        last = max(last, state.last_index if state else -1)
        if not last < index <= LARGEST_INDEX:
            raise PairStoreError(
                f"{folder}: pairs come in ascending order, up to {LARGEST_INDEX}: {index} follows {last}. "
                f"`PairStore.missing` says which pairs are still to be made"
            )
        last = index


def encode_batch(batch: PairBatch, image_format: ImageFormat, pool: ThreadPoolExecutor) -> list[EncodedPair]:
    """Round pictures to 8 bits and encode them in several threads.

    Args:
        batch: the pairs.
        image_format: of the store that they are for.
        pool: the threads.

    Raises:
        PairStoreError: a picture holds NaN or infinite values.
    """
    sources, targets = storable_levels(batch.source).numpy(), storable_levels(batch.target).numpy()

    def encode(rows: range) -> list[EncodedPair]:
        return [encode_pair(batch.records[row], sources[row], targets[row], image_format) for row in rows]

    return [pair for task in pool.map(encode, _tasks(len(batch), *batch.target.shape[2:])) for pair in task]


def _place_pairs(
    pairs: Sequence[EncodedPair], shard: int, end: int, image_format: ImageFormat
) -> tuple[list[tuple[StoredPair, PairRecord]], list[bytes]]:
    """Lay pairs out in a shard behind byte `end`: where each is then, and the bytes to write there."""
    placed: list[tuple[StoredPair, PairRecord]] = []
    pieces: list[bytes] = []
    for pair in pairs:
        stored, members = pair.place(shard, end, image_format)
        placed.append((stored, pair.record))
        pieces += members
        end = stored.end
    return placed, pieces
