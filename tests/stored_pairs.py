"""What a pair store holds, read past it: two stores are compared by it, and one is held against its files."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.pairs import PairStore
from gdp.core.pairs.repair import find_damage


def rows(store: PairStore) -> list[dict[str, Any]]:
    """Return all that the manifest says of each pair, in index order: its place, its record, and what is said of it."""
    with closing(_manifest(store)) as manifest:
        manifest.row_factory = sqlite3.Row
        query = "SELECT * FROM pairs LEFT JOIN latents USING (pair_index) ORDER BY pair_index"
        found = {
            row["pair_index"]: {**row, "split": None, "verdicts": {}, "scores": {}} for row in manifest.execute(query)
        }
        for index, split in manifest.execute("SELECT pair_index, split FROM splits"):
            found[index]["split"] = split
        for key, index, *verdict, _ in manifest.execute("SELECT * FROM verdicts ORDER BY filter_key"):
            found[index]["verdicts"][key] = verdict
        for key, index, scores, _ in manifest.execute("SELECT * FROM scores ORDER BY assessment_key"):
            found[index]["scores"][key] = json.loads(scores)
        return list(found.values())


def digest(store: PairStore) -> str:
    """Hash the rows and the shards' bytes."""
    hashed = hashlib.sha256(json.dumps(rows(store), sort_keys=True, default=bytes.hex).encode())
    for path in sorted(store.folder.glob("*.tar")):
        hashed.update(path.read_bytes())
    return hashed.hexdigest()


def verify(store: PairStore) -> None:
    """Read and check everything.

    Raises:
        CorruptFileError: names what is damaged.
    """
    damage = find_damage(store.folder)
    if damage:
        raise CorruptFileError("; ".join(each.message for each in damage))
    with closing(_manifest(store)) as manifest:
        try:
            [(problem,)] = manifest.execute("PRAGMA integrity_check(1)")
        except sqlite3.DatabaseError as error:
            problem = str(error)
    if problem != "ok":
        raise CorruptFileError(f"the manifest: {problem}")


def _manifest(store: PairStore) -> sqlite3.Connection:
    return sqlite3.connect(f"{(store.folder / 'manifest.sqlite').absolute().as_uri()}?mode=ro", uri=True)
