"""The pair store: a folder of tar shards with lossless pictures, and a SQLite manifest that says what is there.

One process writes (the run folder's lock sees to that), any number read. An append first makes the members durable,
then commits them to the manifest: a process that is killed loses at most the append that was under way, and making
the same pairs again gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy
import torch

from gdp.core.errors import CorruptFileError, PairStoreError, ShapeError
from gdp.core.pairs import integrity
from gdp.core.pairs.integrity import Damage, check_shards, open_manifest, open_settings, settle_shards
from gdp.core.pairs.judgements import Judgements
from gdp.core.pairs.layout import ImageFormat, StoredPair, dequantise, read_pair
from gdp.core.pairs.manifest import Manifest, ShardState, StoreSettings
from gdp.core.pairs.records import FunnelRow, Json, PairBatch, PairRecord, Score, Scores, Verdict
from gdp.core.pairs.shards import append_to_shard, shard_path
from gdp.core.pairs.writing import encode_batch, missing_pairs, place_pairs, require_order, tasks

if TYPE_CHECKING:
    from torch import Tensor

THREADS = min(8, os.cpu_count() or 1)


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
        self._judgements = Judgements(manifest.database)
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
        """Forget the pairs of a damaged store that cannot be read, and those after them in their shards.

        The pairs can then be made again and appended; verdicts, scores and splits stay, for they will hold again.

        Returns:
            The numbers of the pairs that were forgotten, ascending.

        Raises:
            CorruptFileError: the manifest itself is damaged.
        """
        manifest = open_manifest(Path(folder), read_only=False)
        try:
            settings = manifest.settings()
            return [] if settings is None else integrity.forget_damaged(Path(folder), manifest, settings)
        finally:
            manifest.database.close()

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
        states, size = self._manifest.shards(), self.settings.shard_size
        require_order(self.folder, batch.indices, states, size)
        encoded = encode_batch(batch, self.settings.image_format, self._pool)
        stored: list[tuple[StoredPair, PairRecord]] = []
        changed: dict[int, ShardState] = {}
        for shard, pairs in groupby(encoded, key=lambda pair: pair.record.index // size):
            state = states.get(shard, ShardState(0, -1, 0))
            placed, pieces = place_pairs(list(pairs), shard, state.end, self.settings.image_format)
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
        return missing_pairs(count, self._manifest.shards(), self.settings.shard_size)

    def record(self, index: int) -> PairRecord:
        """Return where a pair comes from."""
        return self.records([index])[0]

    def records(self, indices: Sequence[int]) -> list[PairRecord]:
        """Return where pairs come from, in the order asked."""
        return self._manifest.records(indices)

    def names(self, indices: Sequence[int]) -> list[str | None]:
        """Return what records call pairs (a file's name, say; None for made ones), in the order asked."""
        return self._manifest.names(indices)

    def load(self, indices: Sequence[int]) -> PairBatch:
        """Read pairs of one size, in the order asked; as they were appended, but for the rounding to 8 bits.

        Raises:
            PairStoreError: a pair is not in the store.
            ShapeError: the pairs are not of one size.
            CorruptFileError: a shard does not hold what was stored.
        """
        source, target = self.load_uint8(indices)
        return PairBatch(list(indices), dequantise(source), dequantise(target), self.records(indices))

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

        for _ in self._pool.map(read, tasks(len(stored), height, width)):
            pass
        return torch.from_numpy(source), torch.from_numpy(target)

    # Judgements

    def put_verdicts(self, filter_key: str, verdicts: Mapping[int, Verdict]) -> None:
        """Store verdicts by index, in place of earlier ones of the same key; durable on return.

        Args:
            filter_key: the filter and a hash of all its settings.
        """
        self._require_writer()
        self._judgements.put_verdicts(filter_key, verdicts)

    def verdicts(self, filter_key: str) -> dict[int, Verdict]:
        """Return all verdicts of a key, by index, ascending."""
        return dict(self._judgements.iterate_verdicts(filter_key))

    def iterate_verdicts(self, filter_key: str) -> Iterator[tuple[int, Verdict]]:
        """Yield index and verdict, ascending, without holding all of them."""
        return self._judgements.iterate_verdicts(filter_key)

    def unjudged(self, filter_key: str) -> list[int]:
        """Return the pairs that have no verdict of this key, ascending."""
        return self._judgements.unjudged(filter_key)

    def put_scores(self, assessment_key: str, scores: Mapping[int, Scores]) -> None:
        """Store what was measured of pairs, apart from any decision on it; durable on return.

        Args:
            assessment_key: the filter and a hash of the settings that the scores depend on, thresholds left out.
        """
        self._require_writer()
        self._judgements.put_scores(assessment_key, scores)

    def scores(self, assessment_key: str) -> dict[int, dict[str, Score]]:
        """Return all scores of a key, by index, ascending."""
        return dict(self._judgements.iterate_scores(assessment_key))

    def iterate_scores(self, assessment_key: str) -> Iterator[tuple[int, dict[str, Score]]]:
        """Yield index and scores, ascending, without holding all of them."""
        return self._judgements.iterate_scores(assessment_key)

    def unscored(self, assessment_key: str) -> list[int]:
        """Return the pairs that have no scores of this key, ascending."""
        return self._judgements.unscored(assessment_key)

    def funnel(self, filter_keys: Sequence[str], *, unknown_is_kept: bool = False) -> list[FunnelRow]:
        """Count what each filter did with the pairs that the filters before it let through."""
        return self._judgements.funnel(filter_keys, unknown_is_kept)[0]

    def kept(self, filter_keys: Sequence[str], *, unknown_is_kept: bool = False) -> list[int]:
        """Return the pairs that every filter lets through, ascending."""
        return self._judgements.funnel(filter_keys, unknown_is_kept)[1]

    def set_split(self, splits: Mapping[int, str]) -> None:
        """Replace the whole split (index to `train` or `held_out`): other pairs belong to none; durable on return."""
        self._require_writer()
        self._judgements.set_split(splits)

    def split(self, name: str) -> list[int]:
        """Return the pairs of a split, ascending."""
        return self._judgements.split(name)

    # Integrity

    def find_damage(self) -> list[Damage]:
        """Read every pair and return those that are not as they were stored, in index order."""
        return list(integrity.find_damage(self.folder, self._manifest, self.settings.image_format))

    def verify(self) -> None:
        """Read and check everything.

        Raises:
            CorruptFileError: names the damaged shards and pairs.
        """
        self._manifest.check()
        damage = self.find_damage()
        if damage:
            others = ", ".join(f"{each.pair_index} (shard {each.shard})" for each in damage[1:20])
            raise CorruptFileError(damage[0].message + (f" Also damaged: {others}." if others else ""))

    def export_manifest_rows(self) -> Iterator[dict[str, Json]]:
        """Yield everything that is known of each pair, in index order, as JSON: two stores can be compared by it."""
        return integrity.export_rows(self._manifest, self._judgements)

    def content_digest(self) -> str:
        """Return the sha256, in hexadecimal, of `export_manifest_rows` and of the shards' bytes."""
        return integrity.content_digest(self.folder, self._manifest, self._judgements)

    def _require_writer(self) -> None:
        if self.read_only:
            raise PairStoreError(f"{self.folder}: this pair store is open for reading only")
