"""Engines that run trained students: torch, onnxruntime, OpenVINO.

Settings of the engines; imports no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdp import Config, Needs, Register, hookimpl


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


@hookimpl
def gdp_register_engines(register: Register) -> None:
    """Register the built-in engines."""
    register(
        "torch",
        config=TorchConfig,
        implementation="gdp.plugins.engines.torch_engine:TorchEngine",
        summary="torch itself, in channels-last layout; exports a .pt2 program",
    )
    register(
        "onnx",
        config=OnnxConfig,
        implementation="gdp.plugins.engines.onnx_engine:OnnxEngine",
        summary="onnxruntime; exports an .onnx file that any ONNX runtime takes",
        needs=Needs(modules=("onnxruntime", "onnx", "onnxscript"), install="gdp-distill[onnx]"),
    )
    register(
        "openvino",
        config=OpenVinoConfig,
        implementation="gdp.plugins.engines.openvino_engine:OpenVinoEngine",
        summary="OpenVINO, fast on Intel processors, in bf16 where they have it; exports an .xml and a .bin",
        needs=Needs(modules=("openvino", "onnxscript"), install="gdp-distill[openvino]"),
    )
    register(
        "openvino-int8",
        config=OpenVinoInt8Config,
        implementation="gdp.plugins.engines.openvino_engine:OpenVinoInt8Engine",
        summary="OpenVINO with convolutions in 8 bits, calibrated by nncf; used only where it is named",
        needs=Needs(modules=("openvino",), install="gdp-distill[int8]"),
    )
