"""What callers from Python give as paths and names: taken, or told in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from gdp.core.errors import GdpError

RECIPE = 'recipe: give the path of a TOML file, or a name that gdp recipes lists, such as "stylegan-age"'
RUN = 'run: give the path of a run\'s folder, or its name in runs/, such as "stylegan-age"'
MODEL = 'model: give the path of a run, of its student or of an exported file, or a run\'s name, such as "stylegan-age"'
FOLDER = "folder: give a path"
FILE = "file: give a path"
_MAPPING = '; settings of your own are given as overrides={"train.steps": 200}'


def given_path(given: object, asked: str) -> Path:
    """Return what a caller gave as a path.

    Args:
        given: what the caller gave.
        asked: what it is called, and what it should be, for the message.

    Raises:
        GdpError: it is neither text nor a path.
    """
    if isinstance(given, str | PathLike):
        return Path(given)
    hint = _MAPPING if asked is RECIPE and isinstance(given, dict) else ""
    raise GdpError(f"{asked}; got {type(given).__name__} {given!r:.60}{hint}")


def path_if_given(given: object, asked: str) -> Path | None:
    """Return what a caller gave as a path, and None where the caller left it out.

    Raises:
        GdpError: it is neither text nor a path.
    """
    return None if given is None else given_path(given, asked)


def given_names(given: object, asked: str) -> tuple[str, ...]:
    """Return what a caller gave as names: one, or several.

    Raises:
        GdpError: it is neither.
    """
    names = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    for name in names:
        if not isinstance(name, str):
            raise GdpError(f"{asked}: give a name or a list of names; got {type(name).__name__} {name!r:.60}")
    return names
