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
from gdp.core.interfaces.engines import Engine, Pictures, Translate
from gdp.plugins.engines.config import OpenVinoConfig

if TYPE_CHECKING:
    from torch import Tensor

    from gdp.core.deployment.network import PictureNetwork

_OPSET = 20
_PRECISIONS = {"float32": "f32", "bf16": "bf16"}


class OpenVinoEngine(Engine):
    """Exports OpenVINO's .xml (weights in a .bin beside it) and runs it on the processor."""

    config: OpenVinoConfig
    file: ClassVar[str] = "student.xml"

    def export(self, network: PictureNetwork, example: Tensor, size_multiple: int, path: Path) -> None:
        """Write the .xml and the .bin, weights in float32."""
        from gdp.plugins.engines.tracing import trace, write_onnx

        with tempfile.TemporaryDirectory() as folder:
            onnx = Path(folder) / "student.onnx"
            write_onnx(trace(network, example, size_multiple), _OPSET, onnx)
            openvino.save_model(openvino.convert_model(onnx), path, compress_to_fp16=False)

    def open(self, path: Path, network: Callable[[], PictureNetwork] | None = None) -> Translate:
        """Load the .xml (or any .onnx) and compile it for this processor."""
        if not path.is_file():
            raise MissingResourceError(f"{path}: there is no such file. Make it with: gdp export RUN --to openvino")
        settings: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY"}
        if self.context.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self.context.threads
        if self.config.precision != "auto":
            settings["INFERENCE_PRECISION_HINT"] = _PRECISIONS[self.config.precision]
        try:
            compiled = openvino.Core().compile_model(path, "CPU", settings)
        except RuntimeError as error:
            raise CorruptFileError(f"{path}: OpenVINO cannot load this file ({error})") from error

        def translate(pictures: Pictures) -> Pictures:
            # Its output is its own memory, which the next call writes over.
            return numpy.array(compiled(pictures)[0])

        return translate

    def describe(self) -> str:
        """Return version, threads and precision."""
        version = openvino.get_version().split("-")[0]
        return f"OpenVINO {version}, {self.context.threads or os.cpu_count()} threads, {self.config.precision}"
