"""`openvino`: OpenVINO on Intel and other x86 processors.

`openvino-int8`: OpenVINO with the convolutions' weights and inputs in 8 bits.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy

from gdp import (
    CalibratedEngine,
    CorruptFileError,
    Engine,
    EngineContext,
    MissingResourceError,
    Needs,
    PictureArray,
    PluginError,
    Translate,
)
from gdp.plugins.engines import OpenVinoConfig, OpenVinoInt8Config
from gdp.plugins.engines.strangers import SIDE, check_onnx, check_shapes, refuse_operation, refuse_size
from gdp.plugins.engines.telemetry import nothing_sent
from gdp.toolbox import counted

with nothing_sent():
    import openvino

if TYPE_CHECKING:
    from torch import Tensor

    from gdp import PictureNetwork


_OPSET = 20
_CONTROL = frozenset({"Loop", "If", "TensorIterator", "Assign", "ReadValue"})
"""Operations that may run without end, or that remember what they were shown before."""
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
    from gdp.plugins.engines.torch_engine import trace, write_onnx

    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "student.onnx"
        write_onnx(trace(network, example, size_multiple), _OPSET, onnx)
        with nothing_sent():
            return openvino.convert_model(onnx)


def _check(path: Path, model: openvino.Model) -> None:
    """Refuse a model that is no plain network for pictures, as `check_onnx` does."""
    if len(model.inputs) != 1 or len(model.outputs) != 1 or _shape(model.inputs[0])[:3] != [0, 0, 0]:
        raise CorruptFileError(
            f"{path}: this model does not turn pictures (N, height, width, channels) into one output"
        )
    for operation in model.get_ordered_ops():
        if operation.get_type_name() in _CONTROL:
            raise refuse_operation(path, operation.get_type_name())
    sized = model.clone()
    channels = sized.inputs[0].partial_shape[3]
    sized.reshape([1, SIDE, SIDE, channels])
    values = [
        (operation.get_friendly_name(), _shape(output))
        for operation in sized.get_ordered_ops()
        for output in operation.outputs()
    ]
    check_shapes(path, values, _shape(sized.outputs[0]))
    for operation in sized.get_ordered_ops():
        if any(output.partial_shape.is_dynamic for output in operation.outputs()):
            raise refuse_size(path, operation.get_type_name())


def _shape(output: openvino.Output) -> list[int]:
    """Return the shape of what an operation makes; 0 for lengths that are not known, empty where none is."""
    shape = output.partial_shape
    if shape.rank.is_dynamic:
        return []
    return [length.get_length() if length.is_static else 0 for length in shape]


def compiled(path: Path, context: EngineContext, precision: str) -> Translate:
    """Load a file and compile it for this processor.

    Args:
        path: .xml or .onnx.
        context: how many threads.
        precision: auto, float32 or bf16.

    Raises:
        CorruptFileError: OpenVINO cannot load it.
    """
    if path.suffix == ".onnx":
        check_onnx(path)
    settings: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY"}
    if context.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = context.threads
    if precision != "auto":
        settings["INFERENCE_PRECISION_HINT"] = _PRECISIONS[precision]
    try:
        core = openvino.Core()
        read = core.read_model(path)
        _check(path, read)
        model = core.compile_model(read, "CPU", settings)
    except RuntimeError as error:
        raise CorruptFileError(f"{path}: OpenVINO cannot load this file ({' '.join(str(error).split())})") from error

    def translate(pictures: PictureArray) -> PictureArray:
        # Its output is its own memory, which the next call writes over.
        return numpy.array(model(pictures)[0])

    return translate


def describe(context: EngineContext, precision: str) -> str:
    """Return version, threads and precision."""
    version = openvino.get_version().split("-")[0]
    return f"OpenVINO {version}, {counted(context.threads or os.cpu_count() or 1, 'thread')}, {precision}"


EXPORT_NEEDS = Needs(modules=("nncf", "onnxscript"), install="gdp-distill[int8]")
"""To run a file takes OpenVINO alone."""
_CONVOLUTIONS = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "GroupConvolutionBackpropData")
_FLOAT = ["Add", "Subtract", "Multiply", "Divide", "MVN"]


class OpenVinoInt8Engine(CalibratedEngine):
    """Exports an .xml and a .bin whose convolutions are rounded to 8 bits after training (nncf), and runs them.

    The first and the last convolution stay in float, and so do sums and normalisations: with the residual stream
    rounded too, a picture is some 15 dB further from the student's. Networks without convolutions gain nothing.
    """

    config: OpenVinoInt8Config
    file: ClassVar[str] = "student-int8.xml"

    def __init__(self, config: OpenVinoInt8Config, context: EngineContext) -> None:
        super().__init__(config, context)
        self._pictures: PictureArray | None = None

    def calibrate(self, pictures: PictureArray) -> None:
        """Keep (N, H, W, C) uint8 pictures for `export`."""
        self._pictures = pictures

    def export(self, network: PictureNetwork, example: Tensor, size_multiple: int, path: Path) -> None:
        """Write the .xml and the .bin.

        Raises:
            MissingResourceError: nncf is not installed, or there are no pictures to calibrate on.
            PluginError: the network cannot be rounded.
        """
        for module in EXPORT_NEEDS.missing_modules():
            raise MissingResourceError(
                f"to export for openvino-int8 takes the Python module {module}, which is not installed. Install it "
                f"with: {EXPORT_NEEDS.how_to_install(module)}"
            )
        if self._pictures is None:
            raise MissingResourceError(
                "to export for openvino-int8 takes pictures to calibrate on. Export the student first: gdp export RUN "
                "--to openvino --int8"
            )
        rounded = quantise(convert(network, example, size_multiple), self._pictures)
        openvino.save_model(rounded, path, compress_to_fp16=False)

    def open(self, path: Path, network: Callable[[], PictureNetwork] | None = None) -> Translate:
        """Load the .xml and compile it for this processor."""
        if not path.is_file():
            raise MissingResourceError(
                f"{path}: there is no such file. Make it with: gdp export RUN --to openvino --int8"
            )
        return compiled(path, self.context, self.config.precision)

    def describe(self) -> str:
        """Return version, threads and precision."""
        return describe(self.context, "int8" if self.config.precision == "auto" else f"int8, {self.config.precision}")


def quantise(model: openvino.Model, pictures: PictureArray) -> openvino.Model:
    """Return a model with the convolutions' weights and inputs in 8 bits (nncf's post-training quantisation).

    Args:
        model: in float32.
        pictures: (N, H, W, C) uint8, on which the ranges of the values are found.

    Raises:
        PluginError: nncf refuses.
    """
    with nothing_sent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nncf's own
        import nncf

    names = [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() in _CONVOLUTIONS]
    nncf.set_log_level(logging.ERROR)
    try:
        with nothing_sent(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it draws its progress
            warnings.simplefilter("ignore")
            return nncf.quantize(
                model,
                nncf.Dataset([picture[None] for picture in pictures]),
                preset=nncf.QuantizationPreset.MIXED,  # of both signs: weights symmetric, values as they are
                subset_size=len(pictures),
                ignored_scope=nncf.IgnoredScope(names=sorted({*names[:1], *names[-1:]}), types=_FLOAT, validate=False),
            )
    except Exception as error:
        raise PluginError(
            f"the student's network cannot be rounded to 8 bits: nncf says {type(error).__name__}: {error}"
        ) from error
