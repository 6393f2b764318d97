"""`face-attributes`: what the built-in judge says of source and target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import torch
from torch import Tensor

from gdp import BuildContext, PairBatch, Score, Scores, ScoringFilter, Verdict
from gdp.plugins.faces.judge import FaceJudge, builtin_fingerprint
from gdp.plugins.filters import FaceAttributesConfig
from gdp.toolbox import in_fixed_chunks, number, pictures_by_part

_CHUNK = 16
_NUMBERS = ("face", "age", "glasses", "smile")
_CLASSES = ("hair_length", "skin")


class FaceAttributesFilter(ScoringFilter):
    """Judges every picture of a pair once; the settings only decide, so changing them judges nothing again.

    Scores are `source_age`, `target_age` and so on for face, age (years), glasses and smile (probabilities), and for
    hair_length and skin (number of the most probable class). A second source picture has `source2_` scores; what is
    asked of the source is asked of both. The judge knows faces like those of the built-in renderer, not photographs.

    Raises:
        MissingResourceError: the judge's weights are not in the package.
        CorruptFileError: they cannot be read.
    """

    score_settings = frozenset()

    def __init__(self, config: FaceAttributesConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._judge = FaceJudge.load()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the judge's weights."""
        return builtin_fingerprint()

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Judge every picture: probabilities to 4 digits, ages to hundredths of a year."""
        scores: list[dict[str, Score]] = [{} for _ in pairs.indices]
        for part, images in pictures_by_part(pairs).items():
            found = in_fixed_chunks(self._assess, images.to(self.context.device), _CHUNK).cpu().tolist()
            for row, values in zip(scores, found, strict=True):
                row |= {f"{part}_{name}": round(value, 4) for name, value in zip(_NUMBERS, values, strict=False)}
                row[f"{part}_age"] = round(values[_NUMBERS.index("age")], 2)
                row |= {
                    f"{part}_{name}": int(value) for name, value in zip(_CLASSES, values[len(_NUMBERS) :], strict=True)
                }
        return [*scores]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Keep the pairs that pass every setting; the reason names the first that a pair fails."""
        checks: list[Callable[[Scores], str | None]] = [
            self._no_face,
            self._age,
            self._age_shift,
            self._not_opposite,
            self._changed,
        ]
        verdicts = {}
        for index, row in scores.items():
            reason = next((reason for check in checks if (reason := check(row)) is not None), None)
            verdicts[index] = Verdict.keep_if(reason is None, reason=reason, **row)
        return verdicts

    def _assess(self, images: Tensor) -> Tensor:
        found = self._judge.assess(images)
        numbers = [getattr(found, name) for name in _NUMBERS]
        classes = [getattr(found, name).argmax(dim=1).float() for name in _CLASSES]
        return torch.stack([*numbers, *classes], dim=1)  # (N, 6)

    def _no_face(self, row: Scores) -> str | None:
        for part in (*_sources(row), "target"):
            if _number(row, part, "face") < self.config.min_face:
                return f"no face in the {part.rstrip('2')}"
        return None

    def _age(self, row: Scores) -> str | None:
        parts = (*_sources(row), "target") if self.config.age_of == "both" else _sources(row)
        ages = [_number(row, part, "age") for part in parts]
        if self.config.min_age is not None and min(ages) < self.config.min_age:
            return f"younger than {self.config.min_age:g}"
        if self.config.max_age is not None and max(ages) > self.config.max_age:
            return f"older than {self.config.max_age:g}"
        return None

    def _age_shift(self, row: Scores) -> str | None:
        shift = _number(row, "target", "age") - _number(row, "source", "age")
        if self.config.min_age_shift is not None and shift < self.config.min_age_shift:
            return f"age shift below {self.config.min_age_shift:g} years"
        if self.config.max_age_shift is not None and shift > self.config.max_age_shift:
            return f"age shift above {self.config.max_age_shift:g} years"
        return None

    def _not_opposite(self, row: Scores) -> str | None:
        rule = self.config.opposite
        if rule is None:
            return None
        offsets = [_number(row, part, rule.attribute) - rule.threshold for part in ("source", "target")]
        if min(offsets) < -rule.margin and max(offsets) > rule.margin:
            return None
        return f"not in opposite classes of {rule.attribute}"

    def _changed(self, row: Scores) -> str | None:
        for attribute in self.config.unchanged:
            source, target = (_class(row, part, attribute) for part in ("source", "target"))
            if source != target:
                return f"the edit changed {attribute}"
        return None


def _sources(row: Scores) -> tuple[str, ...]:
    return ("source", "source2") if "source2_face" in row else ("source",)


def _number(row: Scores, part: str, attribute: str) -> float:
    value = number(row, f"{part}_{attribute}")
    assert value is not None
    return value


def _class(row: Scores, part: str, attribute: str) -> int:
    """Return the judged class: probabilities of glasses and smile are parted at one half."""
    value = _number(row, part, attribute)
    return int(value) if attribute in _CLASSES else int(value >= 0.5)
