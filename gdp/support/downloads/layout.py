"""The layout of a set on disk: a folder of pictures for each of its parts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""Endings, in lower case, of the files that count as pictures."""


def find_pictures(folder: Path, *, recursive: bool) -> list[Path]:
    """List the picture files of a folder in the order of their paths; hidden ones do not count."""
    found = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        (path for path in found if path.suffix.lower() in PICTURE_SUFFIXES and path.name[0] != "." and path.is_file()),
        key=lambda path: path.relative_to(folder).as_posix(),
    )


def count_pictures(folder: Path, parts: Iterable[str]) -> dict[str, int]:
    """Count the pictures of each part, those in folders in it included; 0 where there is no such folder."""
    return {
        part: len(find_pictures(folder / part, recursive=True)) if (folder / part).is_dir() else 0 for part in parts
    }
