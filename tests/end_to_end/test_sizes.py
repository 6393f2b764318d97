"""A small student of a large teacher: pairs are reduced, and the slow route keeps the teacher's size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_world import make_tiny_world
from typer.testing import CliRunner

import gdp
from gdp.cli.app import app
from gdp.core.errors import RecipeError
from gdp.core.pairs.store import PairStore
from gdp.core.pictures import reduced
from gdp.core.progress import SilentProgress
from gdp.core.recipe.reading import load_recipe
from gdp.core.run.session import Session
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry

SLOW = """
[[evaluators]]
plugin = "slow-route"
pictures = 2
steps = 3

[[evaluators]]
plugin = "speed"
repeats = 3
"""

SAID = {
    "quality.slow_route.psnr_db": "at 16 px, compared at 8 px (area)",
    "speed.teacher_ms": "at 16 px",
    "speed.student_ms": "at 8 px",
}


def session(folder: Path, *overrides: str) -> Session:
    plugins = PluginRegistry.discover()
    recipe = load_recipe(make_tiny_world(folder), plugins, overrides)
    return Session(recipe, RunFolder(folder / "run"), plugins, SilentProgress(), torch.device("cpu"))


def test_every_latent_source_takes_the_setting_and_the_student_is_built_for_it(tmp_path: Path) -> None:
    whole, small = session(tmp_path), session(tmp_path, "pairs.resolution=8")
    assert (small.pair_source.resolution, small.new_student().context.resolution) == (8, 8)
    expected = whole.pair_source.make([3])
    assert torch.equal(small.pair_source.make([3]).target, reduced(expected.target, 8))
    assert torch.equal(small.pair_source.unreduced([3]).source, expected.source)
    mixed = session(tmp_path, 'pairs={plugin="style-mix", count=4, resolution=8}')
    assert mixed.pair_source.make([0, 1]).source.shape == (2, 6, 8, 8)


def test_the_size_is_known_without_the_teacher(tmp_path: Path) -> None:
    small = session(tmp_path, "pairs.resolution=8")
    (tmp_path / "teacher.safetensors").unlink()
    assert small.pair_source.resolution == 8


def test_a_source_with_a_setting_of_that_name_reads_it_itself(tmp_path: Path) -> None:
    recipe = load_recipe(
        make_tiny_world(tmp_path),
        PluginRegistry.discover(),
        ['pairs={plugin="folder", source_folder="a", target_folder="b", resolution=12}'],
    )
    assert recipe.pairs.section.resolution is None
    assert recipe.pairs.config.resolution == 12
    assert recipe.pairs.to_data()["resolution"] == 12


def test_a_size_of_nothing_is_a_mistake_of_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"pairs\.resolution"):
        load_recipe(make_tiny_world(tmp_path), PluginRegistry.discover(), ["pairs.resolution=4"])


@pytest.mark.training
def test_a_run_makes_a_student_of_half_its_teachers_size(tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    recipe.write_text(recipe.read_text() + SLOW)
    small = ["pairs.resolution=8", "pairs.count=24", "train.steps=2", "train.sample_every=2"]
    dry = CliRunner().invoke(
        app, ["run", str(recipe), "--dry-run", *(word for one in small for word in ("--set", one))]
    )
    assert dry.exit_code == 0, dry.output
    assert "24 pairs of 8 px, reduced from 16 px (area)" in " ".join(dry.output.split())
    run = gdp.run(recipe, folder=tmp_path / "run", overrides=small)
    summary = RunFolder(run.path).stages()["pairs"]["summary"]
    assert summary["resolution"] == 8
    with PairStore.open(run.path / summary["folder"], read_only=True) as store:
        assert store.load([0]).source.shape == (1, 3, 8, 8)
        assert store.records([0])[0].extra["reduced"] == {"from": 16, "to": 8, "by": "area"}
    metrics = json.loads((run.path / "metrics.json").read_text())
    protocols = {name: metrics["protocols"][name]["protocol"] for name in SAID}
    assert not [name for name, words in SAID.items() if words not in protocols[name]], protocols
