"""`expression`: one condition over what the filters before it measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from gdp import BuildContext, CombiningFilter, GdpError, Scores, Verdict
from gdp.plugins.filters import ExpressionConfig
from gdp.toolbox import BoundExpression, bind, parse_condition


class ExpressionFilter(CombiningFilter):
    """Keeps the pairs that meet `keep`; where it is not known whether they do, the verdict is unknown.

    The filters that only serve to measure are better set `only_score = true`, so that they drop nothing themselves.
    It looks at no picture and repeats nothing when its condition changes. `gdp.support.expressions` tells the language.
    """

    def __init__(self, config: ExpressionConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._expression = parse_condition(config.keep)

    def check(self) -> str:
        """Tell which scores the filters before it have to give."""
        names = [reference.name for reference in self._expression.references]
        return f"needs {', '.join(names)}" if names else "asks for no score, so it says the same of all pairs"

    def decide(self, scores: Mapping[int, Mapping[str, Scores]]) -> dict[int, Verdict]:
        """Judge all pairs; the reason is the first part that a pair fails, or what is not known of it.

        Raises:
            GdpError: a name is no score of the filters before this one, or a score is of the wrong kind.
        """
        known: dict[str, set[str]] = defaultdict(set)
        for filters in scores.values():
            for name, each in filters.items():
                known[name].update(each)
        try:
            bound = bind(self._expression, known)
            return {index: self._verdict(bound, filters) for index, filters in scores.items()}
        except GdpError as error:
            raise GdpError(f"filter expression, keep: {error}") from None

    def _verdict(self, bound: BoundExpression, scores: Mapping[str, Scores]) -> Verdict:
        outcome = bound.judge(scores)
        if outcome.holds is None:
            return Verdict.unknown(outcome.because)
        return Verdict.keep_if(outcome.holds, reason=None if outcome.holds else self.config.reason or outcome.because)
