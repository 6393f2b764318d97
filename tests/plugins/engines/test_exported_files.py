"""Exported files are given away: they tell nothing of the machine that wrote them, and come out the same again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gdp.registry import PluginRegistry
from gdp.support.interfaces.engines import Engine, EngineContext
from gdp.support.interfaces.picture_network import PictureNetwork
from gdp.tools.deploy.models import build_engine
from gdp.tools.publish.leaks import find_leaks


def network() -> PictureNetwork:
    return PictureNetwork(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))).eval()


def export(engine: Engine, network: PictureNetwork, folder: Path) -> bytes:
    engine.export(network, torch.zeros(2, 16, 24, 3, dtype=torch.uint8), 4, folder / engine.file)
    return (folder / engine.file).read_bytes()


@pytest.mark.parametrize("name", ["onnx", pytest.param("openvino", marks=pytest.mark.process), "torch"])
def test_no_path_of_this_machine_is_in_an_exported_file(name: str, tmp_path: Path) -> None:
    engine = build_engine(PluginRegistry.discover(), name, EngineContext(), {})
    content = export(engine, network(), tmp_path)
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[3]).encode() not in content
    assert not list(find_leaks(engine.file, content, {}))


def test_a_student_exported_twice_gives_the_same_onnx_file_which_names_no_module_of_gdp(tmp_path: Path) -> None:
    engine = build_engine(PluginRegistry.discover(), "onnx", EngineContext(), {})
    same = network()
    first, second = export(engine, same, tmp_path), export(engine, same, tmp_path)
    assert first == second
    assert b"PictureNetwork" not in first
