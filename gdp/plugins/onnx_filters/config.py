"""Settings of the filters that ask ONNX models; imports no torch.

What known models read and tell, so that a recipe needs one line for it; imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from gdp import Config

PresetName = Literal["fairface", "vit-age-classifier", "insightface-genderage"]

_DECADES = [[0, 2], [3, 9], [10, 19], [20, 29], [30, 39], [40, 49], [50, 59], [60, 69], [70]]

PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    # Karkkainen and Joo, FairFace (WACV 2021): ResNet-34, one output of 7 + 2 + 9 logits; the first 7 are not used.
    "fairface": {
        "input": {
            "width": 224,
            "height": 224,
            "white": 1,
            "mean": [0.485, 0.456, 0.406],
            "deviation": [0.229, 0.224, 0.225],
        },
        "heads": {
            "gender": {"kind": "labels", "slice": [7, 9], "labels": ["male", "female"]},
            "age": {"kind": "bins", "slice": [9, 18], "bins": _DECADES},
        },
    },
    # nateraw/vit-age-classifier: a vision transformer with FairFace's bins, 9 logits.
    "vit-age-classifier": {
        "input": {"width": 224, "height": 224, "white": 1, "mean": [0.5, 0.5, 0.5], "deviation": [0.5, 0.5, 0.5]},
        "heads": {"age": {"kind": "bins", "bins": _DECADES}},
    },
    # InsightFace genderage (non-commercial weights): 2 gender logits, then the age in centuries; RGB 0 to 255 of the
    # square around the face (`face`, margin 1.5).
    "insightface-genderage": {
        "input": {"width": 96, "height": 96},
        "heads": {
            "gender": {"kind": "labels", "slice": [0, 2], "labels": ["female", "male"]},
            "age": {"kind": "regression", "slice": [2, 3], "factor": 100.0},
        },
    },
}


Triple = tuple[float, float, float]
Of = Literal["source", "target", "both"]


class PictureInput(Config):
    """How a picture becomes what a model reads: cropped, resized, (value - mean) / deviation."""

    name: str | None = None
    """Name of the model's input; left out, its only one."""
    width: int | None = Field(default=None, ge=1, le=4096)
    """Width in pixels that the model reads; left out, what the file says."""
    height: int | None = Field(default=None, ge=1, le=4096)
    """Height in pixels that the model reads; left out, what the file says."""
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right and bottom of what is shown, as shares of the picture (or of the found face) in [0, 1]."""
    resize: Literal["bilinear", "bicubic"] = "bilinear"
    """How it is brought to that size; both average where they shrink."""
    channels: Literal["RGB", "BGR"] = "RGB"
    """Order of the colours."""
    white: Literal[1, 255] = 255
    """Value of white before `mean` and `deviation`; black is 0."""
    mean: Triple = (0.0, 0.0, 0.0)
    """Subtracted from each colour, in the order of `channels`."""
    deviation: Triple = (1.0, 1.0, 1.0)
    """What each colour is divided by then."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of the axes: colours before or after height and width."""

    @model_validator(mode="after")
    def _sensible(self) -> PictureInput:
        left, top, right, bottom = self.crop
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(
                "crop is [left, top, right, bottom] with 0 <= left < right <= 1 and 0 <= top < bottom <= 1"
            )
        if not all(value > 0 for value in self.deviation):
            raise ValueError("deviation must be above 0")
        return self


# Constructed without validation, which would build the model at the start of every command.
WHOLE_PICTURE = PictureInput.model_construct()
"""The whole picture as it is, black 0 and white 255."""

ULTRAFACE_INPUT = PictureInput.model_construct(mean=(127.0, 127.0, 127.0), deviation=(128.0, 128.0, 128.0))
"""What UltraFace reads: RGB, (v - 127) / 128, the whole picture squeezed to the model's size."""


class FaceDetectorModel(Config):
    """A face detector with heads like UltraFace's: scores (1, P, 2) and boxes (1, P, 4)."""

    weights: Path
    """The detector's .onnx file."""
    input: PictureInput = ULTRAFACE_INPUT
    """What the detector reads; left out, what UltraFace reads."""
    scores: str = "scores"
    """Output (N, P, 2) with the probabilities of background and face."""
    boxes: str = "boxes"
    """Output (N, P, 4) with left, top, right and bottom as shares of the picture."""
    max_box_overlap: float = Field(default=0.3, ge=0.0, le=1.0)
    """Boxes that overlap a better one by more than this, as intersection over union, are the same face."""


class FaceCrop(FaceDetectorModel):
    """Shows the model the square around the best face instead of the whole picture."""

    min_score: float = Field(default=0.95, ge=0.0, le=1.0)
    """Smallest score that counts as a face; pictures without one cannot be judged ("unknown")."""
    margin: float = Field(default=1.5, gt=0.0, le=10.0)
    """Side of the square in multiples of the longer side of the face's box; beyond the picture it is black."""


class OnnxFaceDetectorConfig(FaceDetectorModel):
    """Settings of `onnx-face-detector`."""

    min_score: float = Field(default=0.95, ge=0.1, le=1.0)
    """Smallest score that counts as a face, from 0.1. UltraFace's RFB-320 finds a face at 0.95 in all of 271 portraits,
    and in 2 % of 280 photos of horses (some with riders), but in 19 % of 27 portraits of cats and dogs."""
    min_faces: int = Field(default=1, ge=0, le=8)
    """Fewest faces in every picture of a pair."""
    max_faces: int | None = Field(default=1, ge=0, le=7)
    """Most faces in every picture of a pair."""
    min_size: float = Field(default=0.0, ge=0.0, le=1.0)
    """Smallest height of the best face, as a share of the picture's."""
    min_overlap: float = Field(default=0.0, ge=0.0, le=1.0)
    """Smallest overlap of the best faces of source and target, as intersection over union: the edit moved nothing."""

    @model_validator(mode="after")
    def _ordered(self) -> OnnxFaceDetectorConfig:
        if self.max_faces is not None and self.max_faces < self.min_faces:
            raise ValueError(f"no pair can pass: min_faces ({self.min_faces}) is above max_faces ({self.max_faces})")
        return self


class EmbeddingModel(Config):
    """A model that turns a picture into features, such as a face recognition network."""

    weights: Path
    """The model's .onnx file."""
    input: PictureInput = WHOLE_PICTURE
    """What the model reads."""
    output: str | None = None
    """Name of the output that holds the features; left out, its only one."""


class Head(Config):
    """One thing that a model tells: which of its numbers, and what they mean."""

    kind: Literal["bins", "labels", "regression"]
    """bins: a range such as years 20 to 29. labels: one of several words. regression: a number."""
    output: str | None = None
    """Name of the model's output; left out, its only one."""
    slice: tuple[int, int] | None = None
    """First number of the output and the one after the last, counted from 0; left out, all of them."""
    bins: tuple[tuple[float] | tuple[float, float], ...] = ()
    """bins: [first, last] of each, last included; [70] is open: 70 and above."""
    labels: tuple[str, ...] = ()
    """labels: a word for each number; with the activation sigmoid two words, for 0 and for 1."""
    activation: Literal["softmax", "sigmoid", "none"] | None = None
    """What makes probabilities of the numbers; left out, softmax for bins and labels, none for a regression."""
    factor: float = 1.0
    """regression: what the number is multiplied by (100 where the model tells an age in centuries)."""
    offset: float = 0.0
    """regression: what is added then."""

    @model_validator(mode="after")
    def _complete(self) -> Head:
        if (self.kind == "bins") != bool(self.bins) or (self.kind == "labels") != bool(self.labels):
            raise ValueError("give bins with kind bins, labels with kind labels, neither with a regression")
        if self.slice is not None and not 0 <= self.slice[0] < self.slice[1]:
            raise ValueError("slice is [first, one after the last], counted from 0")
        if any(len(pair) == 2 and pair[0] > pair[1] for pair in self.bins):
            raise ValueError("each of bins is [first, last] with first <= last, or [first]")
        if self.kind == "labels" and self.activation == "sigmoid" and len(self.labels) != 2:
            raise ValueError("a sigmoid tells two labels apart")
        if self.kind == "bins" and self.activation == "sigmoid":
            raise ValueError("bins need probabilities that add up to 1: softmax, or none where the model has it in it")
        return self


class Rule(Config):
    """What is asked of one head. Pairs that cannot be judged by it are "unknown"."""

    min: float | None = None
    """Smallest value (years, for an age); a bin that holds it and lower values, too, is unknown."""
    max: float | None = None
    """Largest value; a bin that holds it and higher values, too, is unknown."""
    allowed: tuple[str, ...] = ()
    """Labels that may be; left out, all but the forbidden ones."""
    forbidden: tuple[str, ...] = ()
    """Labels that may not be."""
    of: Of = "source"
    """Whose value or label `min`, `max`, `allowed` and `forbidden` limit."""
    same: bool = False
    """Source and target must have the same label (or bin)."""
    min_change: float | None = None
    """Smallest value of the target less that of the source; -40 allows 40 years younger."""
    max_change: float | None = None
    """Largest value of the target less that of the source; -5 asks for 5 years younger."""

    @model_validator(mode="after")
    def _ordered(self) -> Rule:
        for low, high, what in ((self.min, self.max, ""), (self.min_change, self.max_change, "_change")):
            if low is not None and high is not None and low > high:
                raise ValueError(f"no pair can pass: min{what} ({low:g}) is above max{what} ({high:g})")
        return self


class OnnxClassifierConfig(Config):
    """Settings of `onnx-classifier`."""

    weights: Path
    """The model's .onnx file."""
    preset: PresetName | None = Field(default=None, examples=["fairface"])
    """A known model, whose `input` and `heads` need not be written: fairface, vit-age-classifier or
    insightface-genderage. What the recipe writes itself comes first."""
    input: PictureInput = WHOLE_PICTURE
    """What the model reads: name, width, height, crop, resize, channels, white, mean, deviation, layout."""
    heads: dict[str, Head] = Field(default_factory=dict)
    """What the model tells, by name, such as age = { kind = "bins", bins = [[0, 2], [3, 9], [10]], slice = [9, 12] },
    gender = { kind = "labels", labels = ["male", "female"], output = "gender" } or age = { kind = "regression",
    factor = 100 }; with activation softmax, sigmoid or none."""
    face: FaceCrop | None = None
    """Find the face first and show the model only that: { weights, margin = 1.5, min_score = 0.95 } of an UltraFace
    detector; left out, it sees the whole picture."""
    min_age: float | None = None
    """Smallest age in years that the head `age` tells: short for the rule { min = ... } of it."""
    max_age: float | None = None
    """Largest age in years that the head `age` tells."""
    age_of: Of = "source"
    """Whose age `min_age` and `max_age` limit."""
    rules: dict[str, Rule] = Field(default_factory=dict)
    """What is asked of each head, by its name: min, max, allowed, forbidden (all `of` source, target or both), same,
    min_change, max_change."""
    min_confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    """Smallest probability of a label or bin at which it counts; below it is unknown."""

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        name = data.get("preset") if isinstance(data, dict) else None
        if not isinstance(name, str) or name not in PRESETS:
            return data
        merged = dict(data)
        for section, known in PRESETS[name].items():
            given = data.get(section, {})
            merged[section] = {**known, **given} if isinstance(given, dict) else given
        return merged

    @model_validator(mode="after")
    def _rules_fit(self) -> OnnxClassifierConfig:
        if not self.heads:
            raise ValueError("say what the model tells: give heads, or a preset")
        if self.face is not None and "face" in self.heads:
            raise ValueError("with the setting face, no head can be called face: that is the score of the found face")
        if strange := [name for name in self.rules if name not in self.heads]:
            raise ValueError(f"rules.{strange[0]}: there is no such head; there are {', '.join(self.heads)}")
        if self.min_age is not None or self.max_age is not None:
            self._check_age()
        for name, rule in self.rules.items():
            _check_rule(name, rule, self.heads[name])
        return self

    def _check_age(self) -> None:
        if "age" not in self.heads:
            raise ValueError(f"min_age and max_age need a head called age; there are {', '.join(self.heads)}")
        rule = self.rules.get("age")
        if rule is not None and (rule.min is not None or rule.max is not None):
            raise ValueError("give min_age and max_age, or min and max of rules.age, not both")
        if self.min_age is not None and self.max_age is not None and self.min_age > self.max_age:
            raise ValueError(f"no pair can pass: min_age ({self.min_age:g}) is above max_age ({self.max_age:g})")
        _check_rule("age", Rule(min=self.min_age, max=self.max_age), self.heads["age"])

    def all_rules(self) -> list[tuple[str, Rule]]:
        """Return what is asked of each head, with the short forms for the age written out."""
        rules = list(self.rules.items())
        if self.min_age is not None or self.max_age is not None:
            rules.append(("age", Rule(min=self.min_age, max=self.max_age, of=self.age_of)))
        return rules


def _check_rule(name: str, rule: Rule, head: Head) -> None:
    numbers = [rule.min, rule.max, rule.min_change, rule.max_change]
    if head.kind == "labels" and any(number is not None for number in numbers):
        raise ValueError(f"{name} is a label: it has no min, max or change; give allowed, forbidden or same")
    if head.kind != "labels" and (rule.allowed or rule.forbidden):
        raise ValueError(f"{name} is no label: give min, max or a change instead of allowed and forbidden")
    if head.kind == "regression" and rule.same:
        raise ValueError(f"{name} is a number, which is never quite the same: give min_change and max_change")
    if strange := [label for label in (*rule.allowed, *rule.forbidden) if label not in head.labels]:
        raise ValueError(f"{name} is never {strange[0]!r}; its labels are {', '.join(head.labels)}")
