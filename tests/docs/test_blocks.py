"""Every block of code of README and docs is what it says: Python runs or at least compiles, TOML is what gdp reads."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
import tomlkit
import torch
from markdown_pages import COMMANDS, DOCS, GUIDES, ROOT, Block, blocks_of
from onnx import TensorProto, helper
from PIL import Image

import gdp
from gdp.core.errors import RecipeError
from gdp.registry import PluginRegistry
from gdp.tools.estimate.instances import read_prices
from gdp.tools.run_recipes import load_named_recipe
from gdp.tools.teacher_recipe import load_teacher_recipe

BLOCKS = [block for page in GUIDES if page.name != "writing_plugins.md" for block in blocks_of(page)]
"""Those of the guide for authors are executed by tests/end_to_end/test_writing_plugins.py."""
BASES = [ROOT / "recipes" / f"{name}.toml" for name in ("stylegan_age", "cyclegan_painting")]
"""Whose sections stand around those that a page shows alone."""


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def block_of(page: str, words: str) -> str:
    (found,) = [block.text for block in blocks_of(DOCS / page) if words in block.text]
    return found


@pytest.fixture(scope="module")
def registry() -> PluginRegistry:
    return PluginRegistry.discover()


def test_every_language_is_checked() -> None:
    assert {block.language for block in BLOCKS} == {*COMMANDS, "python", "toml", "json", "text"}


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_compiles_and_knows_the_names_of_gdp(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text, str(block))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "gdp":
            assert hasattr(gdp, node.attr), f"{block}: gdp.{node.attr}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_is_what_gdp_reads(block: Block, tmp_path: Path, registry: PluginRegistry) -> None:
    shown = tomlkit.parse(block.text).unwrap()
    file = tmp_path / "shown.toml"
    file.write_text(block.text)
    if "project" in shown:
        assert shown["project"].keys() <= {"entry-points"}
    elif "instances" in shown:
        assert read_prices(file).instances
    elif "student" in shown:
        load_named_recipe(file, registry, ())
    elif "dataset" in shown and "teacher" in shown:
        load_teacher_recipe(file, registry, ())
    else:
        assert any(_fits(shown, base, file, registry) for base in BASES), f"{block}: no recipe can have these sections"


def _fits(shown: dict[str, Any], base: Path, file: Path, registry: PluginRegistry) -> bool:
    """Say whether a recipe that has the shown sections in place of its own is valid."""
    whole = tomlkit.parse(base.read_text()).unwrap()
    for section, content in shown.items():
        of_another = isinstance(content, dict) and content.get("plugin") != whole.get(section, {}).get("plugin")
        if isinstance(content, dict) and not ("plugin" in content and of_another):
            whole[section] = {**whole.get(section, {}), **content}
        else:
            whole[section] = content
    file.write_text(tomlkit.dumps(whole))
    try:
        load_named_recipe(file, registry, ())
    except RecipeError:
        return False
    return True


def test_the_plugin_of_one_file_is_found(tmp_path: Path) -> None:
    text = block_of("api_stability.md", "class BrightnessFilter")
    (tmp_path / "brightness.py").write_text(text)
    registry = PluginRegistry.discover(folders=[tmp_path], strict=True)
    record = registry.get("filter", "brightness")
    assert issubclass(registry.load(record), gdp.Filter)
    assert record.config().min_mean == 0.1


def test_the_converter_recognises_and_converts() -> None:
    space: dict[str, Any] = {}
    exec(compile(block_of("foreign_weights.md", "class MyConverter"), "foreign_weights.md", "exec"), space)
    tensors = {"head.weight": torch.ones(2)}

    class File:
        content = {"my_generator": tensors}  # noqa: RUF012 # a stand-in for one file, changed by nobody

    converter = space["MyConverter"]()
    assert converter.recognise(File)
    assert list(converter.convert(File, None).tensors) == ["model.head.weight"]


def test_an_exported_student_runs_without_gdp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3]) for name in ("pictures", "older")
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["pictures"], ["older"])], "student", ends[:1], ends[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), tmp_path / "student.onnx"
    )
    shown = numpy.arange(48, dtype="uint8").reshape(4, 4, 3)
    Image.fromarray(shown).save(tmp_path / "face.png")
    monkeypatch.chdir(tmp_path)
    exec(compile(block_of("deployment.md", "InferenceSession"), "deployment.md", "exec"), {})
    with Image.open("older.png") as older:
        assert numpy.array_equal(numpy.asarray(older), shown)


def test_landmarks_are_decoded_as_the_formula_says() -> None:
    priors, raw = torch.tensor([[0.5, 0.5, 0.2, 0.4]]), torch.ones(1, 10)
    space: dict[str, Any] = {"priors": priors, "raw": raw, "variance": 0.1}
    exec(block_of("faces.md", "landmarks = priors"), space)
    assert torch.allclose(space["landmarks"], torch.tensor([0.52, 0.54]).expand(1, 5, 2))
