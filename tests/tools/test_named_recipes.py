"""Recipes that come with gdp are found by name where there is no repository, and never in place of another file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import gdp
from gdp.cli.app import app
from gdp.core.errors import RecipeError
from gdp.core.recipe.text import read_recipe_text
from gdp.registry import PluginRegistry
from gdp.tools.named_recipes import find_recipe, shipped_recipes
from gdp.tools.run_recipes import open_recipe

HERE = Path(__file__).parents[2] / "recipes"


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_recipe_is_found_by_its_name_and_by_its_place_in_the_repository() -> None:
    names = ("stylegan_age", "stylegan-age", "stylegan_age.toml", "recipes/stylegan_age.toml", "recipes/stylegan-age")
    found = [read_recipe_text(*find_recipe(Path(name))) for name in names]
    assert {text.data["name"] for text in found} == {"stylegan-age"}
    assert [text.file for text in found] == list(names)  # from where its relative paths count
    assert {name: path.name for name, path in shipped_recipes().items()} == {
        path.stem.replace("_", "-"): path.name for path in HERE.glob("*.toml")
    }


@pytest.mark.parametrize("file", ["stylegan_age", "stylegan-age.toml", "stylegan_age.toml"])
@pytest.mark.parametrize("folder", ["", "recipes"])
def test_a_users_own_file_of_that_name_comes_first(file: str, folder: str, somewhere: Path) -> None:
    own = Path(folder, file)
    own.parent.mkdir(exist_ok=True)
    own.write_text('name = "mine"\n')
    assert read_recipe_text(*find_recipe(Path(folder, "stylegan_age"))).data == {"name": "mine"}
    assert find_recipe(own) == (own, own)


def test_a_recipe_of_the_users_own_needs_no_ending() -> None:
    Path("mine.toml").write_text('name = "mine"\n')
    assert find_recipe(Path("mine")) == (Path("mine.toml"),) * 2


@pytest.mark.parametrize("name", ["elsewhere/stylegan_age.toml", "../recipes/stylegan_age.toml", "stylegan_age.txt"])
def test_another_place_is_no_name_of_a_recipe(name: str) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        read_recipe_text(*find_recipe(Path(name)))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("stylegan-agee", "stylegan-agee: no such file, did you mean stylegan-age?"),
        ("recipes/stylegan_agee.toml", "no such file, did you mean stylegan-age?"),
        ("minne", "no such file, did you mean mine.toml?"),
        ("xyz", "no such file, and no recipe of that name comes with gdp: gdp recipes lists those that do"),
    ],
)
def test_a_name_that_nothing_has_is_told_with_the_nearest(name: str, told: str) -> None:
    Path("mine.toml").write_text('name = "mine"\n')
    with pytest.raises(RecipeError) as failure:
        find_recipe(Path(name))
    assert told in str(failure.value)


def test_paths_in_a_recipe_by_name_count_from_where_the_user_is(somewhere: Path) -> None:
    recipe, folder = open_recipe(Path("folder-pairs"), PluginRegistry.discover(), ["pairs.source_folder=mine"])
    assert recipe.pairs.to_data()["source_folder"] == str(somewhere / "mine")
    assert folder.path == somewhere / "runs" / "folder-pairs"


@pytest.mark.parametrize(
    "command",
    [
        "validate stylegan-age --set name=5",
        "run stylegan-age --set name=5",
        "estimate stylegan-age --set name=5",
        "train-teacher train-faces64 --set name=5",
        "find-direction stylegan-age --set teacher=5",
    ],
)
def test_every_command_that_takes_a_recipe_takes_its_name(command: str) -> None:
    result = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert result.exit_code != 0
    assert "no such file" not in result.stderr
    assert "given by --set" in result.stderr


def test_python_takes_a_recipe_by_its_name() -> None:
    with pytest.raises(RecipeError, match="did you mean stylegan-age"):
        gdp.run("stylegan-agee")
    with pytest.raises(RecipeError, match="given by --set"):
        gdp.run("stylegan-age", overrides={"train.steps": 0})
