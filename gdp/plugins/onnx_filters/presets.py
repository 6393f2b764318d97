"""What known models read and tell, so that a recipe needs one line for it; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

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
