"""`onnx-classifier`: what any classifier in an ONNX file says of source and target.

Features of pictures by a model in an ONNX file, such as a face recognition network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor

from gdp import BuildContext, Decision, PairBatch, Score, Scores, ScoringFilter, ShapeError, Verdict
from gdp.plugins.onnx_filters.config import EmbeddingModel, FaceCrop, Of, OnnxClassifierConfig, Rule
from gdp.plugins.onnx_filters.detector import FaceFinder, HeadReader, straddling, within
from gdp.plugins.onnx_filters.model import OnnxModel, square_around
from gdp.toolbox import content_key, number, pictures_by_part

Finding = tuple[Decision, str]
"""A decision other than keep, and its reason."""


class OnnxClassifierFilter(ScoringFilter):
    """Asks the model about every picture once; the rules only decide.

    Scores of each part (source, source2, target) and head: `source_gender` with `source_gender_confidence` for labels;
    `source_age_low`, `source_age_high` (None where the bin is open), `source_age_confidence` and the mean over all bins
    `source_age` for bins; `source_age` for a regression. A bin that a limit parts makes the pair "unknown", as does a
    confidence below `min_confidence`. With `face`, also `source_face`, the score of the face that was shown.

    Raises:
        MissingResourceError: onnxruntime or a model's file is not there.
        CorruptFileError: a file is no model that can be run.
        ShapeError: the model does not read or tell what the settings say.
    """

    score_settings = frozenset({"input", "heads", "face"})

    def __init__(self, config: OnnxClassifierConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._model = OnnxModel(config.weights, config.input, context.device)
        self._heads = [HeadReader(name, head, self._model) for name, head in config.heads.items()]
        self._finder = None if config.face is None else FaceFinder(config.face, context.device)
        size = self._model.settings
        if self._finder is not None and size.width != size.height:
            raise ShapeError(
                f"{config.weights}: a face is cut out as a square and the model reads {size.width} x {size.height} "
                "pixels. Take the setting face out and choose a fixed input.crop."
            )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the models' files."""
        finder = "" if self._finder is None else self._finder.fingerprint
        return content_key({"classifier": self._model.fingerprint, "detector": finder})

    def check(self) -> str:
        """Tell which answers can never decide a rule, and which model shown whole pictures wants a face."""
        remarks = []
        for name, rule in self.config.all_rules():
            if bins := straddling(self.config.heads[name], rule):
                limits = " and ".join(f"{limit:g}" for limit in (rule.min, rule.max) if limit is not None)
                remarks.append(f"{name} {', '.join(bins)} straddles {limits}: such pairs are unknown")
        if not self.config.all_rules():
            remarks.append("measures only: no rule is set")
        return "; ".join(remarks)

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Ask the model about every picture."""
        rows: list[dict[str, Score]] = [{} for _ in pairs.indices]
        for part, images in pictures_by_part(pairs).items():
            for row, told in zip(rows, self._ask(images), strict=True):
                row |= {f"{part}_{name}": value for name, value in told.items()}
        return [*rows]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Judge by every rule; one that says drop comes before one that cannot tell."""
        verdicts = {}
        for index, row in scores.items():
            found = list(self._findings(row))
            # The sort is stable: of several reasons the first counts.
            found.sort(key=lambda finding: finding[0] != "drop")
            verdicts[index] = Verdict(found[0][0], row, found[0][1]) if found else Verdict.keep(**row)
        return verdicts

    def _ask(self, images: Tensor) -> list[dict[str, Score]]:
        if self._finder is None:
            return self._read(images)
        assert self.config.face is not None
        best = [next(iter(faces), None) for faces in self._finder.find(images)]
        seen = [
            (position, face)
            for position, face in enumerate(best)
            if face is not None and face.score >= self.config.face.min_score
        ]
        nothing: dict[str, Score] = dict.fromkeys(self._score_names())
        told: list[dict[str, Score]] = [{**nothing, "face": 0.0 if face is None else face.score} for face in best]
        if seen:
            settings = self._model.settings
            assert settings.width is not None
            shown = images[torch.tensor([position for position, _ in seen])]
            boxes = [face.box for _, face in seen]
            squares = square_around(shown, boxes, self.config.face.margin, settings.width, settings.resize)
            for (position, _), answer in zip(seen, self._read(squares), strict=True):
                told[position] |= answer
        return told

    def _read(self, images: Tensor) -> list[dict[str, Score]]:
        outputs = self._model.run(images)
        told: list[dict[str, Score]] = [{} for _ in images]
        for head in self._heads:
            for position, answer in enumerate(head.read(outputs)):
                told[position] |= answer
        return told

    def _score_names(self) -> list[str]:
        endings = {"bins": ("", "_low", "_high", "_confidence"), "labels": ("", "_confidence"), "regression": ("",)}
        return [f"{name}{ending}" for name, head in self.config.heads.items() for ending in endings[head.kind]]

    def _findings(self, row: Scores) -> Iterator[Finding]:
        for name, rule in self.config.all_rules():
            for part in _parts(rule, row):
                if (finding := self._unclear(row, part, name)) is not None:
                    yield finding
            yield from self._limits(row, name, rule)
            yield from self._labels(row, name, rule)
            yield from self._changes(row, name, rule)

    def _unclear(self, row: Scores, part: str, name: str) -> Finding | None:
        if row[f"{part}_{name}"] is None:
            seen = self._finder is None or self._face_seen(row, part)
            return "unknown", f"the model gives no {name}" if seen else f"no face in the {part.rstrip('2')}"
        confidence = number(row, f"{part}_{name}_confidence")
        if confidence is not None and confidence < self.config.min_confidence:
            return "unknown", f"{name} of the {part.rstrip('2')} is not certain enough"
        return None

    def _face_seen(self, row: Scores, part: str) -> bool:
        face: FaceCrop | None = self.config.face
        return face is not None and (number(row, f"{part}_face") or 0.0) >= face.min_score

    def _certain(self, row: Scores, parts: tuple[str, ...], name: str) -> list[str]:
        return [part for part in parts if self._unclear(row, part, name) is None]

    def _limits(self, row: Scores, name: str, rule: Rule) -> Iterator[Finding]:
        if rule.min is None and rule.max is None:
            return
        for part in self._certain(row, _parts_of(rule.of, row), name):
            low, high = self._range(row, part, name)
            good = within(rule, low, high)
            which = f"{name} of the {part.rstrip('2')}"
            if good is None:
                yield "unknown", f"{which} lies on both sides of a limit"
            elif not good:
                below = rule.min is not None and low < rule.min
                yield "drop", f"{which} is {'below' if below else 'above'} {rule.min if below else rule.max:g}"

    def _range(self, row: Scores, part: str, name: str) -> tuple[float, float]:
        if self.config.heads[name].kind == "bins":
            high = number(row, f"{part}_{name}_high")
            return number(row, f"{part}_{name}_low") or 0.0, math.inf if high is None else high
        value = number(row, f"{part}_{name}") or 0.0
        return value, value

    def _labels(self, row: Scores, name: str, rule: Rule) -> Iterator[Finding]:
        for part in self._certain(row, _parts_of(rule.of, row), name):
            label = row[f"{part}_{name}"]
            if (rule.allowed and label not in rule.allowed) or label in rule.forbidden:
                yield "drop", f"{name} of the {part.rstrip('2')} is {label}"

    def _changes(self, row: Scores, name: str, rule: Rule) -> Iterator[Finding]:
        if len(self._certain(row, ("source", "target"), name)) < 2:
            return
        key = f"{name}_low" if self.config.heads[name].kind == "bins" else name
        if rule.same and row[f"source_{key}"] != row[f"target_{key}"]:
            yield "drop", f"the edit changed {name}"
        before, after = number(row, f"source_{name}"), number(row, f"target_{name}")
        if before is None or after is None:
            return
        if rule.min_change is not None and after - before < rule.min_change:
            yield "drop", f"{name} changes by less than {rule.min_change:g}"
        if rule.max_change is not None and after - before > rule.max_change:
            yield "drop", f"{name} changes by more than {rule.max_change:g}"


def _parts_of(of: Of, row: Scores) -> tuple[str, ...]:
    """Return the parts that a rule limits; a second source picture counts as the source."""
    sources = tuple(part for part in ("source", "source2") if any(name.startswith(f"{part}_") for name in row))
    return {"source": sources, "target": ("target",), "both": (*sources, "target")}[of]


def _parts(rule: Rule, row: Scores) -> tuple[str, ...]:
    """Return every part that a rule looks at."""
    compares = rule.same or rule.min_change is not None or rule.max_change is not None
    limits = rule.min is not None or rule.max is not None or bool(rule.allowed or rule.forbidden)
    limited = _parts_of(rule.of, row) if limits else ()
    return tuple(dict.fromkeys((*limited, *(("source", "target") if compares else ()))))


class FaceEmbedding:
    """Turns pictures into features.

    Raises:
        MissingResourceError, CorruptFileError, ShapeError: the model cannot be used, see `OnnxModel`.
    """

    def __init__(self, settings: EmbeddingModel, device: torch.device) -> None:
        self._model = OnnxModel(settings.weights, settings.input, device)
        self._output = self._model.output(settings.output, "the features")

    @property
    def fingerprint(self) -> str:
        """sha256 of the model's file."""
        return self._model.fingerprint

    def embed(self, images: Tensor) -> Tensor:
        """Return the features of pictures (N, 3, H, W) in [-1, 1]: (N, K) float64 on the CPU."""
        return self._model.run(images)[self._output].flatten(1).double()
