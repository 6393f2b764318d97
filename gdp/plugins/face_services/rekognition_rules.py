"""The rules of `rekognition`: which attribute each needs, and what it says of a face's scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from gdp import Json, Score
from gdp.plugins.face_services.config import RekognitionConfig
from gdp.plugins.face_services.judging import Face, Test
from gdp.plugins.face_services.pictures import faces_of, number, refused

_YES_OR_NO: Mapping[str, tuple[str, str]] = {
    "eyeglasses": ("EYEGLASSES", "Eyeglasses"),
    "sunglasses": ("SUNGLASSES", "Sunglasses"),
    "smile": ("SMILE", "Smile"),
    "occluded": ("FACE_OCCLUDED", "FaceOccluded"),
}
"""By setting, the name in the question and that in the answer."""
_AGE = "AGE_RANGE"
_ANSWERED = ("BoundingBox", "Confidence", "Pose", "Quality", "AgeRange", *(name for _, name in _YES_OR_NO.values()))


def needed_attributes(config: RekognitionConfig) -> tuple[str, ...]:
    """Return what is asked for beside box, confidence, pose and quality, which every answer holds; sorted."""
    needed = {asked for setting, (asked, _) in _YES_OR_NO.items() if getattr(config, setting) is not None}
    if config.min_age is not None or config.max_age is not None:
        needed.add(_AGE)
    return tuple(sorted(needed))


def kept_of(face: Mapping[str, Json]) -> dict[str, Json]:
    """Return what is stored of a face: no landmarks, of which there are thirty."""
    return {name: face[name] for name in _ANSWERED if name in face}


def measure(answer: Json, attributes: Sequence[str]) -> dict[str, Score]:
    """Return the scores of a picture: how many faces, and what is said of the largest one; None for what is not.

    Args:
        answer: {"faces": FaceDetails}, or {"problem": words}.
        attributes: what the service was asked for.

    Raises:
        KeyError, TypeError, ValueError: the answer is not of the documented shape.
    """
    if "problem" in answer:
        return refused(answer)
    faces = faces_of(answer)
    largest = max(faces, key=_area, default=None)
    return {"faces": len(faces), **_common(largest), **_asked(largest, attributes)}


def rules(config: RekognitionConfig) -> list[tuple[Test, str]]:
    """Return the rules that a recipe sets, each with the reason to drop a pair, in the order in which they judge."""
    return [*_ages(config), *_limits(config), *_wearing(config)]


def _area(face: Json) -> float:
    box = face["BoundingBox"]
    return number(box["Width"]) * number(box["Height"])


def _common(face: Json) -> dict[str, Score]:
    names = ("confidence", "brightness", "sharpness", "yaw", "pitch", "roll")
    if face is None:
        return dict.fromkeys(names)
    quality, pose = face["Quality"], face["Pose"]
    values = (
        face["Confidence"], quality["Brightness"], quality["Sharpness"], pose["Yaw"], pose["Pitch"], pose["Roll"],
    )  # fmt: skip
    return {name: number(value) for name, value in zip(names, values, strict=True)}


def _asked(face: Json, attributes: Sequence[str]) -> dict[str, Score]:
    scores: dict[str, Score] = {}
    if _AGE in attributes:
        low, high = (None, None) if face is None else (number(face["AgeRange"][end]) for end in ("Low", "High"))
        scores |= {"age_low": low, "age_high": high}
        scores["age"] = None if low is None or high is None else (low + high) / 2
    for setting, (asked, answered) in _YES_OR_NO.items():
        if asked in attributes:
            said = None if face is None else face[answered]
            scores[setting] = None if said is None else bool(said["Value"])
            scores[f"{setting}_confidence"] = None if said is None else number(said["Confidence"])
    return scores


def _ages(config: RekognitionConfig) -> Iterator[tuple[Test, str]]:
    if config.min_age is not None:
        yield _range_above(config.min_age), f"younger than {config.min_age:g}"
    if config.max_age is not None:
        yield _range_below(config.max_age), f"older than {config.max_age:g}"


def _limits(config: RekognitionConfig) -> Iterator[tuple[Test, str]]:
    for setting, score, words in (
        ("min_confidence", "confidence", "confidence below {:g} %"),
        ("min_brightness", "brightness", "brightness below {:g}"),
        ("max_brightness", "brightness", "brightness above {:g}"),
        ("min_sharpness", "sharpness", "sharpness below {:g}"),
        ("max_yaw", "yaw", "head turned by more than {:g} degrees"),
        ("max_pitch", "pitch", "head nodded by more than {:g} degrees"),
        ("max_roll", "roll", "head tilted by more than {:g} degrees"),
    ):
        limit: float | None = getattr(config, setting)
        if limit is not None:
            low, high = (limit, math.inf) if setting.startswith("min_") else (-math.inf, limit)
            yield _within(score, low, high), words.format(limit)


def _wearing(config: RekognitionConfig) -> Iterator[tuple[Test, str]]:
    for setting in _YES_OR_NO:
        wanted: bool | None = getattr(config, setting)
        if wanted is not None:
            yield _is(setting, wanted, config.min_certainty), f"{setting} is {str(not wanted).lower()}"


def _within(score: str, low: float, high: float) -> Test:
    """Compare a score's size, without its sign: only angles have one."""

    def passes(face: Face) -> bool | None:
        value = face.get(score)
        return low <= abs(value) <= high if isinstance(value, int | float) else None

    return passes


def _range_above(limit: float) -> Test:
    def passes(face: Face) -> bool | None:
        low, high = face.get("age_low"), face.get("age_high")
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            return None
        return True if low >= limit else False if high < limit else None

    return passes


def _range_below(limit: float) -> Test:
    def passes(face: Face) -> bool | None:
        low, high = face.get("age_low"), face.get("age_high")
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            return None
        return True if high <= limit else False if low > limit else None

    return passes


def _is(score: str, wanted: bool, certainty: float) -> Test:
    def passes(face: Face) -> bool | None:
        value, confidence = face.get(score), face.get(f"{score}_confidence")
        if not isinstance(confidence, int | float) or confidence < certainty:
            return None
        return value is wanted

    return passes
