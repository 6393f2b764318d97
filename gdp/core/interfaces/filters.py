"""Filters: they judge pairs and never delete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs.records import PairBatch, Scores, Verdict


class Filter(ABC):
    """The simple form: looks at each pair and returns its verdict."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def judge(self, pairs: PairBatch) -> list[Verdict]:
        """Return one verdict for each pair, in order. Verdicts must not depend on the batch."""


class ScoringFilter(ABC):
    """The form for costly judgements: scores are measured once and kept, decisions are made from them.

    Changing a setting that `score_settings` does not name repeats no measurement and no paid call.
    """

    score_settings: ClassVar[frozenset[str]] = frozenset()
    """Names of the settings that the scores depend on (a model's path, say; not the thresholds)."""

    score_version: ClassVar[int] = 1
    """Raise it when the same settings give other scores than before."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @property
    def fingerprint(self) -> str:
        """Hash of the model files that the scores depend on; part of the content key."""
        return ""

    @abstractmethod
    def score(self, pairs: PairBatch) -> list[Scores]:
        """Return the scores of each pair, in order: name to number, word or None. Independent of the batch."""

    @abstractmethod
    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Decide on all pairs that reached this filter, by index, from their scores alone."""
