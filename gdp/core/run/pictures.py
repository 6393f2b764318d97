"""Picture files of a run folder: rejected pairs and the report's before/after rows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gdp.core.files import write_atomically
from gdp.core.interfaces.evaluators import PictureRow
from gdp.core.pairs.records import PairBatch, Verdict
from gdp.core.pictures import encode_png
from gdp.core.run_folder import RunFolder


class Loader(Protocol):
    """Reads pairs: the pair store, or one that keeps what it has decoded."""

    def load(self, indices: Sequence[int]) -> PairBatch:
        """Return pairs in the order asked."""


def write_rejects(
    folder: RunFolder,
    pairs: Loader,
    prefix: str,
    filter_name: str,
    indices: Sequence[int],
    verdicts: Mapping[int, Verdict],
) -> list[dict[str, str]]:
    """Write pictures of dropped pairs and return their entries for pictures/rejects.json."""
    if not indices:
        return []
    batch = pairs.load(indices)
    entries = []
    for row, index in enumerate(indices):
        entry = {"filter": filter_name, "reason": verdicts[index].reason or ""}
        for side, picture in (("source", batch.source[row, :3]), ("target", batch.target[row])):
            name = f"pictures/rejects/{prefix}-{index:06d}-{side}.png"
            write_atomically(folder.path / name, encode_png(picture))
            entry[side] = name
        entries.append(entry)
    return entries


def write_rows(folder: RunFolder, rows: Sequence[PictureRow]) -> list[dict[str, Any]]:
    """Write the report's before/after pictures and return the entries of pictures/rows.json."""
    shutil.rmtree(folder.path / "pictures" / "rows", ignore_errors=True)
    entries = []
    for number, row in enumerate(rows):
        names = {}
        for column, picture in row.pictures.items():
            word = re.sub(r"[^a-z0-9]+", "-", column.lower()).strip("-")
            names[column] = f"pictures/rows/{number:03d}-{word}.png"
            write_atomically(folder.path / names[column], encode_png(picture))
        entries.append({"title": row.title, "pictures": names})
    return entries
