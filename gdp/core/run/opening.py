"""From a session on a run to its pairs.

Who only looks needs neither the teacher nor what it is made of: content keys are those that the run wrote down.
"""

from __future__ import annotations

from gdp.core.errors import CorruptFileError, RunFolderError
from gdp.core.locks import is_held
from gdp.core.pairs.integrity import MANIFEST_NAME
from gdp.core.pairs.manifest import HOW_TO_MEND
from gdp.core.pairs.repair import is_manifest_whole
from gdp.core.pairs.store import PairStore
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import made_pairs
from gdp.core.run.steps import keys_until
from gdp.core.run_folder import LOCK, RunFolder

KEYS = "keys.json"
"""The content keys of the run's stages, as far as they were known last; the pair store's as `store`."""


def recorded_keys(folder: RunFolder) -> dict[str, str]:
    """Return the content keys that a run wrote down; those of the stages that had finished, for one of an older gdp.

    Of the store's key such a run tells no more than the folder's name does: enough to find it.

    Raises:
        CorruptFileError: what is written down are no content keys.
    """
    keys = folder.read_json(KEYS, {})
    are_texts = isinstance(keys, dict) and all(isinstance(key, str) for key in keys.values())
    if not (are_texts and keys.get("store", "0").isalnum()):  # of which a folder's name is made
        raise CorruptFileError(f"{folder.path / KEYS}: holds no keys; delete it and run the same command again.")
    if keys:
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
        GdpError: the store cannot be opened, or its manifest is damaged.
    """
    session.keys = recorded_keys(session.folder)
    if "store" not in session.keys:
        session.keys = keys_until(session, "pairs")
    if not session.store_folder.is_dir():
        raise RunFolderError(
            f"{session.folder.path}: the run has no pairs of its present recipe yet; gdp run makes them."
        )
    store = session.open_store(read_only=True)
    # A long look at the whole manifest would keep a process that works in the run from writing.
    if not is_held(session.pairs_home.path / LOCK) and not is_manifest_whole(session.store_folder):
        store.close()
        raise CorruptFileError(f"{session.store_folder / MANIFEST_NAME}: the manifest is damaged. {HOW_TO_MEND}")
    return store, made_pairs(session, store)
