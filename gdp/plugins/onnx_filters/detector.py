"""`onnx-face-detector`: one face, large enough, and in the same place in source and target.

Find faces with a detector whose heads are like UltraFace's (single-shot detector, anchors decoded in the file).

What the numbers of a model's head mean, and what a rule says of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou, nms

from gdp import BuildContext, PairBatch, Score, Scores, ScoringFilter, ShapeError, Verdict
from gdp.plugins.onnx_filters.config import FaceDetectorModel, Head, OnnxFaceDetectorConfig, Rule
from gdp.plugins.onnx_filters.model import Box, OnnxModel
from gdp.toolbox import pictures_by_part


class HeadReader:
    """Reads one head out of a model's outputs.

    Raises:
        ShapeError: the model has no such output, or it holds another count of numbers than the head has meanings.
    """

    def __init__(self, name: str, head: Head, model: OnnxModel) -> None:
        self.name = name
        self.head = head
        self.output = model.output(head.output, f"the head {name}")
        size = math.prod(model.outputs[self.output])
        first, last = head.slice or (0, size)
        self._slice = slice(first, last)
        wanted = len(head.bins) or len(head.labels) or 1
        if head.activation == "sigmoid":
            wanted = 1
        if last > size or last - first != wanted:
            raise ShapeError(
                f"{model.path}: the head {name} has {wanted} numbers; the output {self.output} has {size}"
                + (f", of which the slice takes {first} to {last}." if head.slice else ": say which (slice).")
            )

    def read(self, outputs: dict[str, Tensor]) -> list[dict[str, Score]]:
        """Return what the head tells of each picture, from the outputs (N, ...) of the model.

        Of a head called age, labels: `age` and `age_confidence`. bins: `age_low`, `age_high` (None where it is open),
        `age_confidence`, and `age`, the mean over all bins. regression: `age`. None where the model gave no number.
        """
        numbers = outputs[self.output].flatten(1)[:, self._slice].double()  # (N, numbers)
        return [self._meaning(row) for row in self._activated(numbers)]

    def _activated(self, numbers: Tensor) -> Tensor:
        head = self.head
        if head.kind == "regression" or head.activation == "none":
            return torch.sigmoid(numbers) if head.activation == "sigmoid" else numbers
        if head.activation == "sigmoid":
            one = torch.sigmoid(numbers)
            return torch.cat([1 - one, one], dim=1)
        return torch.softmax(numbers, dim=1)

    def _meaning(self, numbers: Tensor) -> dict[str, Score]:
        name, head = self.name, self.head
        sound = bool(torch.isfinite(numbers).all())
        if head.kind == "regression":
            return {name: round(float(numbers[0]) * head.factor + head.offset, 4) if sound else None}
        best = int(numbers.argmax())
        confidence = round(float(numbers[best]), 4) if sound else None
        if head.kind == "labels":
            return {name: head.labels[best] if sound else None, f"{name}_confidence": confidence}
        bounds = head.bins[best]
        low, high = bounds[0], bounds[1] if len(bounds) == 2 else None
        mean = (
            sum(float(share) * middle for share, middle in zip(numbers, _middles(head), strict=True)) if sound else 0.0
        )
        return {
            name: round(mean, 2) if sound else None,
            f"{name}_low": low if sound else None,
            f"{name}_high": high if sound else None,
            f"{name}_confidence": confidence,
        }


def _middles(head: Head) -> list[float]:
    """Return the middle of each bin; an open one counts as wide as the one before it."""
    ranges: list[tuple[float, float]] = []
    for bounds in head.bins:
        width = ranges[-1][1] - ranges[-1][0] if ranges else 0.0
        ranges.append((bounds[0], bounds[1] if len(bounds) == 2 else bounds[0] + width))
    return [(low + high) / 2 for low, high in ranges]


def straddling(head: Head, rule: Rule) -> list[str]:
    """Return the bins that hold a limit of the rule inside, such as 10-19 for 18."""
    found = []
    for bounds in head.bins:
        low, high = bounds[0], bounds[1] if len(bounds) == 2 else math.inf
        if any(limit is not None and _side(low, high, limit, least) is None for limit, least in _limits(rule)):
            found.append(f"{low:g}-{high:g}" if math.isfinite(high) else f"{low:g} and above")
    return found


def within(rule: Rule, low: float, high: float) -> bool | None:
    """Say whether what lies somewhere from low to high keeps to `min` and `max`; None where that is not certain."""
    sides = [_side(low, high, limit, least) for limit, least in _limits(rule) if limit is not None]
    if False in sides:
        return False
    return None if None in sides else True


def _limits(rule: Rule) -> tuple[tuple[float | None, bool], tuple[float | None, bool]]:
    return (rule.min, True), (rule.max, False)


def _side(low: float, high: float, limit: float, least: bool) -> bool | None:
    """Say whether low to high lies on the right side of a limit; None where the limit parts it."""
    if least:
        return True if low >= limit else (False if high < limit else None)
    return True if high <= limit else (False if low > limit else None)


FLOOR = 0.1
"""Scores below it are no faces, whatever the settings."""
MOST_FACES = 8
"""Faces that are told of a picture, the best ones."""
_CANDIDATES = 200
_BEYOND = 0.5
"""How far a box may reach beyond the picture, as a share of it."""


class Face(NamedTuple):
    """A face in a picture."""

    score: float
    """Probability in [0, 1], to 4 digits."""
    box: Box
    """Left, top, right and bottom as shares of the picture, to 4 digits; may reach beyond its edges."""

    @property
    def height(self) -> float:
        """Share of the picture's height."""
        return self.box[3] - self.box[1]


class FaceFinder:
    """Finds faces in pictures of any size.

    Raises:
        MissingResourceError, CorruptFileError, ShapeError: the model cannot be used, see `OnnxModel`, or its heads are
            no scores (P, 2) and boxes (P, 4).
    """

    def __init__(self, settings: FaceDetectorModel, device: torch.device) -> None:
        self._model = OnnxModel(settings.weights, settings.input, device)
        self._max_box_overlap = settings.max_box_overlap
        self._scores = self._model.output(settings.scores, "the scores of faces")
        self._boxes = self._model.output(settings.boxes, "the boxes of faces")
        scores, boxes = self._model.outputs[self._scores], self._model.outputs[self._boxes]
        if len(scores) != 2 or scores[1] != 2 or boxes != (scores[0], 4):
            raise ShapeError(
                f"{settings.weights}: a face detector like UltraFace has scores (N, P, 2) and boxes (N, P, 4); this "
                f"model's are (N, {', '.join(map(str, scores))}) and (N, {', '.join(map(str, boxes))})."
            )

    @property
    def fingerprint(self) -> str:
        """sha256 of the model's file."""
        return self._model.fingerprint

    def find(self, images: Tensor) -> list[list[Face]]:
        """Return the faces of each picture (N, 3, H, W) in [-1, 1], best first, at most 8, with scores from 0.1."""
        outputs = self._model.run(images)
        return [
            self._faces(scores[:, 1], boxes)
            for scores, boxes in zip(outputs[self._scores], outputs[self._boxes], strict=True)
        ]

    def _faces(self, scores: Tensor, boxes: Tensor) -> list[Face]:
        # A box of NaN or one turned inside out is no face, and one of astronomical size must not be cut out as it is.
        boxes = boxes.clamp(-_BEYOND, 1 + _BEYOND)
        sound = torch.isfinite(scores) & torch.isfinite(boxes).all(dim=1) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        candidates = (sound & (scores >= FLOOR)).nonzero()[:, 0]
        best = candidates[scores[candidates].argsort(descending=True, stable=True)[:_CANDIDATES]]
        kept = best[nms(boxes[best], scores[best], self._max_box_overlap)][:MOST_FACES]
        return [
            Face(round(min(score, 1.0), 4), (round(a, 4), round(b, 4), round(c, 4), round(d, 4)))
            for score, (a, b, c, d) in zip(scores[kept].tolist(), boxes[kept].tolist(), strict=True)
        ]


def overlap(first: Face, second: Face) -> float:
    """Return the intersection over union of two faces' boxes, in [0, 1]."""
    return float(box_iou(torch.tensor([first.box]), torch.tensor([second.box])))


class OnnxFaceDetectorFilter(ScoringFilter):
    """Looks for faces in every picture once; the thresholds only decide.

    Scores of each part (source, source2, target): `source_face`, the best face's score in [0, 1] (0 where nothing was
    found), `source_face_size`, its height as a share of the picture's, and `source_faces`, all of them as JSON: score,
    left, top, right, bottom.

    Raises:
        MissingResourceError: onnxruntime or the model's file is not there.
        CorruptFileError: the file is no model that can be run.
        ShapeError: the model is no detector like UltraFace, or does not read what the settings say.
    """

    score_settings = frozenset({"input", "scores", "boxes", "max_box_overlap"})

    def __init__(self, config: OnnxFaceDetectorConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._finder = FaceFinder(config, context.device)

    @property
    def fingerprint(self) -> str:
        """sha256 of the model's file."""
        return self._finder.fingerprint

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Find the faces of every picture."""
        rows: list[dict[str, Score]] = [{} for _ in pairs.indices]
        for part, images in pictures_by_part(pairs).items():
            for row, faces in zip(rows, self._finder.find(images), strict=True):
                row[f"{part}_face"] = faces[0].score if faces else 0.0
                row[f"{part}_face_size"] = round(faces[0].height, 4) if faces else None
                row[f"{part}_faces"] = json.dumps([[face.score, *face.box] for face in faces])
        return [*rows]

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Keep the pairs that pass every setting; the reason names the first that a pair fails."""
        verdicts = {}
        for index, row in scores.items():
            faces = {part: self._faces(row, part) for part in ("source", "source2", "target") if f"{part}_face" in row}
            reason = next((reason for part in faces if (reason := self._fault(part, faces[part]))), None)
            shared = _overlap(faces)
            if reason is None and shared is not None and shared < self.config.min_overlap:
                reason = f"faces overlap by less than {self.config.min_overlap:g}"
            counts = {f"{part}_face_count": len(found) for part, found in faces.items()}
            verdicts[index] = Verdict.keep_if(reason is None, reason=reason, **row, **counts, face_overlap=shared)
        return verdicts

    def _faces(self, row: Scores, part: str) -> list[Face]:
        told = json.loads(str(row[f"{part}_faces"]))
        return [Face(score, tuple(box)) for score, *box in told if score >= self.config.min_score]

    def _fault(self, part: str, faces: list[Face]) -> str | None:
        where = f"in the {part.rstrip('2')}"
        if len(faces) < self.config.min_faces:
            return f"no face {where}" if not faces else f"too few faces {where}"
        if self.config.max_faces is not None and len(faces) > self.config.max_faces:
            return f"more than {self.config.max_faces} faces {where}" if self.config.max_faces else f"a face {where}"
        if faces and faces[0].height < self.config.min_size:
            return f"face too small {where}"
        return None


def _overlap(faces: Mapping[str, list[Face]]) -> float | None:
    """Return how much the best faces of source and target overlap; None where one of them has none."""
    if not faces["source"] or not faces["target"]:
        return None
    return round(overlap(faces["source"][0], faces["target"][0]), 4)
