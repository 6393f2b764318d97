"""The networks of the published sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gdp.api import load
from gdp.api.runs import open_session
from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.errors import GdpError
from gdp.core.interfaces.context import BuildContext
from gdp.core.recipe.reading import load_recipe
from gdp.registry import PluginRegistry
from gdp.tools.bench.paper import RECIPE, make_run
from gdp.tools.bench.random_weights import write_published
from gdp.tools.preflight import preflight

ROOT = Path(__file__).parents[3]

SMALL = {"z_dim": 8, "w_dim": 8, "resolution": 32, "channel_base": 128, "channel_max": 8, "mapping_layers": 2}


def test_the_student_of_the_paper_has_the_published_size(tmp_path: Path) -> None:
    registry = PluginRegistry.discover()
    (tmp_path / RECIPE).write_text(Path("gdp/tools/bench/paper.toml").read_text(encoding="utf-8"))
    recipe = load_recipe(tmp_path / RECIPE, registry)
    with torch.device("meta"):
        student = registry.load(recipe.student.record)(recipe.student.config, BuildContext(resolution=512))
    assert count_parameters(student.generator) == 182_443_267
    macs = count_macs(student.generator, torch.zeros(1, 3, 512, 512, device="meta"))
    assert round(macs / 1e9, 1) == 217.5


def test_a_run_of_random_weights_can_be_opened_as_any_other(tmp_path: Path) -> None:
    make_run(PluginRegistry.discover(), tmp_path, SMALL, ("student.width=4", "student.blocks=1"))
    student = load(tmp_path, device="cpu")
    assert student(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    card = json.loads((tmp_path / "student" / "student.json").read_text())
    assert card["resolution"] == 32


def test_the_published_recipe_passes_its_dry_run_with_random_weights(tmp_path: Path) -> None:
    write_published(PluginRegistry.discover(), tmp_path, SMALL)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text((ROOT / "recipes" / "stylegan2_ffhq_age.toml").read_text(encoding="utf-8"))
    smaller = ["pairs.resolution=16", "pairs.layers=[0, 1]", "student.width=2", "student.downsamplings=1"]
    checks = list(preflight(open_session(recipe, overrides=smaller, folder=tmp_path / "run")))
    assert not [check for check in checks if not check.good]
    assert "reduced from 32 px (area)" in next(check.detail for check in checks if check.title == "pairs")


def test_weights_that_are_there_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "vgg19.pth").write_bytes(b"mine")
    with pytest.raises(GdpError, match="may be real weights"):
        write_published(PluginRegistry.discover(), tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["vgg19.pth"]
