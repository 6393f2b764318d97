"""The wheel, installed with what it requires and nothing else, works without the checkout."""

from __future__ import annotations

import json
from pathlib import Path

from clean_environment import ROOT, CleanEnvironment
from tiny_world import make_tiny_world


def test_what_the_wheel_requires_is_all_there_and_fits(installed: CleanEnvironment) -> None:
    installed.pip("check")


def test_its_commands_know_all_plugins_and_a_shipped_recipe(installed: CleanEnvironment) -> None:
    assert {row["package"] for row in installed.plugins()} == {"gdp-distill"}
    assert "the recipe is valid" in installed.run("gdp", "validate", str(ROOT / "recipes" / "stylegan_age.toml"))


def test_a_shipped_recipe_is_there_without_the_repository(installed: CleanEnvironment, tmp_path: Path) -> None:
    for name in ("stylegan_age", "recipes/cyclegan_painting.toml"):
        assert "the recipe is valid" in installed.run("gdp", "validate", name, cwd=tmp_path)
    assert "ready to run" in installed.run("gdp", "run", "stylegan_age", "--dry-run", cwd=tmp_path)


def test_it_runs_a_recipe_from_start_to_end(installed: CleanEnvironment, tmp_path: Path) -> None:
    make_tiny_world(tmp_path)
    assert json.loads(installed.run("gdp", "run", "tiny.toml", "--json", cwd=tmp_path))["state"] == "finished"
    found = installed.run("python", "-c", "import gdp; print(gdp.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.packages)
