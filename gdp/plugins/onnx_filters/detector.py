"""`onnx-face-detector`: one face, large enough, and in the same place in source and target."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.pairs import PairBatch, Score, Scores, Verdict
from gdp.plugins.onnx_filters.config import OnnxFaceDetectorConfig
from gdp.plugins.onnx_filters.faces import Face, FaceFinder, overlap
from gdp.support.picture_parts import pictures_by_part


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
