"""Filters: they judge pairs and never delete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.pairs.records import Json, NotYet, PairBatch, Scores, Verdict


class PairJudge:
    """What all forms of filters share; implement one of the three: `Filter`, `ScoringFilter`, `CombiningFilter`."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    def check(self) -> str:
        """Look ahead, before any pair is made or judged: return a remark for the pre-flight, or an empty line.

        Raises:
            GdpError: the filter cannot do what its settings ask for; the message says what to use instead.
        """
        return ""

    def forecast(self, pairs: int, sources: int = 1) -> Forecast:
        """Return what judging so many pairs will ask of a paid service; `gdp estimate` asks it, and never a call.

        The default is no calls: the filter judges on this machine, and an estimate times it. A filter that foretells
        calls is not tried by an estimate.

        Args:
            pairs: how many pairs will reach the filter, none of which it has judged before.
            sources: source pictures of a pair, beside its one target.
        """
        return Forecast()

    def summary(self) -> Mapping[str, Json]:
        """Return what the report should tell of this run's judging, such as calls and cost, by name; {} for nothing."""
        return {}


class Filter(PairJudge, ABC):
    """The simple form: looks at each pair and returns its verdict."""

    @abstractmethod
    def judge(self, pairs: PairBatch) -> Sequence[Verdict | NotYet]:
        """Return one verdict for each pair, in order. Verdicts must not depend on the batch.

        A pair that cannot be looked at now is `NotYet`.

        Raises:
            BudgetError: none of these pairs, nor of those after them, can be looked at now; all are "not yet".
        """


class ScoringFilter(PairJudge, ABC):
    """The form for costly judgements: scores are measured once and kept, decisions are made from them.

    Changing a setting that `score_settings` does not name repeats no measurement and no paid call. A filter that does
    not say which settings those are is measured anew whenever one of them changes.
    """

    score_settings: ClassVar[frozenset[str] | None] = None
    """Names of the settings that the scores depend on (a model's path, say; not the thresholds); None for all."""

    score_version: ClassVar[int] = 1
    """Raise it when the same settings give other scores than before."""

    @property
    def fingerprint(self) -> str:
        """Hash of the model files that the scores depend on; part of the content key."""
        return ""

    @abstractmethod
    def score(self, pairs: PairBatch) -> Sequence[Scores | NotYet]:
        """Return the scores of each pair, in order: name to number, word or None. Independent of the batch.

        A pair that cannot be looked at now is `NotYet`, never None for ever.

        Raises:
            BudgetError: none of these pairs, nor of those after them, can be looked at now; all are "not yet".
        """

    def score_stream(self, batches: Iterable[PairBatch]) -> Iterator[Mapping[int, Scores | NotYet]]:
        """Yield scores by pair number as they become known, in any order; each mapping is durable at once.

        A filter that asks a service overrides it, to keep many pictures in flight and lose no answer.

        Args:
            batches: the pairs to measure; read it in the thread that calls, when there is room for more. It raises
                when the user asks to stop: let what is in flight arrive, yield it, and let the exception through.

        Raises:
            BudgetError: pairs of which nothing was yielded are "not yet", and a later run asks for them again.
        """
        for pairs in batches:
            yield dict(zip(pairs.indices, self.score(pairs), strict=True))

    @abstractmethod
    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Decide on all pairs that reached this filter, by index, from their scores alone."""


class CombiningFilter(PairJudge, ABC):
    """The form that looks at no picture: it decides from what the filters before it in the recipe measured."""

    @abstractmethod
    def decide(self, scores: Mapping[int, Mapping[str, Scores]]) -> dict[int, Verdict]:
        """Decide on all pairs that reached this filter.

        Args:
            scores: scores[pair number][filter's name][score's name]; a filter that stands twice in the recipe has the
                names `sharpness` and `sharpness-2`.
        """
