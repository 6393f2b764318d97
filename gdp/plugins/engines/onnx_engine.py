"""`onnx`: onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import onnxruntime

from gdp import CorruptFileError, Engine, MissingResourceError, PictureArray, Translate
from gdp.plugins.engines import OnnxConfig
from gdp.plugins.engines.strangers import check_onnx
from gdp.toolbox import counted

if TYPE_CHECKING:
    from torch import Tensor

    from gdp import PictureNetwork


class OnnxEngine(Engine):
    """Exports ONNX and runs it by onnxruntime in float32, on the GPU where its build and the context have one."""

    config: OnnxConfig
    file: ClassVar[str] = "student.onnx"
    _runs_on = "CPUExecutionProvider"
    """Where the session that was opened last really runs."""

    def export(self, network: PictureNetwork, example: Tensor, size_multiple: int, path: Path) -> None:
        """Write one .onnx file, weights inside."""
        from gdp.plugins.engines.torch_engine import trace, write_onnx

        write_onnx(trace(network, example, size_multiple), self.config.opset, path)

    def open(self, path: Path, network: Callable[[], PictureNetwork] | None = None) -> Translate:
        """Load the file."""
        if not path.is_file():
            raise MissingResourceError(f"{path}: there is no such file. Make it with: gdp export RUN --to onnx")
        check_onnx(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.context.threads or 0  # 0: all cores
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=self._providers())
        except Exception as error:
            raise CorruptFileError(f"{path}: onnxruntime cannot load this file ({error})") from error
        self._runs_on = session.get_providers()[0]  # which need not be what was asked for
        name = session.get_inputs()[0].name

        def translate(pictures: PictureArray) -> PictureArray:
            translated: PictureArray = session.run(None, {name: pictures})[0]
            return translated

        return translate

    def describe(self) -> str:
        """Return version, threads and provider."""
        return (
            f"onnxruntime {onnxruntime.__version__}, {counted(self.context.threads or os.cpu_count() or 1, 'thread')}, "
            f"{self._runs_on.removesuffix('ExecutionProvider')}, float32"
        )

    def _providers(self) -> list[tuple[str, dict[str, int]]]:
        device, _, number = self.context.device.partition(":")
        gpu = [("CUDAExecutionProvider", {"device_id": int(number or 0)})] if device == "cuda" else []
        there = onnxruntime.get_available_providers()
        return [*(wanted for wanted in gpu if wanted[0] in there), ("CPUExecutionProvider", {})]
