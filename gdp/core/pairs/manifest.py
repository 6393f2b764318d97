"""The manifest: which pairs there are, where they come from, and where in the shards they lie."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gdp.core.database import Database, checksum_of
from gdp.core.errors import CorruptFileError, PairStoreError
from gdp.core.pairs.layout import ImageFormat, StoredPair, canonical_json
from gdp.core.pairs.records import PairRecord

SCHEMA_VERSION = 2
UNCHECKED = 1
"""The version whose rows have no checksum; a writer gives them one."""
HOW_TO_MEND = (
    "Restore it from a copy, or let gdp run of this run read it from the shards again and judge the pairs again."
)

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
    "CREATE TABLE latents (pair_index INTEGER PRIMARY KEY, shape TEXT NOT NULL, latent BLOB NOT NULL)",
    "CREATE TABLE splits (pair_index INTEGER PRIMARY KEY, split TEXT NOT NULL)",
    """CREATE TABLE verdicts (filter_key TEXT, pair_index INTEGER, decision TEXT NOT NULL, scores TEXT NOT NULL,
        reason TEXT, PRIMARY KEY (filter_key, pair_index)) WITHOUT ROWID""",
    """CREATE TABLE scores (assessment_key TEXT, pair_index INTEGER, scores TEXT NOT NULL,
        PRIMARY KEY (assessment_key, pair_index)) WITHOUT ROWID""",
)
TABLES = ("settings", "shards", "pairs", "latents", "splits", "verdicts", "scores")
JUDGEMENTS = ("splits", "verdicts", "scores")
"""What is found anew from the pairs; the other tables, from the shards."""
CHECKSUM = "checksum"
"""The last column of each table, of the others: SQLite does not notice a bit that flips in a row."""
PLACE = ", ".join(StoredPair._fields)
_ADD_CHECKSUMS = (
    "DROP VIEW IF EXISTS places",  # which nobody reads any more
    *(f"ALTER TABLE {table} ADD COLUMN {CHECKSUM} INTEGER" for table in TABLES),
)
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
                f"up to {SCHEMA_VERSION}). Update gdp, or let another folder hold this run; if no newer gdp worked "
                f"here, delete the file, and gdp run reads it from the shards again."
            )
        if version < UNCHECKED or not tables.issuperset(TABLES):
            raise CorruptFileError(
                f"{self.database.path}: this is no manifest of a pair store (tables: {', '.join(sorted(tables))}). "
                f"Move it away, or choose another folder."
            )
        rows = self.select("settings", "image_format, shard_size")
        if len(rows) != 1:
            raise self.damaged("it has no settings")
        return StoreSettings(*rows[0])

    def create(self, settings: StoreSettings) -> None:
        """Create the tables, all or none of them."""
        with self.database.transaction():
            self.database.create((*SCHEMA, *_ADD_CHECKSUMS), SCHEMA_VERSION)
            self.put("settings", [(settings.image_format, settings.shard_size)])

    def add_checksums(self) -> None:
        """Give the rows of an older gdp their checksums, taking them for what was written."""
        if self.database.version != UNCHECKED:
            return
        with self.database.transaction():
            self.database.create(_ADD_CHECKSUMS, SCHEMA_VERSION)
            for table in TABLES:
                self.database.rows(f"UPDATE {table} SET {CHECKSUM} = {checksum_of(_columns(table))}")

    def put(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows with their checksums, in place of those of the same key; inside of a transaction."""
        marks = [f"?{place}" for place, _ in enumerate(_columns(table), 1)]
        statement = f"INSERT OR REPLACE INTO {table} VALUES ({', '.join(marks)}, {checksum_of(marks)})"
        self.database.execute_many(statement, rows)

    def select(self, table: str, columns: str, rest: str = "", parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return these columns of a table's rows.

        Args:
            table: one of `TABLES`.
            columns: with commas between them.
            rest: of the statement, from WHERE on.
            parameters: for its question marks.

        Raises:
            CorruptFileError: a row is not what was written.
        """
        query = f"SELECT {self._is_intact(table)}, {columns} FROM {table} {rest}"
        rows = self.database.rows(query, parameters)
        if not all(row[0] for row in rows):
            raise self.damaged(f"a row of its table {table} is not what was written")
        return [row[1:] for row in rows]

    def damaged(self, problem: str) -> CorruptFileError:
        """Return the error that says that the file cannot be used."""
        return CorruptFileError(
            f"{self.database.path}: the manifest of the pair store is damaged ({problem}). {HOW_TO_MEND}"
        )

    def damaged_rows(self, table: str) -> int:
        """Count the rows that are not what was written."""
        return int(self.database.value(f"SELECT count(*) FROM {table} WHERE NOT {self._is_intact(table)}"))

    def forget_damaged_judgements(self) -> None:
        """Remove verdicts, scores and splits that are not what was written, and the whole split: it is made anew."""
        with self.database.transaction():
            for table in JUDGEMENTS:
                self.database.rows(f"DELETE FROM {table} WHERE NOT {self._is_intact(table)}")
            self.database.rows("DELETE FROM splits")

    def _is_intact(self, table: str) -> str:
        """Return the SQL that says whether a row is what was written; of an older gdp's nothing is known."""
        if self.database.version == UNCHECKED:
            return "1"
        return f"({CHECKSUM} IS {checksum_of(_columns(table))})"

    def shards(self) -> dict[int, ShardState]:
        """Return what is committed, by shard number, ascending."""
        rows = self.select("shards", "shard, pairs, last_index, end_offset", "ORDER BY shard")
        return {shard: ShardState(*state) for shard, *state in rows}

    def add(self, pairs: Sequence[tuple[StoredPair, PairRecord]], shards: dict[int, ShardState]) -> None:
        """Commit pairs whose members are on the disk, and the state of the shards that hold them."""
        with self.database.transaction():
            self.put("pairs", ((*stored, *_record_row(record)) for stored, record in pairs))
            latents = ((r.index, json.dumps(r.latent_shape), r.latent) for _, r in pairs if r.latent is not None)
            self.put("latents", latents)
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
        # A checksum of every row takes thirty times as long; who reads a pair's row has it checked.
        query = "SELECT pair_index FROM pairs WHERE pair_index >= ? AND pair_index < ? ORDER BY pair_index"
        return [index for (index,) in self.database.rows(query, (start, 2**62 if stop is None else stop))]

    def stored(self, indices: Sequence[int]) -> list[StoredPair]:
        """Return where pairs are, in the order asked.

        Raises:
            PairStoreError: a pair is not in the store.
        """
        found = {row[0]: StoredPair(*row) for row in self._of("pairs", PLACE, indices)}
        self._require(indices, found)
        return [found[index] for index in indices]

    def records(self, indices: Sequence[int]) -> list[PairRecord]:
        """Return the records of pairs, in the order asked.

        Raises:
            PairStoreError: a pair is not in the store.
        """
        latents = {index: rest for index, *rest in self._of("latents", "pair_index, latent, shape", indices)}
        rows = self._of("pairs", "pair_index, seed, edit, teacher, name, extra", indices)
        found = {row[0]: _record(row, *latents.get(row[0], (None, None))) for row in rows}
        self._require(indices, found)
        return [found[index] for index in indices]

    def names(self, indices: Sequence[int]) -> list[str | None]:
        """Return what records call pairs, in the order asked, without reading latents."""
        found: dict[int, str | None] = dict(self._of("pairs", "pair_index, name", indices))
        self._require(indices, found)
        return [found[index] for index in indices]

    def pages(self) -> Iterator[tuple[list[StoredPair], list[PairRecord]]]:
        """Yield all pairs in index order, some at a time."""
        last = -1
        while rows := self.select("pairs", PLACE, "WHERE pair_index > ? ORDER BY pair_index LIMIT ?", (last, PAGE)):
            last = rows[-1][0]
            yield [StoredPair(*row) for row in rows], self.records([row[0] for row in rows])

    def _of(self, table: str, columns: str, indices: Sequence[int]) -> list[tuple[Any, ...]]:
        """Return these columns of the rows of some pairs."""
        return self.select(table, columns, "WHERE pair_index IN (SELECT value FROM json_each(?))", (_asked(indices),))

    def _put_shards(self, shards: dict[int, ShardState]) -> None:
        self.put("shards", ((shard, *state) for shard, state in shards.items()))
        self.database.rows("DELETE FROM shards WHERE pairs = 0")

    def _require(self, asked: Sequence[int], found: Mapping[int, object]) -> None:
        absent = [index for index in asked if index not in found]
        if absent:
            some = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
            raise PairStoreError(f"{self.folder}: the pair store holds no pair {some}")


@cache
def _columns(table: str) -> tuple[str, ...]:
    """Return a table's columns but the checksum, as they are written: those of a file may be damaged."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        return tuple(name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)))


def _asked(indices: Sequence[int]) -> str:
    return json.dumps([int(index) for index in indices])  # numpy's integers are welcome too


def _record_row(record: PairRecord) -> tuple[object, ...]:
    # SQLite's integers have 63 bits and a sign; a larger seed is kept as its digits.
    seed = record.seed if -(2**63) <= record.seed < 2**63 else str(record.seed)
    return seed, canonical_json(record.edit), record.teacher, record.name, canonical_json(record.extra)


def _record(row: tuple[Any, ...], latent: bytes | None, shape: str | None) -> PairRecord:
    index, seed, edit, teacher, name, extra = row
    latent_shape = None if shape is None else tuple(json.loads(shape))
    return PairRecord(index, int(seed), json.loads(edit), teacher, latent, latent_shape, name, json.loads(extra))
