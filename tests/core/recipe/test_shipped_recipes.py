"""Recipes that come with gdp are found where there is no repository, and never in place of another file."""

from pathlib import Path

import pytest

from gdp.core.errors import RecipeError
from gdp.core.recipe.text import read_recipe_text, shipped_recipes


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_recipe_is_found_by_its_name_and_by_its_place_in_the_repository() -> None:
    names = ("stylegan_age", "stylegan-age", "stylegan_age.toml", "recipes/stylegan_age.toml", "recipes/stylegan-age")
    found = [read_recipe_text(Path(name)) for name in names]
    assert {text.data["name"] for text in found} == {"stylegan-age"}
    assert [text.file for text in found] == list(names)  # from where its relative paths count
    assert len(shipped_recipes()) >= 10


def test_a_users_own_file_comes_first(somewhere: Path) -> None:
    (somewhere / "stylegan_age.toml").write_text('name = "mine"\n')
    assert read_recipe_text(Path("stylegan_age.toml")).data == {"name": "mine"}


@pytest.mark.parametrize("name", ["elsewhere/stylegan_age.toml", "../recipes/stylegan_age.toml", "stylegan_age.txt"])
def test_another_place_is_no_name_of_a_recipe(name: str) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        read_recipe_text(Path(name))


def test_a_name_that_is_nearly_one_is_told() -> None:
    with pytest.raises(RecipeError, match="no such file, did you mean stylegan_age"):
        read_recipe_text(Path("stylegan-agee"))
