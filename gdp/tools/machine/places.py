"""Where gdp keeps things on this machine, how large they are, and how much room is left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gdp.core.answers import default_place
from gdp.core.memory import describe_bytes
from gdp.support.weights import cache_folder
from gdp.tools.machine.facts import Fact

RUNS = Path("runs")
FULL = 2 * 10**9
"""Bytes of free disk below which a run may not fit: the default one leaves some 100 MB, one of full size many GB."""


def place_facts() -> Iterator[Fact]:
    """Tell of the cache of weights, the answers that were paid for, torch's own cache, the runs here, and the disks."""
    yield _kept("weights", cache_folder(), "downloaded weights; may be deleted, and are fetched again")
    yield _kept("answers", default_place(), "what services answered for money; deleted, it is paid for again")
    yield _kept("torch's cache", torch_cache(), "VGG19 for perceptual losses is looked for there")
    yield _kept("runs", RUNS, "the runs of this folder")
    for name, place in (
        ("disk here", Path()),
        ("disk of the cache", cache_folder()),
        ("disk of temporary files", Path(tempfile.gettempdir())),
    ):
        yield _disk(name, place)


def torch_cache() -> Path:
    """Return the folder in which torch keeps downloaded weights, without importing torch."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def size_of(place: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; what cannot be read counts nothing."""
    total = 0
    for folder, _, files in os.walk(place):
        for name in files:
            try:
                total += (Path(folder) / name).lstat().st_size
            except OSError:
                continue
    try:
        return total + (place.stat().st_size if place.is_file() else 0)
    except OSError:
        return total


def _kept(name: str, place: Path, what: str) -> Fact:
    if not place.exists():
        return Fact(name, f"{place}: nothing yet ({what})")
    return Fact(name, f"{place}: {describe_bytes(size_of(place))} ({what})")


def _disk(name: str, place: Path) -> Fact:
    place = place.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    mend = "free some space, or choose another disk with --folder" if free < FULL else ""
    return Fact(name, f"{describe_bytes(free)} free", mend=mend)
