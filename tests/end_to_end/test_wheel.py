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


def test_recipes_are_there_without_the_repository(installed: CleanEnvironment, tmp_path: Path) -> None:
    listed = json.loads(installed.run("gdp", "recipes", "--json", cwd=tmp_path))
    assert {row["file"].rpartition("/")[2] for row in listed} == {
        path.name for path in (ROOT / "recipes").glob("*.toml")
    }
    assert all(Path(row["file"]).is_relative_to(installed.packages) for row in listed)
    assert "takes about 8 minutes on two CPU cores" in installed.run("gdp", "recipes", cwd=tmp_path)
    assert all(row["yours"] is not None for row in listed), "each is valid with the plugins that the wheel brings"
    assert "the recipe is valid" in installed.run("gdp", "validate", "recipes/folder_pairs.toml", cwd=tmp_path)
    assert "ready to run" in installed.run("gdp", "run", "stylegan-age", "--dry-run", cwd=tmp_path)


def test_a_recipe_is_copied_changed_and_checked_without_the_repository(
    installed: CleanEnvironment, tmp_path: Path
) -> None:
    installed.run("gdp", "recipes", "copy", "stylegan-age", "-o", "mine.toml", cwd=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.toml", "recipe.schema.json"}
    text = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('name = "stylegan-age"', 'name = "mine"'))
    told = installed.run("gdp", "validate", "mine", cwd=tmp_path)
    assert "mine.toml: the recipe is valid" in told
    assert "name       mine" in told


def test_the_machine_is_told_though_no_extra_is_installed(installed: CleanEnvironment, tmp_path: Path) -> None:
    told = json.loads(installed.run("gdp", "doctor", "--json", cwd=tmp_path))
    assert told["works"] is True
    assert {fact["mend"] for fact in told["extras"]} == {
        f"pip install 'gdp-distill[{fact['name']}]'" for fact in told["extras"]
    }


def test_it_runs_a_recipe_from_start_to_end(installed: CleanEnvironment, tmp_path: Path) -> None:
    make_tiny_world(tmp_path)
    assert json.loads(installed.run("gdp", "run", "tiny.toml", "--json", cwd=tmp_path))["state"] == "finished"
    found = installed.run("python", "-c", "import gdp; print(gdp.__file__)", cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.packages)
