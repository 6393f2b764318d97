"""Which installed packages have entry points of gdp's, found without reading the metadata of all the others.

`importlib.metadata` parses a text in the form of a mail for every installed package to tell its name, which costs more
than all the rest of a light command. Here one small file of each package is looked at, `entry_points.txt`, and only
packages that have gdp's group in it become a distribution.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

ENTRY_POINT_GROUP = "gdp"
_INFORMATION = (".dist-info", ".egg-info")


def find_distributions() -> Iterator[Distribution]:
    """Find the packages on the path that may have entry points of the group; of two of one name the first counts."""
    seen: set[str] = set()
    for place in sys.path:
        if place.endswith((".zip", ".whl", ".egg")) and Path(place).is_file():
            yield from _in_an_archive(place)
            continue
        for folder in _information_folders(place):
            name = _package_name(folder)
            if name not in seen:  # a folder that stands twice on the path, or a package that hides another one
                seen.add(name)
                if _has_group(folder / "entry_points.txt"):
                    yield _at(folder)
    yield from _of_other_finders()


def _information_folders(place: str) -> list[Path]:
    try:
        names = sorted(os.listdir(place or "."))  # noqa: PTH208 # a thousand Paths would take longer than all the rest
    except OSError:  # not there, or no folder
        return []
    return [Path(place, name) for name in names if name.endswith(_INFORMATION) or name == "EGG-INFO"]


def _package_name(folder: Path) -> str:
    """Return the normalised name of a package: `Some.Package-1.2.dist-info` is that of `some-package`."""
    written = folder.parent.name if folder.name == "EGG-INFO" else folder.name
    return package_name(written.removesuffix(folder.suffix).partition("-")[0])


def package_name(written: str) -> str:
    """Return the normalised name of a package, which is the same however it is written."""
    return written.lower().replace("_", "-").replace(".", "-")


def _has_group(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:  # most packages have no entry points
        return False
    return f"[{ENTRY_POINT_GROUP}]".encode() in content.replace(b" ", b"")


def _at(folder: Path) -> Distribution:
    from importlib.metadata import Distribution

    return Distribution.at(folder)


def _in_an_archive(place: str) -> Iterator[Distribution]:
    from importlib.metadata import distributions

    yield from distributions(path=[place])


def _of_other_finders() -> Iterator[Distribution]:
    """Ask finders that look elsewhere than on the path, as some tools install them.

    That of the package importlib_metadata, which others bring along (MLflow), looks on the path as Python's own does.
    """
    for finder in sys.meta_path:
        find, whose = getattr(finder, "find_distributions", None), getattr(finder, "__module__", "")
        if find is not None and finder is not PathFinder and whose.partition(".")[0] != "importlib_metadata":
            from importlib.metadata import DistributionFinder

            yield from find(DistributionFinder.Context())
