"""Settings of the engines; imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdp.core.config import Config


class TorchConfig(Config):
    """Settings of `torch`."""

    precision: Literal["float32", "bf16"] = "float32"
    """Of the forward pass."""


class OnnxConfig(Config):
    """Settings of `onnx`."""

    opset: int = Field(default=20, ge=18, le=23)
    """Version of the ONNX operators in an exported file."""


class OpenVinoInt8Config(Config):
    """Settings of `openvino-int8`."""

    precision: Literal["auto", "float32", "bf16"] = "auto"
    """Of what is not rounded to 8 bits; auto leaves it to OpenVINO."""


class OpenVinoConfig(Config):
    """Settings of `openvino`."""

    precision: Literal["auto", "float32", "bf16"] = "auto"
    """Of the forward pass; auto leaves it to OpenVINO, which takes bf16 where the processor computes it."""
