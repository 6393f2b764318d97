"""`torch`: the student's own weights in torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from gdp.core.errors import PluginError
from gdp.core.interfaces.engines import Engine, Pictures, Translate
from gdp.core.interfaces.picture_network import PictureNetwork
from gdp.core.training.precision import autocaster
from gdp.plugins.engines.config import TorchConfig
from gdp.plugins.engines.tracing import trace


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
        def translate(pictures: Pictures) -> Pictures:
            with autocast():
                translated: Pictures = module(torch.from_numpy(pictures).to(device)).cpu().numpy()
            return translated

        return translate

    def describe(self) -> str:
        """Return version, threads or GPU, and precision."""
        device = torch.device(self.context.device)
        where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
        return f"torch {torch.__version__}, {where}, {self.config.precision}"
