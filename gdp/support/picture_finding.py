"""Which files of a folder are pictures, by one rule for training, use and downloads. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePath

HIDDEN = frozenset(
    {"__macosx", "network trash folder", "temporary items"}  # macOS
    | {
        "@eadir",
        "@tmp",
        "@__thumb",
        "@synoresource",
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "~snapshot",
    }  # Synology, QNAP, NetApp
    | {"$recycle.bin", "recycler", "recycled", "system volume information", "thumbs.db", "desktop.ini"}  # Windows
    | {"lost+found"}
)
"""Where, in lower case, systems and network disks keep copies, thumbnails and what was thrown away."""
VIDEO_ENDINGS = frozenset(
    {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}  # and what phones and cameras wrote before them
    | {".3gp", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv"}
)
PHONE_ENDINGS = frozenset({".heic", ".heif"})
"""What phones may write in place of JPEG, and Pillow does not read."""
_UNREADABLE = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow recognises alone: it has no decoder of its own for them."""
_READ_AS_OTHERS = frozenset({"MPO"})
"""Formats that Pillow reads without saying so: two photos or more as JPEG in one file."""


def is_hidden(below: PurePath) -> bool:
    """Say whether a part of a path in a user's folder is meant for nobody: begun with a dot, or of `HIDDEN`."""
    return any(part.startswith(".") or part.lower() in HIDDEN for part in below.parts)


@cache
def picture_endings() -> frozenset[str]:
    """Return the endings, in lower case and with their dot, of the formats that Pillow reads."""
    from PIL import Image

    formats = Image.registered_extensions()
    read = (Image.OPEN.keys() | _READ_AS_OTHERS) - _UNREADABLE
    return frozenset(ending.lower() for ending, name in formats.items() if name in read)


def is_picture_or_video(path: PurePath) -> bool:
    """Say by its ending whether a file is a picture or a video; folders are not told apart."""
    return path.suffix.lower() in VIDEO_ENDINGS or path.suffix.lower() in picture_endings()


def find_pictures(folder: Path, *, recursive: bool) -> list[Path]:
    """List the picture files of a folder in the order of their paths; what `is_hidden` names does not count."""
    found = folder.rglob("*") if recursive else folder.iterdir()
    endings = picture_endings()
    return sorted(
        (
            path
            for path in found
            if path.suffix.lower() in endings and not is_hidden(path.relative_to(folder)) and path.is_file()
        ),
        key=lambda path: path.relative_to(folder).as_posix(),
    )


def no_pictures(folder: Path, *, recursive: bool) -> str:
    """Return in words, without a full stop, that a folder has no pictures, and which other files it has by ending."""
    found = folder.rglob("*") if recursive else folder.iterdir()
    others = Counter(
        path.suffix.lower() for path in found if not is_hidden(path.relative_to(folder)) and path.is_file()
    )
    told = f"{folder}: there are no pictures (JPEG, PNG, WebP, ...) in this folder"
    return f"{told}; there are {describe_endings(others)} files, which Pillow does not read" if others else told


def describe_endings(left_out: Mapping[str, int]) -> str:
    """Return in words how many files there are of each ending, the most frequent first: `2 .txt, 1 without ending`."""
    counts = Counter(left_out).most_common()
    told = [f"{count} {ending}{_mend(ending)}" if ending else f"{count} without ending" for ending, count in counts[:8]]
    more = sum(count for _, count in counts[8:])
    return ", ".join([*told, f"{more} others"] if more else told)


def _mend(ending: str) -> str:
    return " (save as JPEG)" if ending.lower() in PHONE_ENDINGS else ""
