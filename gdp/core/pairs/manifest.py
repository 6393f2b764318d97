"""The manifest: which pairs there are, where they come from, and where in the shards they lie."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gdp.core.database import Database
from gdp.core.errors import CorruptFileError, PairStoreError
from gdp.core.pairs.layout import ImageFormat, StoredPair, canonical_json
from gdp.core.pairs.records import PairRecord

SCHEMA_VERSION = 1

# Latents and splits have tables of their own: a scan over all pairs does not read the latents, and a new split does
# not write the pairs again.
SCHEMA = (
    "CREATE TABLE settings (image_format TEXT NOT NULL, shard_size INTEGER NOT NULL)",
    """CREATE TABLE shards (shard INTEGER PRIMARY KEY, pairs INTEGER NOT NULL, last_index INTEGER NOT NULL,
        end_offset INTEGER NOT NULL)""",
    """CREATE TABLE pairs (pair_index INTEGER PRIMARY KEY, shard INTEGER NOT NULL,
        height INTEGER NOT NULL, width INTEGER NOT NULL, source_offset INTEGER NOT NULL, source_size INTEGER NOT NULL,
        source2_offset INTEGER, source2_size INTEGER, target_offset INTEGER NOT NULL, target_size INTEGER NOT NULL,
        record_offset INTEGER NOT NULL, record_size INTEGER NOT NULL, source_sha256 BLOB NOT NULL,
        target_sha256 BLOB NOT NULL, seed NOT NULL, edit TEXT NOT NULL, teacher TEXT NOT NULL, name TEXT,
        extra TEXT NOT NULL)""",
    # In the order of StoredPair's fields.
    """CREATE VIEW places AS SELECT pair_index, shard, height, width, source_offset, source_size, source2_offset,
        source2_size, target_offset, target_size, record_offset, record_size, source_sha256, target_sha256
        FROM pairs""",
    "CREATE TABLE latents (pair_index INTEGER PRIMARY KEY, shape TEXT NOT NULL, latent BLOB NOT NULL)",
    "CREATE TABLE splits (pair_index INTEGER PRIMARY KEY, split TEXT NOT NULL)",
    """CREATE TABLE verdicts (filter_key TEXT, pair_index INTEGER, decision TEXT NOT NULL, scores TEXT NOT NULL,
        reason TEXT, PRIMARY KEY (filter_key, pair_index)) WITHOUT ROWID""",
    """CREATE TABLE scores (assessment_key TEXT, pair_index INTEGER, scores TEXT NOT NULL,
        PRIMARY KEY (assessment_key, pair_index)) WITHOUT ROWID""",
)
TABLES = {"settings", "shards", "pairs", "latents", "splits", "verdicts", "scores"}
PAGE = 1000


@dataclass(frozen=True)
class StoreSettings:
    """What is fixed when a store is created."""

    image_format: ImageFormat
    shard_size: int
    """How many indices a shard spans."""


class ShardState(NamedTuple):
    """What is committed of one shard."""

    pairs: int
    last_index: int
    end: int
    """Bytes that the committed pairs take; what lies behind is the end of the archive."""


class Manifest:
    """Reads and writes the pairs' part of the manifest database."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database

    def settings(self) -> StoreSettings | None:
        """Return what the store was created with; None if the database is still empty.

        Raises:
            CorruptFileError: the file is a database of something else.
            PairStoreError: a newer gdp wrote it.
        """
        tables = {name for (name,) in self.database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = self.database.version
        if not tables and version == 0:
            return None
        if version > SCHEMA_VERSION:
            raise PairStoreError(
                f"{self.database.path}: this pair store was written by a newer gdp (format {version}; this one reads "
                f"up to {SCHEMA_VERSION}). Update gdp, or let another folder hold this run."
            )
        if version != SCHEMA_VERSION or not tables >= TABLES:
            raise CorruptFileError(
                f"{self.database.path}: this is no manifest of a pair store (tables: {', '.join(sorted(tables))}). "
                f"Move it away, or choose another folder."
            )
        [(image_format, shard_size)] = self.database.rows("SELECT image_format, shard_size FROM settings")
        return StoreSettings(image_format, shard_size)

    def create(self, settings: StoreSettings) -> None:
        """Create the tables, all or none of them."""
        with self.database.transaction():
            self.database.create(SCHEMA, SCHEMA_VERSION)
            row = (settings.image_format, settings.shard_size)
            self.database.rows("INSERT INTO settings (image_format, shard_size) VALUES (?, ?)", row)

    def shards(self) -> dict[int, ShardState]:
        """Return what is committed, by shard number, ascending."""
        rows = self.database.rows("SELECT shard, pairs, last_index, end_offset FROM shards ORDER BY shard")
        return {shard: ShardState(*state) for shard, *state in rows}

    def add(self, pairs: Sequence[tuple[StoredPair, PairRecord]], shards: dict[int, ShardState]) -> None:
        """Commit pairs whose members are on the disk, and the state of the shards that hold them."""
        with self.database.transaction():
            self.database.execute_many(
                "INSERT INTO pairs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((*stored, *_record_row(record)) for stored, record in pairs),
            )
            self.database.execute_many(
                "INSERT INTO latents VALUES (?, ?, ?)",
                ((r.index, json.dumps(r.latent_shape), r.latent) for _, r in pairs if r.latent is not None),
            )
            self._put_shards(shards)

    def forget(self, indices: Sequence[int], shards: dict[int, ShardState]) -> None:
        """Remove pairs that are to be made again; their verdicts, scores and splits stay, for they will hold again."""
        with self.database.transaction():
            asked = [(index,) for index in indices]
            self.database.execute_many("DELETE FROM pairs WHERE pair_index = ?", asked)
            self.database.execute_many("DELETE FROM latents WHERE pair_index = ?", asked)
            self._put_shards(shards)

    def indices(self, start: int = 0, stop: int | None = None) -> list[int]:
        """Return the numbers of the pairs in [start, stop), ascending."""
        query = "SELECT pair_index FROM pairs WHERE pair_index >= ? AND pair_index < ? ORDER BY pair_index"
        return [index for (index,) in self.database.rows(query, (start, 2**62 if stop is None else stop))]

    def stored(self, indices: Sequence[int]) -> list[StoredPair]:
        """Return where pairs are, in the order asked.

        Raises:
            PairStoreError: a pair is not in the store.
        """
        query = "SELECT * FROM places WHERE pair_index IN (SELECT value FROM json_each(?))"
        found = {row[0]: StoredPair(*row) for row in self.database.rows(query, (_asked(indices),))}
        self._require(indices, found)
        return [found[index] for index in indices]

    def records(self, indices: Sequence[int]) -> list[PairRecord]:
        """Return the records of pairs, in the order asked.

        Raises:
            PairStoreError: a pair is not in the store.
        """
        query = """SELECT pair_index, seed, edit, teacher, latent, shape, name, extra
            FROM pairs LEFT JOIN latents USING (pair_index) WHERE pair_index IN (SELECT value FROM json_each(?))"""
        found = {row[0]: _record(row) for row in self.database.rows(query, (_asked(indices),))}
        self._require(indices, found)
        return [found[index] for index in indices]

    def names(self, indices: Sequence[int]) -> list[str | None]:
        """Return what records call pairs, in the order asked, without reading latents."""
        query = "SELECT pair_index, name FROM pairs WHERE pair_index IN (SELECT value FROM json_each(?))"
        found: dict[int, str | None] = dict(self.database.rows(query, (_asked(indices),)))
        self._require(indices, found)
        return [found[index] for index in indices]

    def pages(self) -> Iterator[tuple[list[StoredPair], list[PairRecord]]]:
        """Yield all pairs in index order, some at a time."""
        query = "SELECT * FROM places WHERE pair_index > ? ORDER BY pair_index LIMIT ?"
        last = -1
        while rows := self.database.rows(query, (last, PAGE)):
            last = rows[-1][0]
            yield [StoredPair(*row) for row in rows], self.records([row[0] for row in rows])

    def _put_shards(self, shards: dict[int, ShardState]) -> None:
        self.database.execute_many(
            "INSERT OR REPLACE INTO shards VALUES (?, ?, ?, ?)", ((shard, *state) for shard, state in shards.items())
        )
        self.database.rows("DELETE FROM shards WHERE pairs = 0")

    def _require(self, asked: Sequence[int], found: Mapping[int, object]) -> None:
        absent = [index for index in asked if index not in found]
        if absent:
            some = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
            raise PairStoreError(f"{self.folder}: the pair store holds no pair {some}")


def _asked(indices: Sequence[int]) -> str:
    return json.dumps([int(index) for index in indices])  # numpy's integers are welcome too


def _record_row(record: PairRecord) -> tuple[object, ...]:
    # SQLite's integers have 63 bits and a sign; a larger seed is kept as its digits.
    seed = record.seed if -(2**63) <= record.seed < 2**63 else str(record.seed)
    return seed, canonical_json(record.edit), record.teacher, record.name, canonical_json(record.extra)


def _record(row: tuple[Any, ...]) -> PairRecord:
    index, seed, edit, teacher, latent, shape, name, extra = row
    latent_shape = None if shape is None else tuple(json.loads(shape))
    return PairRecord(index, int(seed), json.loads(edit), teacher, latent, latent_shape, name, json.loads(extra))
