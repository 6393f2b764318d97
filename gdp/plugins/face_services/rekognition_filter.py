"""`rekognition`: what AWS Rekognition says of the pictures of a pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from gdp.core.config import content_key
from gdp.core.interfaces.filters import Forecast, ScoringFilter
from gdp.core.pairs import PairBatch, Scores, Verdict
from gdp.core.pairs.records import Json
from gdp.plugins.face_services import judging
from gdp.plugins.face_services.forecast import account, forecast, outlook
from gdp.plugins.face_services.rekognition_config import RekognitionConfig
from gdp.plugins.face_services.rekognition_rules import measure, needed_attributes, rules
from gdp.plugins.face_services.rekognition_service import Rekognition, question, service_name
from gdp.plugins.face_services.scoring import in_order, scores_of_pairs


class RekognitionFilter(ScoringFilter):
    """Keeps pairs whose pictures pass the recipe's rules on the largest face of each.

    Scores are `source_faces`, `source_age_low`, `source_age_high`, `source_age` (their middle), `target_sharpness`
    and so on; None for what the service did not say. An age range that straddles a limit, and an attribute told with
    less confidence than `min_certainty`, make the pair "unknown". Pictures leave this machine.

    Raises:
        MissingResourceError: boto3, a region or credentials are missing (when the first picture is to be asked about).
        BudgetError, ServiceError: the budget is spent, or the service cannot be asked; what was judged is stored.
    """

    config: RekognitionConfig
    score_settings: ClassVar[frozenset[str]] = frozenset({"of", "enlarge_to"})

    @property
    def fingerprint(self) -> str:
        """Hash of whom is asked for what; thresholds are no part of it."""
        return content_key({"service": service_name(self.config), "question": question(self.config)})

    def check(self) -> str:
        """Return the expected calls, their cost and their time."""
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
        attributes = needed_attributes(self.config)
        service = Rekognition(self.config)
        yield from scores_of_pairs(
            service, self.config, self.context.answers, batches, lambda answer: measure(answer, attributes)
        )

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Judge each pair by the rules, from its scores alone; the reason names the first rule that it fails."""
        applied, config = rules(self.config), self.config
        verdicts = {}
        for index, row in scores.items():
            pictures = judging.parts(row, config.of)
            verdicts[index] = judging.verdict(
                judging.findings(pictures, config.min_faces, config.max_faces, applied), row
            )
        return verdicts
