"""Writing what was selected: contact sheets and tables, as files that are whole or not there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from gdp.core.errors import GdpError, RunFolderError
from gdp.core.files import write_atomically
from gdp.core.pairs.store import PairStore
from gdp.core.progress import Progress
from gdp.support.expressions.binding import written
from gdp.tools.select.requests import check_sheet
from gdp.tools.select.sheets import html_sheet, png_sheet, read_thumbnails
from gdp.tools.select.table import PairTable

LARGEST = 256
"""Pixels of a side above which pictures of a sheet are scaled down."""


def write_sheet(
    path: Path,
    store: PairStore,
    table: PairTable,
    rows: Sequence[int],
    *,
    title: str,
    subtitle: str,
    captions: Sequence[str],
    progress: Progress,
) -> None:
    """Write thumbnails of some pairs, with what the filters say of them, as a PNG or as a self-contained page.

    Args:
        path: the file, .png or .html.
        store: the pairs.
        table: what is said of them.
        rows: which of its rows, in the order wanted.
        title: heading of the page.
        subtitle: the line under it.
        captions: second line under each pair of a PNG, where the pair was not dropped.
        progress: is told of each pair.

    Raises:
        GdpError: there is nothing to show, too much for a PNG, or the file cannot be written.
    """
    check_sheet(path)
    if not rows:
        raise GdpError(f"{path}: no pair to show, so no sheet was written")
    _require_folder(path)
    with progress.task("sheet", len(rows), "pairs") as task:
        pairs = read_thumbnails(store, table, rows, LARGEST, task)
        if path.suffix.lower() == ".png":
            write_atomically(path, png_sheet(table, pairs, len(rows), captions))
        else:
            write_atomically(
                path, (piece.encode(errors="replace") for piece in html_sheet(table, pairs, title, subtitle))
            )


def write_csv(path: Path, table: PairTable, rows: Sequence[int]) -> None:
    """Write all that is known of some pairs as CSV, a line each; what is not known is left empty.

    Raises:
        GdpError: the file cannot be written.
    """
    _require_folder(path)
    write_atomically(path, _csv_lines(table, rows))


def _require_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise RunFolderError(f"{path}: there is no folder {path.parent}; make it, or name another file")


def column_names(table: PairTable) -> list[tuple[str, str, str]]:
    """Return the columns of all that is known of pairs: name as a condition writes it, filter, score."""
    own = [(name, "", name) for name in ("index", "split", "decision", "filter", "reason")]
    scores = [
        (f"{written(each.name)}.{written(score)}", each.name, score)
        for each in table.judged
        for score in ("decision", "reason", *each.scores)
    ]
    return [*own, *scores]


def _csv_lines(table: PairTable, rows: Sequence[int]) -> Iterator[bytes]:
    columns = column_names(table)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([name for name, _, _ in columns])
    for row in rows:
        scores = table.scores(row)
        writer.writerow([scores.get(owner, {}).get(score) for _, owner, score in columns])
        yield buffer.getvalue().encode(errors="replace")
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode(errors="replace")
