"""The recipe of a run: from a file, or from the folder of a run that has one. Imports no torch.

Of a plugin that is not installed here no more is known than what a run's recipe says: enough to look at the run.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, cast

from pydantic import ConfigDict

from gdp.core.config import Config
from gdp.core.errors import CorruptFileError, PluginNotFoundError, RecipeError
from gdp.core.files import file_sha256
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.core.recipe.text import read_recipe_text
from gdp.core.records import Kind, PluginRecord, Plugins
from gdp.core.run_folder import RunFolder
from gdp.tools.named_recipes import find_recipe

RECIPE = "recipe.toml"
_PLAIN = re.compile(r"[\w. -]{1,200}")


class _AnySettings(Config):
    """Settings of a plugin that is not installed."""

    model_config = ConfigDict(extra="allow")


class _AsRecorded:
    """The registry, with stand-ins for plugins of a run that are not installed here; good for looking alone."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugins, name)

    def get(self, kind: Kind, name: str) -> PluginRecord:
        """Return a plugin's record, or one that takes any settings and names no implementation."""
        try:
            return self._plugins.get(kind, name)
        except PluginNotFoundError:
            training = _AnySettings if kind == "teacher" else None
            return PluginRecord(kind, name, "not installed here", _AnySettings, implementation="", training=training)


class _AsMade:
    """The registry for a run that was made before: a name means the plugin of the package that the run has it of."""

    def __init__(self, plugins: Plugins, packages: Mapping[str, str]) -> None:
        self._plugins, self._packages = plugins, packages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugins, name)

    def get(self, kind: Kind, name: str) -> PluginRecord:
        """Return a plugin's record: the run's, though another package has the name now; told where the run's is gone.

        Raises:
            PluginNotFoundError: there is none, or several packages have the name and none of them is the run's.
        """
        package = self._packages.get(f"{kind} {name}")
        if package is None:
            return self._plugins.get(kind, name)
        with suppress(PluginNotFoundError):  # the run's package is gone
            return self._plugins.get(kind, f"{package}:{name}")
        record = self._plugins.get(kind, name)
        if Path(record.package).name != Path(package).name:  # a plugin of one file may have moved
            warnings.warn(
                f"{kind} {name} is of {record.package} now, and the run was made with that of {package}, which is not "
                f"installed (pip install {package} may do): what it made counts as out of date",
                stacklevel=2,
            )
        return record


def as_made(plugins: Plugins, folder: RunFolder) -> Plugins:
    """Return the registry in which a name means the plugin of the package that a run was made with."""
    try:
        packages = folder.read_json("run.json", {}).get("plugins")
    except CorruptFileError:  # gdp run writes it anew; of a name that several packages have, it is told then
        return plugins
    return cast(Plugins, _AsMade(plugins, packages)) if isinstance(packages, dict) else plugins


def as_recorded(plugins: Plugins) -> Plugins:
    """Return the registry with stand-ins for what is not installed, to read the recipe of a run that is looked at."""
    return cast(Plugins, _AsRecorded(plugins))


def is_run(path: Path) -> bool:
    """Say whether a path is a run's folder that holds its recipe."""
    return (path / "run.json").is_file() and (path / RECIPE).is_file()


def run_meant(path: Path) -> Path | None:
    """Return the folder of the run that a user names where a recipe may stand, too: its path, or its name in runs/.

    A recipe of that name wins, for the run was made by it.
    """
    if is_run(path):
        return path
    named = Path("runs") / path
    if is_run(named):
        try:
            find_recipe(path)
        except RecipeError:
            return named
    return None


def recipe_changed(folder: RunFolder) -> str | None:
    """Say that a run's recipe.toml is not the one that gdp wrote there; None where it is, or nothing is known of it.

    Raises:
        CorruptFileError: run.json is damaged.
    """
    written = folder.read_json("run.json", {}).get("recipe_sha256")
    if written is None or not (folder.path / RECIPE).is_file() or written == file_sha256(folder.path / RECIPE):
        return None
    return f"{folder.path / RECIPE}: was changed since gdp wrote it"


def settings_of(tree: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each setting of a resolved recipe by its dotted key; of a list of plugins by their names.

    Of two that are called alike the second is counted: `filters.expression-2.keep`.
    """
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from settings_of(value, f"{name}.{key}" if name else str(key))
    elif isinstance(tree, list) and tree and all(isinstance(item, Mapping) for item in tree):
        seen: dict[str, int] = {}
        for item in tree:
            word = str(item.get("plugin") or item.get("name") or "entry")
            seen[word] = seen.get(word, 0) + 1
            yield from settings_of(item, f"{name}.{word}" + (f"-{seen[word]}" if seen[word] > 1 else ""))
    else:
        yield name, str(tree).lower() if isinstance(tree, bool) else str(tree)


def require_recipe(path: Path) -> None:
    """Make sure that there is a recipe or a run of that path or name, which costs nothing beside a look at all plugins.

    Raises:
        RecipeError: there is no such file, or it is not TOML.
    """
    if run_meant(path) is None:
        read_recipe_text(*find_recipe(path))


def load_named_recipe(path: Path, plugins: Plugins, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe of `gdp run`, by its file or by its name; see `load_recipe`."""
    place = find_recipe(path)
    return load_recipe(place.path, plugins, overrides, place.file)


def load_run_recipe(
    folder: RunFolder,
    plugins: Plugins,
    overrides: Sequence[str] = (),
    derived: Path | None = None,
    *,
    look: bool = False,
) -> Recipe:
    """Read the recipe that a run was last made with.

    Content keys write paths relative to the recipe's place, so it counts as standing where the original stood, and
    equal work has equal keys. Of a recipe that was changed since gdp wrote it, it is warned.

    Args:
        folder: of the run.
        plugins: that the recipe names.
        overrides: such as `train.steps=200`.
        derived: a recipe that was made from the run's, to read in its place.
        look: whether plugins that are not installed are no mistake, for the run is only looked at.

    Raises:
        RecipeError: with all mistakes of the overrides, or what the present plugins find wrong with it.
    """
    plugins = as_made(plugins, folder)
    with suppress(CorruptFileError):  # of run.json, which is told where it is read
        if changed := recipe_changed(folder):
            warnings.warn(f"{changed}; what follows goes by it as it is now", stacklevel=2)
    recipe = load_recipe(derived or folder.path / RECIPE, as_recorded(plugins) if look else plugins, overrides)
    written = folder.read_json("run.json", {}).get("recipe")
    return _standing_at(recipe, Path(written)) if isinstance(written, str) else recipe


def load_recipe_text(text: str, plugins: Plugins, stands_at: Path | None = None) -> Recipe:
    """Read a resolved recipe from its text, as if it stood in a file.

    Args:
        text: as `Recipe.to_toml` writes it.
        plugins: that the recipe names.
        stands_at: the file, which need not be there; None for one in the present folder.

    Raises:
        RecipeError: with what the present plugins find wrong with it.
    """
    with NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return load_recipe(stands_at or Path(RECIPE), plugins, (), Path(file.name))


def _standing_at(recipe: Recipe, path: Path) -> Recipe:
    """Return a recipe, with the variants that it is compared with, as if it had been read from a file."""
    compare = recipe.compare
    if compare is not None:
        variants = tuple(replace(each, recipe=_standing_at(each.recipe, path)) for each in compare.variants)
        compare = replace(compare, variants=variants)
    return replace(recipe, path=path, compare=compare)


def open_recipe(
    recipe: Path, plugins: Plugins, overrides: Sequence[str] = (), folder: Path | None = None
) -> tuple[Recipe, RunFolder]:
    """Read a recipe and choose the run's folder; nothing is written.

    Args:
        recipe: the TOML file, or the name of a recipe that comes with gdp; or a run (its folder, or its name in
            `runs/`), which goes on by the recipe that is written there.
        plugins: that the recipe names.
        overrides: such as `train.steps=200`.
        folder: of the run; None for `runs/<name of the recipe>` below the present folder, or the run's own.

    Raises:
        RecipeError: with all mistakes of the recipe.
    """
    if (run := run_meant(recipe)) is not None:
        loaded, place = load_run_recipe(RunFolder(run.absolute()), plugins, overrides), run
    else:
        loaded = load_named_recipe(recipe, _as_made_here(recipe, plugins, folder), overrides)
        place = Path("runs") / loaded.name
    return loaded, RunFolder((folder or place).absolute())


def _as_made_here(recipe: Path, plugins: Plugins, folder: Path | None) -> Plugins:
    """Return the registry for a recipe's file whose run may have been made before, in a folder or in `runs/NAME`."""
    name = read_recipe_text(*find_recipe(recipe)).data.get("name")
    is_plain = isinstance(name, str) and _PLAIN.fullmatch(name) is not None  # what is wrong with it, others tell
    place = folder or (Path("runs") / str(name) if is_plain else None)
    return plugins if place is None or not is_run(place) else as_made(plugins, RunFolder(place.absolute()))
