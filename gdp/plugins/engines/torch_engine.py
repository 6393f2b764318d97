"""`torch`: the student's own weights in torch.

Tracing a student's network with free batch, height and width.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from gdp import Engine, GdpError, PictureArray, PictureNetwork, PluginError, Translate
from gdp.plugins.engines import TorchConfig
from gdp.toolbox import autocaster, counted, readable_os_errors

LARGEST_BATCH = 1024
LARGEST_SIDE = 16384
"""Pixels; what a traced network is promised to be given at most."""


def trace(network: PictureNetwork, example: Tensor, size_multiple: int) -> ExportedProgram:
    """Return the network's program for (N, H, W, C) uint8 with N free and H, W free multiples of `size_multiple`.

    Raises:
        PluginError: the network looks at values or sizes in a way that cannot be traced.
    """
    rows, columns = (Dim(name, min=1, max=LARGEST_SIDE // size_multiple) for name in ("rows", "columns"))
    free = {0: Dim("batch", min=1, max=LARGEST_BATCH), 1: size_multiple * rows, 2: size_multiple * columns}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of its own insides
            program = torch.export.export(network, (example,), dynamic_shapes={"pictures": free})
    except Exception as error:
        raise PluginError(
            f"the student's network cannot be exported with free sizes: torch.export says {_first_line(error)}"
        ) from error
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)  # exported files are given away, and it tells this machine's paths
    return program


def write_onnx(program: ExportedProgram, opset: int, path: Path) -> None:
    """Write a traced network as one ONNX file with input `pictures` and output `translated`.

    Raises:
        PluginError: an operator has no ONNX form.
        DiskFullError, RunFolderError: the system refuses to write.
    """
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints its progress
            warnings.simplefilter("ignore")
            made = torch.onnx.export(
                program, dynamo=True, opset_version=opset, output_names=["translated"], verbose=False
            )
            assert made is not None
            _forget_origin(made.model)
            with readable_os_errors(path):
                made.save(path, external_data=False)
    except GdpError:  # of the disk
        raise
    except Exception as error:
        raise PluginError(
            f"the student's network cannot be written as ONNX: torch.onnx says {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'nothing'}"


def _forget_origin(model: Any) -> None:
    """Take out of an `onnx_ir.Model` what tells how it was traced: it names modules of ours, in an order of chance."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    values = [*model.graph.inputs, *model.graph.initializers.values()]
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        values += node.outputs
    for value in values:
        value.metadata_props.clear()


class TorchEngine(Engine):
    """Runs a student from its safetensors, and exports it for programs that have torch but no gdp.

    gdp itself never reads the exported .pt2: torch may unpickle parts of such files.
    """

    config: TorchConfig
    file: ClassVar[str] = "student.pt2"
    runs_from_weights: ClassVar[bool] = True

    def export(self, network: PictureNetwork, example: Tensor, size_multiple: int, path: Path) -> None:
        """Write a program that `torch.export.load(path).module()` runs."""
        torch.export.save(trace(network, example, size_multiple), path)

    def open(self, path: Path, network: Callable[[], PictureNetwork] | None = None) -> Translate:
        """Take the network as it is, in channels-last layout."""
        if network is None:
            raise PluginError(f"{path}: the engine torch runs a student from its run folder, not from an exported file")
        device = torch.device(self.context.device)
        if self.context.threads is not None:
            torch.set_num_threads(self.context.threads)
        module = network().to(device).to(memory_format=torch.channels_last).eval()
        autocast = autocaster(self.config.precision, device)

        @torch.no_grad()
        def translate(pictures: PictureArray) -> PictureArray:
            with autocast():
                translated: PictureArray = module(torch.from_numpy(pictures).to(device)).cpu().numpy()
            return translated

        return translate

    def describe(self) -> str:
        """Return version, threads or GPU, and precision."""
        device = torch.device(self.context.device)
        threads = counted(torch.get_num_threads(), "thread")
        where = torch.cuda.get_device_name(device) if device.type == "cuda" else threads
        return f"torch {torch.__version__}, {where}, {self.config.precision}"
