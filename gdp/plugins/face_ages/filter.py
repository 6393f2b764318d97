"""`photo-attributes`: what face-api.js's network says of the faces of source and target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from gdp import BuildContext, PairBatch, Score, Scores, ScoringFilter, Verdict
from gdp.plugins.face_ages import PhotographedFacesConfig
from gdp.plugins.face_ages.network import PhotographJudge
from gdp.toolbox import number, pictures_by_part


class PhotographedFacesFilter(ScoringFilter):
    """Judges every picture of a pair once; the settings only decide, so changing them judges nothing again.

    Scores are `source_age` and `target_age` (years) and `source_male`, `target_male` (probabilities); a second source
    picture has `source2_` scores. The network takes whatever it is shown for a face: put a detector of faces before it.
    On 39 people that StyleGAN2 made younger and older its mean ages are 18, 31 and 53 years.

    Raises:
        MissingResourceError, CorruptFileError: the weights cannot be used, see `PhotographJudge`.
    """

    config: PhotographedFacesConfig
    score_settings = frozenset({"crop"})

    def __init__(self, config: PhotographedFacesConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._judge = PhotographJudge(config, context.progress)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the network's weights."""
        return self._judge.fingerprint

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Judge every picture: ages to hundredths of a year, probabilities to 4 digits."""
        rows: list[dict[str, Score]] = [{} for _ in pairs.indices]
        for part, images in pictures_by_part(pairs).items():
            found = self._judge.assess(images.to(self.context.device))
            for row, age, male in zip(rows, found.age.tolist(), found.male.tolist(), strict=True):
                row |= {f"{part}_age": round(age, 2), f"{part}_male": round(male, 4)}
        return [*rows]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Keep the pairs that pass every setting; the reason names the first that a pair fails."""
        verdicts = {}
        for index, row in scores.items():
            reason = self._age(row) or self._shift(row) or self._gender(row)
            verdicts[index] = Verdict.keep_if(reason is None, reason=reason, **row)
        return verdicts

    def _age(self, row: Scores) -> str | None:
        parts = (*_sources(row), "target") if self.config.age_of == "both" else _sources(row)
        ages = [_number(row, f"{part}_age") for part in parts]
        if self.config.min_age is not None and min(ages) < self.config.min_age:
            return f"younger than {self.config.min_age:g}"
        if self.config.max_age is not None and max(ages) > self.config.max_age:
            return f"older than {self.config.max_age:g}"
        return None

    def _shift(self, row: Scores) -> str | None:
        shift = _number(row, "target_age") - _number(row, "source_age")
        if self.config.min_age_shift is not None and shift < self.config.min_age_shift:
            return f"age shift below {self.config.min_age_shift:g} years"
        if self.config.max_age_shift is not None and shift > self.config.max_age_shift:
            return f"age shift above {self.config.max_age_shift:g} years"
        return None

    def _gender(self, row: Scores) -> str | None:
        judged = {_number(row, f"{part}_male") >= 0.5 for part in ("source", "target")}
        return "the edit changed gender" if self.config.same_gender and len(judged) > 1 else None


def _sources(row: Scores) -> tuple[str, ...]:
    return ("source", "source2") if "source2_age" in row else ("source",)


def _number(row: Scores, name: str) -> float:
    value = number(row, name)
    assert value is not None
    return value
