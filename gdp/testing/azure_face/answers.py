"""What the service says of a picture with a face, as JSON."""

from __future__ import annotations

import uuid
from typing import Any

from gdp.testing.azure_face.judging import Judgement
from gdp.testing.azure_face.protocol import Question

_LANDMARKS = {
    "pupilLeft": (0.30, 0.38), "pupilRight": (0.70, 0.38), "noseTip": (0.50, 0.60), "mouthLeft": (0.34, 0.76),
    "mouthRight": (0.66, 0.76), "eyebrowLeftOuter": (0.18, 0.28), "eyebrowLeftInner": (0.42, 0.28),
    "eyeLeftOuter": (0.23, 0.38), "eyeLeftTop": (0.30, 0.35), "eyeLeftBottom": (0.30, 0.41),
    "eyeLeftInner": (0.37, 0.38), "eyebrowRightInner": (0.58, 0.28), "eyebrowRightOuter": (0.82, 0.28),
    "eyeRightInner": (0.63, 0.38), "eyeRightTop": (0.70, 0.35), "eyeRightBottom": (0.70, 0.41),
    "eyeRightOuter": (0.77, 0.38), "noseRootLeft": (0.45, 0.40), "noseRootRight": (0.55, 0.40),
    "noseLeftAlarTop": (0.43, 0.54), "noseRightAlarTop": (0.57, 0.54), "noseLeftAlarOutTip": (0.40, 0.60),
    "noseRightAlarOutTip": (0.60, 0.60), "upperLipTop": (0.50, 0.73), "upperLipBottom": (0.50, 0.75),
    "underLipTop": (0.50, 0.78), "underLipBottom": (0.50, 0.81),
}  # fmt: skip
"""The 27 landmarks, as shares of the face's square."""


def faces(question: Question, judgement: Judgement | None) -> list[dict[str, Any]]:
    """Answer a question about a picture; an empty list where no face was found."""
    if judgement is None:
        return []
    square = judgement.square
    rectangle = {"top": square.top, "left": square.left, "width": square.side, "height": square.side}
    face: dict[str, Any] = {"faceRectangle": rectangle}
    if question.face_id:
        face["faceId"] = str(uuid.uuid4())
    if question.name_recognition_model:
        face["recognitionModel"] = question.recognition_model
    if question.landmarks:
        face["faceLandmarks"] = {
            name: {"x": round(square.left + x * square.side, 1), "y": round(square.top + y * square.side, 1)}
            for name, (x, y) in _LANDMARKS.items()
        }
    if question.attributes:
        face["faceAttributes"] = _attributes(question, judgement)
    return [face]


def _attributes(question: Question, judgement: Judgement) -> dict[str, Any]:
    quality, worn = judgement.quality, judgement.glasses >= 0.5
    said = {
        "accessories": [{"type": "glasses", "confidence": round(judgement.glasses, 2)}] if worn else [],
        "age": round(judgement.age, 1),
        "blur": {"blurLevel": quality.blur_level, "value": round(quality.blur, 2)},
        "exposure": {"exposureLevel": quality.exposure_level, "value": round(quality.exposure, 2)},
        "glasses": _spelling("readingGlasses" if worn else "noGlasses", question),
        "headPose": {"pitch": 0.0, "roll": 0.0, "yaw": 0.0},
        "mask": {"type": _spelling("noMask", question), "noseAndMouthCovered": False},
        "noise": {"noiseLevel": quality.noise_level, "value": round(quality.noise, 2)},
        "occlusion": {"foreheadOccluded": False, "eyeOccluded": False, "mouthOccluded": False},
        "qualityForRecognition": _recognition_quality(judgement),
    }
    return {name: said[name] for name in question.attributes}


def _spelling(word: str, question: Question) -> str:
    """Spell a word as the version of the API does: NoGlasses in v1.0, noGlasses in v1.2."""
    return word if question.version == "v1.2" else word[0].upper() + word[1:]


def _recognition_quality(judgement: Judgement) -> str:
    """Say how well the face could be recognised: a large, sharp and well lit one is of high quality."""
    quality, side = judgement.quality, judgement.square.side
    if side < 50 or quality.blur_level == "high" or quality.exposure_level != "goodExposure":
        return "low"
    return "high" if side >= 100 and quality.blur_level == "low" else "medium"
