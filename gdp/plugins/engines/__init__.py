"""Engines that run trained students: torch, onnxruntime, OpenVINO."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Needs, Register
from gdp.plugins.engines.config import OnnxConfig, OpenVinoConfig, OpenVinoInt8Config, TorchConfig


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
        needs=Needs(modules=("onnxruntime", "onnxscript"), install="gdp-distill[onnx]"),
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
