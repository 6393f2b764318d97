from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from onnx_files import write_model

from gdp.testing import conformance

pytestmark = pytest.mark.process


@pytest.mark.parametrize("name", ["onnx-classifier", "onnx-face-detector"])
def test_the_filters_keep_what_filters_promise(name: str, tmp_path: Path) -> None:
    shapes = {"scores": (2, 2), "boxes": (2, 4)}
    weights = torch.rand(3, 12, generator=torch.Generator().manual_seed(0)) / 255
    model = write_model(tmp_path / "model.onnx", weights, outputs=shapes)
    settings: dict[str, dict[str, Any]] = {
        "onnx-classifier": {
            "heads": {"quality": {"kind": "regression", "output": "boxes", "slice": [0, 1]}},
            "rules": {"quality": {"min": 0.2}},
        },
        "onnx-face-detector": {"min_score": 0.3},
    }
    remarks = conformance.check("filter", name, settings={"weights": str(model), **settings[name]})
    assert set(remarks.values()) <= {"", "does not apply: it pays for nothing"}
