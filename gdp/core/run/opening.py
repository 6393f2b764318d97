"""From a run's folder to a session on it: to go on with the run, or only to look at it.

Who only looks needs neither the teacher nor what it is made of: content keys are those that the run wrote down, and of
a plugin that is not installed here no more is known than what the recipe says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic import ConfigDict

from gdp.core.config import Config
from gdp.core.errors import PluginNotFoundError, RunFolderError
from gdp.core.pairs.store import PairStore
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.core.records import Kind, PluginRecord, Plugins
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import made_pairs
from gdp.core.run.steps import keys_until
from gdp.core.run_folder import RunFolder

RECIPE = "recipe.toml"
KEYS = "keys.json"
"""The content keys of the run's stages, as far as they were known last; the pair store's as `store`."""


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


def as_recorded(plugins: Plugins) -> Plugins:
    """Return the registry with stand-ins for what is not installed, to read the recipe of a run that is looked at."""
    return cast(Plugins, _AsRecorded(plugins))


def is_run(path: Path) -> bool:
    """Say whether a path is a run's folder that holds its recipe."""
    return (path / "run.json").is_file() and (path / RECIPE).is_file()


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
    equal work has equal keys.

    Args:
        folder: of the run.
        plugins: that the recipe names.
        overrides: such as `train.steps=200`.
        derived: a recipe that was made from the run's, to read in its place.
        look: whether plugins that are not installed are no mistake, for the run is only looked at.

    Raises:
        RecipeError: with all mistakes of the overrides, or what the present plugins find wrong with it.
    """
    recipe = load_recipe(derived or folder.path / RECIPE, as_recorded(plugins) if look else plugins, overrides)
    written = folder.read_json("run.json", {}).get("recipe")
    return _standing_at(recipe, Path(written)) if isinstance(written, str) else recipe


def _standing_at(recipe: Recipe, path: Path) -> Recipe:
    """Return a recipe, with the variants that it is compared with, as if it had been read from a file."""
    compare = recipe.compare
    if compare is not None:
        variants = tuple(replace(each, recipe=_standing_at(each.recipe, path)) for each in compare.variants)
        compare = replace(compare, variants=variants)
    return replace(recipe, path=path, compare=compare)


def recorded_keys(folder: RunFolder) -> dict[str, str]:
    """Return the content keys that a run wrote down; those of the stages that had finished, for one of an older gdp."""
    keys = folder.read_json(KEYS)
    if keys is not None:
        return dict(keys)
    stages = folder.stages()
    found = {name: str(entry["key"]) for name, entry in stages.items()}
    store = str(stages.get("pairs", {}).get("summary", {}).get("folder", ""))
    return {**found, "store": store.rpartition("/")[2]} if store else found


def open_pairs(session: Session) -> tuple[PairStore, list[int]]:
    """Open the pairs of a run for reading, beside a process that works in it; the caller closes the store.

    Where the run wrote down no keys, they are computed, which takes the teacher.

    Returns:
        The store, and the numbers of the pairs that the recipe asks for and that are made, ascending.

    Raises:
        RunFolderError: no pair is made yet with the recipe's settings.
        GdpError: the store cannot be opened.
    """
    session.keys = recorded_keys(session.folder)
    if "store" not in session.keys:
        session.keys = keys_until(session, "pairs")
    if not session.store_folder.is_dir():
        raise RunFolderError(
            f"{session.folder.path}: the run has no pairs of its present recipe yet; gdp run makes them."
        )
    store = session.open_store(read_only=True)
    return store, made_pairs(session, store)
