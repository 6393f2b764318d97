"""`azure-face`: what Azure AI Face says of the pictures of a pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from gdp.core.config import content_key
from gdp.core.interfaces.filters import Forecast, ScoringFilter
from gdp.core.pairs import PairBatch, Score, Scores, Verdict
from gdp.core.pairs.records import Json
from gdp.plugins.face_services import judging
from gdp.plugins.face_services.azure_rules import measure, needed_attributes, refuse_impossible, rules
from gdp.plugins.face_services.azure_service import AzureFace, question, service_name
from gdp.plugins.face_services.config import AzureFaceConfig
from gdp.plugins.face_services.forecast import account, forecast, outlook
from gdp.plugins.face_services.interview import in_order, scores_of_pairs

_ANGLES = ("yaw", "pitch", "roll")


class AzureFaceFilter(ScoringFilter):
    """Keeps pairs whose pictures pass the recipe's rules on the largest face of each.

    Scores are `source_faces`, `source_blur`, `target_yaw` and so on, one for each thing that was asked for; None for
    what the service did not say. A picture that the service refuses makes the pair "unknown", as does a picture on
    which there was no usable answer in 8 attempts. Pictures leave this machine.

    Raises:
        MissingResourceError: $AZURE_FACE_KEY is not set (when the first picture is to be asked about).
        BudgetError, ServiceError: the budget is spent, or the service cannot be asked; what was judged is stored.
    """

    config: AzureFaceConfig
    score_settings: ClassVar[frozenset[str]] = frozenset(
        {"of", "enlarge_to", "detection_model", "recognition_model", "attributes"}
    )

    @property
    def fingerprint(self) -> str:
        """Hash of whom is asked for what; thresholds are no part of it."""
        return content_key({"service": service_name(self.config), "question": question(self.config)})

    def check(self) -> str:
        """Refuse rules that the service would refuse; else return the expected calls, their cost and their time."""
        refuse_impossible(self.config)
        return outlook(self.config, self.context.pairs, self.context.answers, service_name(self.config))

    def forecast(self, pairs: int, sources: int = 1) -> Forecast:
        """Return the calls that so many pairs take, at the recipe's rate and price."""
        return forecast(self.config, pairs, sources)

    def summary(self) -> Mapping[str, Json]:
        """Return the calls of this run and their cost."""
        return account(self.config, self.context.answers, service_name(self.config))

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Ask about the pictures of some pairs."""
        return in_order(self.score_stream([pairs]), pairs.indices)

    def score_stream(self, batches: Iterable[PairBatch]) -> Iterator[Mapping[int, Scores]]:
        """Ask about many pictures at once, and yield each pair's scores when the last of its answers is there."""
        refuse_impossible(self.config)
        attributes = needed_attributes(self.config)
        service = AzureFace(self.config)
        yield from scores_of_pairs(
            service, self.config, self.context.answers, batches, lambda answer: measure(answer, attributes)
        )

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Judge each pair by the rules, from its scores alone; the reason names the first rule that it fails."""
        applied = [(rule.passes, rule.reason) for rule in rules(self.config)]
        verdicts = {}
        for index, row in scores.items():
            parts = judging.parts(row, self.config.of)
            findings = judging.findings(parts, self.config.min_faces, self.config.max_faces, applied)
            verdicts[index] = judging.verdict([*findings, *self._changes(parts)], row)
        return verdicts

    def _changes(self, parts: Mapping[str, Mapping[str, Score]]) -> Iterator[judging.Finding]:
        """Compare each source with the target."""
        target = parts.get("target", {})
        for name, source in parts.items():
            if name == "target" or not (source.get("faces") and target.get("faces")):
                continue
            for kind in self.config.unchanged:
                if source.get(kind) != target.get(kind):
                    yield judging.Finding("drop", f"the edit changed {kind}")
            limit = self.config.max_pose_change
            if limit is not None and _pose_change(source, target) > limit:
                yield judging.Finding("drop", f"the edit turned the head by more than {limit:g} degrees")


def _pose_change(source: Mapping[str, Score], target: Mapping[str, Score]) -> float:
    """Return the largest difference of the three angles in degrees; 0 where they are not known."""
    angles = [(source.get(name), target.get(name)) for name in _ANGLES]
    return max(
        (abs(a - b) for a, b in angles if isinstance(a, int | float) and isinstance(b, int | float)), default=0.0
    )
