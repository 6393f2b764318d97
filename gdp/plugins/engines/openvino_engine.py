"""`openvino`: OpenVINO on Intel and other x86 processors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy
import openvino

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.engines import Engine, EngineContext, Pictures, Translate
from gdp.plugins.engines.config import OpenVinoConfig

if TYPE_CHECKING:
    from torch import Tensor

    from gdp.core.interfaces.picture_network import PictureNetwork

_OPSET = 20
_PRECISIONS = {"float32": "f32", "bf16": "bf16"}


class OpenVinoEngine(Engine):
    """Exports OpenVINO's .xml (weights in a .bin beside it) and runs it on the processor."""

    config: OpenVinoConfig
    file: ClassVar[str] = "student.xml"

    def export(self, network: PictureNetwork, example: Tensor, size_multiple: int, path: Path) -> None:
        """Write the .xml and the .bin, weights in float32."""
        openvino.save_model(convert(network, example, size_multiple), path, compress_to_fp16=False)

    def open(self, path: Path, network: Callable[[], PictureNetwork] | None = None) -> Translate:
        """Load the .xml (or any .onnx) and compile it for this processor."""
        if not path.is_file():
            raise MissingResourceError(f"{path}: there is no such file. Make it with: gdp export RUN --to openvino")
        return compiled(path, self.context, self.config.precision)

    def describe(self) -> str:
        """Return version, threads and precision."""
        return describe(self.context, self.config.precision)


def convert(network: PictureNetwork, example: Tensor, size_multiple: int) -> openvino.Model:
    """Return a network as OpenVINO has it, in float32 and with free sizes; the arguments are those of `export`."""
    from gdp.plugins.engines.tracing import trace, write_onnx

    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "student.onnx"
        write_onnx(trace(network, example, size_multiple), _OPSET, onnx)
        return openvino.convert_model(onnx)


def compiled(path: Path, context: EngineContext, precision: str) -> Translate:
    """Load a file and compile it for this processor.

    Args:
        path: .xml or .onnx.
        context: how many threads.
        precision: auto, float32 or bf16.

    Raises:
        CorruptFileError: OpenVINO cannot load it.
    """
    settings: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY"}
    if context.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = context.threads
    if precision != "auto":
        settings["INFERENCE_PRECISION_HINT"] = _PRECISIONS[precision]
    try:
        model = openvino.Core().compile_model(path, "CPU", settings)
    except RuntimeError as error:
        raise CorruptFileError(f"{path}: OpenVINO cannot load this file ({error})") from error

    def translate(pictures: Pictures) -> Pictures:
        # Its output is its own memory, which the next call writes over.
        return numpy.array(model(pictures)[0])

    return translate


def describe(context: EngineContext, precision: str) -> str:
    """Return version, threads and precision."""
    version = openvino.get_version().split("-")[0]
    return f"OpenVINO {version}, {context.threads or os.cpu_count()} threads, {precision}"
