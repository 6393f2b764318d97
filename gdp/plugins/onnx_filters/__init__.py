"""Filters that ask a model in an ONNX file: age, gender and quality classifiers, and face detectors."""

from __future__ import annotations

from gdp import Needs, Register, hookimpl
from gdp.plugins.onnx_filters.config import OnnxClassifierConfig, OnnxFaceDetectorConfig


@hookimpl
def gdp_register_filters(register: Register) -> None:
    """Register the filters that ask ONNX models."""
    register(
        "onnx-classifier",
        config=OnnxClassifierConfig,
        implementation="gdp.plugins.onnx_filters.classifier:OnnxClassifierFilter",
        summary="Asks a classifier in an ONNX file for age, gender, quality or whatever it tells (extra: onnx)",
        needs=Needs(modules=("onnxruntime",), install="gdp-distill[onnx]"),
    )
    register(
        "onnx-face-detector",
        config=OnnxFaceDetectorConfig,
        implementation="gdp.plugins.onnx_filters.detector:OnnxFaceDetectorFilter",
        summary="Looks for faces with an UltraFace-style detector in an ONNX file (extra: onnx)",
        needs=Needs(modules=("onnxruntime",), install="gdp-distill[onnx]"),
    )
