"""The questions that the service understands, and how it refuses those that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gdp.testing.azure_face.settings import Settings

API_VERSIONS = ("v1.0", "v1.2")
LEAST_BYTES, MOST_BYTES = 1024, 6 * 1024 * 1024
FORMATS = ("JPEG", "PNG", "GIF", "BMP")

_QUALITY = "qualityForRecognition"
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "detection_01": frozenset(
        {"accessories", "blur", "exposure", "glasses", "headPose", "noise", "occlusion", _QUALITY}
    ),
    "detection_02": frozenset(),
    "detection_03": frozenset({"blur", "exposure", "glasses", "headPose", "mask", "occlusion", _QUALITY}),
}
"""Which attributes each detection model offers."""
RETIRED = frozenset({"age", "gender", "emotion", "smile", "facialHair", "hair", "makeup"})
_RECOGNITION_MODELS = ("recognition_01", "recognition_02", "recognition_03", "recognition_04")
_QUALITY_MODELS = ("recognition_03", "recognition_04")
_PARAMETERS = frozenset(
    {
        "_overload", "detectionModel", "faceIdTimeToLive", "recognitionModel", "returnFaceAttributes", "returnFaceId",
        "returnFaceLandmarks", "returnRecognitionModel",
    }
)  # fmt: skip
_HOW_TO_APPLY = "missing approval for one or more of the following features"


class RefusalError(Exception):
    """The service refuses a request: an HTTP status, the body that explains it, and seconds to wait where it says."""

    def __init__(
        self, status: int, code: str, message: str, *, inner: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status
        self.code = code
        self.message = message
        self.inner = inner

    def body(self) -> dict[str, Any]:
        """Return the body, as JSON."""
        if self.inner is None:
            return {"error": {"code": self.code, "message": self.message}}
        inner = {"code": self.inner, "message": self.message}
        return {"error": {"code": self.code, "message": "Invalid request has been sent.", "innererror": inner}}


@dataclass(frozen=True)
class Question:
    """What a request asks of its picture."""

    version: str
    detection_model: str
    recognition_model: str
    attributes: tuple[str, ...]
    face_id: bool
    landmarks: bool
    name_recognition_model: bool


def read_question(version: str, query: Mapping[str, str], settings: Settings) -> Question:
    """Read a request's query.

    Raises:
        RefusalError: 400 for a model, attribute or value that there is not; 403 for what the account may not have.
    """
    unknown = sorted(set(query) - _PARAMETERS)
    if unknown:
        raise _bad_argument(f"Unknown query parameter '{unknown[0]}'.")
    detection = _one_of(query, "detectionModel", tuple(ATTRIBUTES))
    recognition = _one_of(query, "recognitionModel", _RECOGNITION_MODELS)
    question = Question(
        version=version,
        detection_model=detection,
        recognition_model=recognition,
        attributes=_attributes(query.get("returnFaceAttributes", ""), detection, recognition, settings),
        face_id=_truth(query, "returnFaceId", True),
        landmarks=_truth(query, "returnFaceLandmarks", False),
        name_recognition_model=_truth(query, "returnRecognitionModel", False),
    )
    if question.landmarks and detection == "detection_02":
        raise _bad_argument("'returnLandmarks' is not supported by detection_02.")
    seconds = query.get("faceIdTimeToLive", "86400")
    if not seconds.isdecimal() or not 60 <= int(seconds) <= 86400:
        raise _bad_argument("'faceIdTimeToLive' is invalid. Valid range is between 60 and 86400.")
    if question.face_id and not settings.limited_access_identification:
        raise _unsupported(f"Feature is not supported, {_HOW_TO_APPLY}: Identification,Verification.")
    return question


def _attributes(text: str, detection: str, recognition: str, settings: Settings) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = {name.lower(): name for name in frozenset().union(RETIRED, *ATTRIBUTES.values())}
    if any(name.lower() not in known for name in names):
        raise _bad_argument("Invalid argument returnFaceAttributes.")
    names = tuple(known[name.lower()] for name in names)
    if names and not ATTRIBUTES[detection]:
        raise _bad_argument(f"'returnFaceAttributes' is not supported by {detection}.")
    granted = {"age"} if settings.limited_access_age else set()
    refused = [name for name in names if name in RETIRED - granted]
    if refused:
        raise _unsupported(f"Feature is not supported, {_HOW_TO_APPLY}: {','.join(refused)}.")
    offered = ATTRIBUTES[detection] | (granted if detection == "detection_01" else set())
    if any(name not in offered for name in names):
        raise _bad_argument("Invalid argument returnFaceAttributes.")
    if _QUALITY in names and recognition not in _QUALITY_MODELS:
        raise _bad_argument(f"'{_QUALITY}' is not supported by {recognition}.")
    return names


def _one_of(query: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = query.get(name, allowed[0])
    if value not in allowed:
        raise _bad_argument(f"'{name}' is invalid.")
    return value


def _truth(query: Mapping[str, str], name: str, default: bool) -> bool:
    value = query.get(name, str(default)).lower()
    if value not in ("true", "false"):
        raise _bad_argument(f"'{name}' is invalid.")
    return value == "true"


def _bad_argument(message: str) -> RefusalError:
    return RefusalError(400, "BadArgument", message)


def _unsupported(message: str) -> RefusalError:
    return RefusalError(403, "InvalidRequest", message, inner="UnsupportedFeature")


def wrong_key() -> RefusalError:
    """Return the refusal of a request without the right key."""
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource."
    )
    return RefusalError(401, "401", message)


def too_many(version: str, seconds: int) -> RefusalError:
    """Return the refusal of a request that comes too early."""
    message = (
        f"Requests to the Face - Detect Operation under Face API ({version}) have exceeded rate limit of your current "
        f"Face pricing tier. Please retry after {seconds} second{'' if seconds == 1 else 's'}."
    )
    return RefusalError(429, "429", message, retry_after=seconds)


def wrong_size(byte_count: int) -> RefusalError | None:
    """Return the refusal of a body of that size, None where it may pass."""
    if byte_count < LEAST_BYTES:
        return RefusalError(400, "InvalidImageSize", "Image size is too small.")
    if byte_count > MOST_BYTES:
        return RefusalError(400, "InvalidImageSize", "Image size is too big.")
    return None


def wrong_media_type(content_type: str) -> RefusalError | None:
    """Return the refusal of a body of that type, None where it may pass."""
    if content_type == "application/octet-stream":
        return None
    if content_type == "application/json":
        # The emulator fetches nothing, so no address leads to a picture.
        return RefusalError(400, "InvalidURL", "Invalid image URL or error downloading from target server.")
    return RefusalError(415, "BadArgument", "Invalid Media Type.")


def no_picture() -> RefusalError:
    """Return the refusal of bytes that are no picture of a supported format."""
    return RefusalError(400, "InvalidImage", "Decoding error, image format unsupported.")
