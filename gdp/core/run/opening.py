"""From a run's folder to a session on it, by the recipe that the run has or by a changed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gdp.core.errors import RunFolderError
from gdp.core.pairs.store import PairStore
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.core.records import Plugins
from gdp.core.run.session import Session
from gdp.core.run.stages import pairs, teacher
from gdp.core.run_folder import RunFolder

RECIPE = "recipe.toml"


def is_run(path: Path) -> bool:
    """Say whether a path is a run's folder that holds its recipe."""
    return (path / "run.json").is_file() and (path / RECIPE).is_file()


def load_run_recipe(
    folder: RunFolder, plugins: Plugins, overrides: Sequence[str] = (), derived: Path | None = None
) -> Recipe:
    """Read the recipe that a run was last made with.

    Content keys write paths relative to the recipe's place, so it counts as standing where the original stood, and
    equal work has equal keys.

    Args:
        folder: of the run.
        plugins: that the recipe names.
        overrides: such as `train.steps=200`.
        derived: a recipe that was made from the run's, to read in its place.

    Raises:
        RecipeError: with all mistakes of the overrides, or what the present plugins find wrong with it.
    """
    recipe = load_recipe(derived or folder.path / RECIPE, plugins, overrides)
    written = folder.read_json("run.json", {}).get("recipe")
    return replace(recipe, path=Path(written)) if isinstance(written, str) else recipe


def open_pairs(session: Session) -> tuple[PairStore, list[int]]:
    """Open the pairs of a run for reading, beside a process that works in it; the caller closes the store.

    Returns:
        The store, and the numbers of the pairs that the recipe asks for and that are made, ascending.

    Raises:
        RunFolderError: no pair is made yet with the recipe's settings.
        GdpError: the teacher, the pair source or the store cannot be opened.
    """
    teacher.key(session)
    pairs.key(session)
    if not session.store_folder.is_dir():
        raise RunFolderError(
            f"{session.folder.path}: the run has no pairs of its present recipe yet; gdp run makes them."
        )
    store = session.open_store(read_only=True)
    return store, store.made(0, pairs.wanted(session))
