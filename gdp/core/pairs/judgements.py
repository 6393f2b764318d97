"""What is said about pairs: verdicts, the scores they rest on, and the split into training and held-out pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from gdp.core.database import Database
from gdp.core.pairs.layout import canonical_json
from gdp.core.pairs.records import Score, Scores, Verdict, check_scores

PAGE = 5000


class Judgements:
    """Reads and writes the judgements' part of the manifest database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put_verdicts(self, filter_key: str, verdicts: Mapping[int, Verdict]) -> None:
        """Store verdicts, in place of earlier ones of the same key; durable on return."""
        with self.database.transaction():
            self.database.execute_many(
                "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)",
                (
                    (filter_key, int(index), verdict.decision, canonical_json(dict(verdict.scores)), verdict.reason)
                    for index, verdict in verdicts.items()
                ),
            )

    def iterate_verdicts(self, filter_key: str) -> Iterator[tuple[int, Verdict]]:
        """Yield index and verdict, ascending, without holding all of them."""
        query = """SELECT pair_index, decision, scores, reason FROM verdicts
            WHERE filter_key = ? AND pair_index > ? ORDER BY pair_index LIMIT ?"""
        last = -1
        while rows := self.database.rows(query, (filter_key, last, PAGE)):
            last = rows[-1][0]
            for index, decision, scores, reason in rows:
                yield index, Verdict(decision, json.loads(scores), reason)

    def put_scores(self, assessment_key: str, scores: Mapping[int, Scores]) -> None:
        """Store scores, in place of earlier ones of the same key; durable on return.

        Raises:
            PairStoreError: a score is no word, finite number, bool or None.
        """
        for each in scores.values():
            check_scores(each)
        with self.database.transaction():
            self.database.execute_many(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?)",
                ((assessment_key, int(index), canonical_json(dict(each))) for index, each in scores.items()),
            )

    def iterate_scores(self, assessment_key: str) -> Iterator[tuple[int, dict[str, Score]]]:
        """Yield index and scores, ascending, without holding all of them."""
        query = """SELECT pair_index, scores FROM scores
            WHERE assessment_key = ? AND pair_index > ? ORDER BY pair_index LIMIT ?"""
        last = -1
        while rows := self.database.rows(query, (assessment_key, last, PAGE)):
            last = rows[-1][0]
            for index, scores in rows:
                yield index, json.loads(scores)

    def set_split(self, splits: Mapping[int, str]) -> None:
        """Replace the whole split: pairs that are not named belong to none; durable on return."""
        with self.database.transaction():
            self.database.rows("DELETE FROM splits")
            self.database.execute_many(
                "INSERT INTO splits VALUES (?, ?)", ((int(index), split) for index, split in splits.items())
            )

    def split(self, name: str) -> list[int]:
        """Return the pairs of a split, ascending."""
        query = "SELECT pair_index FROM splits JOIN pairs USING (pair_index) WHERE split = ? ORDER BY pair_index"
        return [index for (index,) in self.database.rows(query, (name,))]
