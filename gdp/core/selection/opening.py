"""From a run's folder to its pairs, by the recipe that the run has or by a changed one."""

from __future__ import annotations

from typing import Protocol

from gdp.core.errors import RunFolderError
from gdp.core.pairs.store import PairStore
from gdp.core.recipe import PluginLookup
from gdp.core.run_recipe import is_run, load_run_recipe
from gdp.core.stages import pairs, teacher
from gdp.core.stages.session import Plugins, Session

__all__ = ["RunPlugins", "is_run", "load_run_recipe", "open_pairs"]


class RunPlugins(PluginLookup, Plugins, Protocol):
    """What is asked of the registry."""


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
