"""Small pictures of pairs, read one pair at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from gdp.core.pairs.store import PairStore
from gdp.core.progress import ProgressTask
from gdp.tools.select.table import PairTable


@dataclass(frozen=True)
class Thumbnails:
    """The pictures of one pair."""

    row: int
    """Of the table."""
    pictures: tuple[tuple[str, Image.Image], ...]
    """Label and RGB picture: source, source 2 where there are two, target."""


def read_thumbnails(
    store: PairStore, table: PairTable, rows: Sequence[int], largest: int, task: ProgressTask
) -> Iterator[Thumbnails]:
    """Yield the pictures of the pairs in some rows; those above `largest` pixels are scaled down to it.

    Raises:
        CorruptFileError: a shard does not hold what was stored.
    """
    for row in rows:
        source, target = store.load_uint8([table.indices[row]])
        parts = [*torch.split(source[0], 3), target[0]]  # (3, H, W) each
        labels = ("source", "source 2", "target") if len(parts) == 3 else ("source", "target")
        yield Thumbnails(row, tuple((label, _small(part, largest)) for label, part in zip(labels, parts, strict=True)))
        task.advance(1)


def _small(picture: torch.Tensor, largest: int) -> Image.Image:
    image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    if max(image.size) > largest:
        image.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    return image
