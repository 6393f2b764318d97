"""The rules of `azure-face`: which attribute each needs, and what it says of a face's scores.

From the service's answer to scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gdp import GdpError, Json, Score
from gdp.plugins.face_services.config import AzureFaceConfig
from gdp.plugins.face_services.judging import Face, Test
from gdp.plugins.face_services.pictures import faces_of, number, refused

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


LEVELS = ("low", "medium", "high")
LEAST_FOR_QUALITY = ("recognition_03", "recognition_04")
OFFERED: Mapping[str, tuple[str, ...]] = {
    "detection_01": (
        "accessories", "age", "blur", "exposure", "glasses", "headPose", "noise", "occlusion", "qualityForRecognition",
    ),
    "detection_02": (),
    "detection_03": ("blur", "exposure", "glasses", "headPose", "mask", "occlusion", "qualityForRecognition"),
}  # fmt: skip
"""What each detection model can be asked for."""
RETIRED = ("age", "emotion", "facialHair", "gender", "hair", "makeup", "smile")
"""What Azure retired for new customers on 2022-06-21 and for all others on 2023-06-30."""
INSTEAD = (
    "Use another filter for it: rekognition (age range, smile; a service), onnx-classifier (a model of your own, on "
    "this machine), or face-attributes (the built-in judge, for pictures like the built-in renderer's)"
)


@dataclass(frozen=True)
class Rule:
    """One setting that judges faces."""

    setting: str
    attribute: str
    """What the service is asked for."""
    passes: Test
    reason: str
    """Why a pair is dropped."""


def rules(config: AzureFaceConfig) -> list[Rule]:
    """Return the rules that a recipe sets, in the order in which they judge."""
    return [
        *_limits(config),
        *_levels(config),
        *_kinds(config),
        *(
            Rule("not_occluded", "occlusion", _is(f"occluded_{area}", (False,)), f"{area} occluded")
            for area in config.not_occluded
        ),
    ]


def needed_attributes(config: AzureFaceConfig) -> tuple[str, ...]:
    """Return what the service is asked for, sorted: what the rules need, and `attributes`."""
    needed = {rule.attribute for rule in rules(config)} | set(config.attributes) | set(config.unchanged)
    if config.max_pose_change is not None:
        needed.add("headPose")
    return tuple(sorted(needed))


def refuse_impossible(config: AzureFaceConfig) -> None:
    """Make sure that the service will answer what the recipe asks.

    Raises:
        GdpError: it will refuse; the message names every setting that is the reason, and what to use instead.
    """
    problems = list(_problems(config))
    if problems:
        raise GdpError("azure-face would be refused by the service: " + "; ".join(problems) + ".")


def explain_unsupported(config: AzureFaceConfig, said: str) -> str:
    """Return what to tell when the service says that it does not support a feature."""
    retired = [f"{name} ({', '.join(_settings_of(config, name))})" for name in _asked_retired(config)]
    which = f"The recipe asks for {', '.join(retired)}: " if retired else ""
    return (
        f"azure-face: the service refuses the feature ({said}). {which}Azure retired {', '.join(RETIRED)}; age alone "
        f"may still be granted to an account under limited access, and this account does not have it. {INSTEAD}; take "
        f"the rule out of this filter (and out of attributes). Every verdict so far is stored."
    )


def _problems(config: AzureFaceConfig) -> Iterator[str]:
    asked = needed_attributes(config)
    for name in _asked_retired(config):
        settings = " and ".join(_settings_of(config, name))
        if name != "age":
            yield f"{settings} asks for {name}, which Azure retired. {INSTEAD}"
        elif not _granted(config, name):
            yield (
                f"{settings} asks for age, which Azure retired. {INSTEAD}. If Azure granted this account the attribute "
                f"under limited access, set limited_access_age = true"
            )
    for name in asked:
        if name in OFFERED[config.detection_model] or (name in RETIRED and not _granted(config, name)):
            continue
        able = [model for model, offered in OFFERED.items() if name in offered]
        settings = " and ".join(_settings_of(config, name))
        yield f'{settings} asks for {name}, which {config.detection_model} lacks: set detection_model = "{able[0]}"'
    if "qualityForRecognition" in asked and config.recognition_model not in LEAST_FOR_QUALITY:
        settings = " and ".join(_settings_of(config, "qualityForRecognition"))
        yield (
            f"{settings} asks for qualityForRecognition, which {config.recognition_model} lacks: set "
            f'recognition_model = "recognition_04"'
        )
    split = {name for name in asked if not any(set(asked) <= set(offered) for offered in OFFERED.values())}
    if {"mask"} < split and split & {"noise", "accessories", "age"}:
        yield (
            "no detection model tells both mask and noise, accessories or age: use two azure-face filters, one with "
            "detection_03 and one with detection_01 (each picture is then two calls)"
        )


def _granted(config: AzureFaceConfig, name: str) -> bool:
    return name == "age" and config.limited_access_age


def _asked_retired(config: AzureFaceConfig) -> list[str]:
    return [name for name in needed_attributes(config) if name in RETIRED]


def _settings_of(config: AzureFaceConfig, attribute: str) -> list[str]:
    found = [rule.setting for rule in rules(config) if rule.attribute == attribute]
    found += ["unchanged"] if attribute in config.unchanged else []
    found += ["max_pose_change"] if attribute == "headPose" and config.max_pose_change is not None else []
    found += ["attributes"] if attribute in config.attributes else []
    return list(dict.fromkeys(found))


def _limits(config: AzureFaceConfig) -> Iterator[Rule]:
    numbers = (
        ("min_age", "age", "age", "younger than {:g}"),
        ("max_age", "age", "age", "older than {:g}"),
        ("max_blur", "blur", "blur", "blur above {:g}"),
        ("max_noise", "noise", "noise", "noise above {:g}"),
        ("min_exposure", "exposure", "exposure", "exposure below {:g}"),
        ("max_exposure", "exposure", "exposure", "exposure above {:g}"),
        ("max_yaw", "headPose", "yaw", "head turned by more than {:g} degrees"),
        ("max_pitch", "headPose", "pitch", "head nodded by more than {:g} degrees"),
        ("max_roll", "headPose", "roll", "head tilted by more than {:g} degrees"),
    )
    for setting, attribute, score, words in numbers:
        limit: float | None = getattr(config, setting)
        if limit is not None:
            test = _at_least(score, limit) if setting.startswith("min_") else _at_most(score, limit)
            yield Rule(setting, attribute, test, words.format(limit))


def _levels(config: AzureFaceConfig) -> Iterator[Rule]:
    for setting, attribute in (("max_blur_level", "blur"), ("max_noise_level", "noise")):
        level: str | None = getattr(config, setting)
        if level is not None:
            allowed = LEVELS[: LEVELS.index(level) + 1]
            yield Rule(setting, attribute, _is(f"{attribute}_level", allowed), f"{attribute} above {level}")
    if config.min_quality is not None:
        allowed = LEVELS[LEVELS.index(config.min_quality) :]
        reason = f"quality for recognition below {config.min_quality}"
        yield Rule("min_quality", "qualityForRecognition", _is("quality", allowed), reason)


def _kinds(config: AzureFaceConfig) -> Iterator[Rule]:
    for setting, attribute, score, reason in (
        ("exposure_levels", "exposure", "exposure_level", "exposure not {}"),
        ("glasses", "glasses", "glasses", "glasses not {}"),
        ("mask", "mask", "mask", "mask not {}"),
    ):
        allowed: tuple[str, ...] = getattr(config, setting)
        if allowed:
            yield Rule(setting, attribute, _is(score, allowed), reason.format(" or ".join(allowed)))


def _at_most(score: str, limit: float) -> Test:
    """Compare a score's size, without its sign: only angles have one."""

    def passes(values: Face) -> bool | None:
        value = values.get(score)
        return abs(value) <= limit if isinstance(value, int | float) else None

    return passes


def _at_least(score: str, limit: float) -> Test:
    def passes(values: Face) -> bool | None:
        value = values.get(score)
        return value >= limit if isinstance(value, int | float) else None

    return passes


def _is(score: str, allowed: tuple[Score, ...]) -> Test:
    """Compare words without regard to capitals: versions of the service spell them differently."""
    known = {_plain(each) for each in allowed}

    def passes(values: Face) -> bool | None:
        value = values.get(score)
        return None if value is None else _plain(value) in known

    return passes


def _plain(value: Score) -> Score:
    return value.lower() if isinstance(value, str) else value
