"""Find faces with a detector whose heads are like UltraFace's (single-shot detector, anchors decoded in the file)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou, nms

from gdp.core.errors import ShapeError
from gdp.plugins.onnx_filters.config import FaceDetectorModel
from gdp.plugins.onnx_filters.model import OnnxModel
from gdp.plugins.onnx_filters.pictures import Box

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
