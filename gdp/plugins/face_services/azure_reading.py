"""From the service's answer to scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gdp.core.pairs.records import Json, Score
from gdp.plugins.face_services.reading import faces_of, number, refused

_AREAS = {"forehead": "foreheadOccluded", "eyes": "eyeOccluded", "mouth": "mouthOccluded"}


def measure(answer: Json, attributes: Sequence[str]) -> dict[str, Score]:
    """Return the scores of a picture: how many faces, and what is said of the largest one; None for what is not.

    Args:
        answer: {"faces": the service's list}, or {"problem": words}.
        attributes: what the service was asked for.

    Raises:
        KeyError, TypeError, ValueError: the answer is not of the documented shape.
    """
    if "problem" in answer:
        return refused(answer)
    faces = faces_of(answer)
    for face in faces:
        for side in ("width", "height", "left", "top"):
            number(face["faceRectangle"][side])
    scores: dict[str, Score] = {"faces": len(faces)}
    said = faces[0]["faceAttributes"] if faces and attributes else None
    for attribute in attributes:
        scores |= _READERS[attribute](said[attribute] if said is not None else None)
    return scores


def _level(name: str, level: str) -> Callable[[Json], dict[str, Score]]:
    def read(said: Json) -> dict[str, Score]:
        if said is None:
            return {name: None, f"{name}_level": None}
        return {name: number(said["value"]), f"{name}_level": _word(said[level])}

    return read


def _pose(said: Json) -> dict[str, Score]:
    return {name: None if said is None else number(said[name]) for name in ("yaw", "pitch", "roll")}


def _occlusion(said: Json) -> dict[str, Score]:
    return {f"occluded_{area}": None if said is None else _truth(said[name]) for area, name in _AREAS.items()}


def _mask(said: Json) -> dict[str, Score]:
    return {"mask": None if said is None else _word(said["type"])}


def _accessories(said: Json) -> dict[str, Score]:
    if said is None:
        return {"accessories": None}
    return {"accessories": " ".join(sorted(_word(each["type"]) for each in said))}


def _plain_word(name: str) -> Callable[[Json], dict[str, Score]]:
    return lambda said: {name: None if said is None else _word(said)}


def _age(said: Json) -> dict[str, Score]:
    return {"age": None if said is None else number(said)}


_READERS: Mapping[str, Callable[[Json], dict[str, Score]]] = {
    "accessories": _accessories,
    "age": _age,
    "blur": _level("blur", "blurLevel"),
    "exposure": _level("exposure", "exposureLevel"),
    "glasses": _plain_word("glasses"),
    "headPose": _pose,
    "mask": _mask,
    "noise": _level("noise", "noiseLevel"),
    "occlusion": _occlusion,
    "qualityForRecognition": _plain_word("quality"),
}


def _word(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no word")
    return value[:1].lower() + value[1:]


def _truth(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value
