"""Recipes by name, wherever one is taken: a file of the user's, or one that comes with gdp. Imports no torch."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from gdp.core.errors import Mistake, RecipeError

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "recipes", _PACKAGE.parent / "recipes")
"""Of the wheel, and of a checkout, where the package finds the same files beside itself."""
SUFFIX = ".toml"


class RecipePlace(NamedTuple):
    """Where a recipe counts as standing, and the file that holds its text."""

    path: Path
    """Relative paths begin in its folder; messages name it."""
    file: Path


def shipped_recipes() -> dict[str, Path]:
    """Return the files of the recipes that come with gdp, by the names that they are run by (`stylegan-age`)."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    files = [] if folder is None else sorted(folder.glob(f"*{SUFFIX}"))
    return {plain_name(file.stem): file for file in files}


def find_recipe(path: Path) -> RecipePlace:
    """Find the recipe that a user names: by its file, by its name, or by the place that it has in the repository.

    A file of the user's wins. `NAME` may leave out its `.toml`, and be written with hyphens or underscores. Paths in a
    recipe that comes with gdp count from where the user is, or from below `recipes/` where that is how it was named.

    Raises:
        RecipeError: there is neither a file nor a recipe of that name; the message names the nearest.
    """
    if not _is_name(path) or _may_be_there(path):
        return RecipePlace(path, path)  # what is wrong with it, whoever reads it says
    own = [path.with_name(f"{spelt}{SUFFIX}") for spelt in _spellings(path)]
    for file in own:
        if file.is_file():
            return RecipePlace(file, file)
    shipped = shipped_recipes()
    found = shipped.get(plain_name(path.name))
    if found is None:
        raise RecipeError(str(path), [Mistake("", f"no such file{_nearest(path, shipped)}")])
    return RecipePlace(path, found)


def _is_name(path: Path) -> bool:
    return path.parent in (Path(), Path("recipes")) and path.suffix in ("", SUFFIX)


def _may_be_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True


def plain_name(name: str) -> str:
    """Return a recipe's name as it is listed, though written with underscores, in capitals or with its `.toml`."""
    return name.removesuffix(SUFFIX).replace("_", "-").lower()


def _spellings(path: Path) -> dict[str, None]:
    stem = path.name.removesuffix(SUFFIX)
    return dict.fromkeys((stem, plain_name(stem), stem.replace("-", "_")))


def _nearest(path: Path, shipped: dict[str, Path]) -> str:
    """Return what was perhaps meant: a file beside it, or a recipe of gdp's."""
    try:
        files = {plain_name(file.stem): str(file) for file in sorted(path.parent.glob(f"*{SUFFIX}"))}
    except OSError:
        files = {}
    known = {**{name: name for name in shipped}, **files}
    close = get_close_matches(plain_name(path.name), known, n=1, cutoff=0.7)
    if close:
        return f", did you mean {known[close[0]]}?"
    return ", and no recipe of that name comes with gdp: gdp recipes lists those that do"
