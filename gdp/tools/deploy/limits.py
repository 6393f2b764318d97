"""What a student folder of a stranger may say: how large its descriptions are, and which numbers stand in them.

Each limit is far beyond any student that was ever trained; a file that goes beyond one is damaged, or was made to do
harm, and is refused before anything is built from it. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.files import read_file

LARGEST_DESCRIPTION = 2**22
"""Bytes of a file in JSON that describes a student or an exported file; they have a few thousand."""
LARGEST_RESOLUTION = 16_384
"""Pixels of a side."""
MOST_CHANNELS = 96
"""Of the source: 32 pictures."""


def own_file(path: Path) -> Path:
    """Return the path of a file of a student's folder, that is there or is to be written, if it lies in that folder.

    A link to elsewhere would have gdp read, publish or overwrite a file of the user's that the folder's author named.
    Links into the store of the hub's own programs (`snapshots/REVISION/x` to `blobs/HASH`) are as good as files.

    Raises:
        CorruptFileError: it is a link out of its folder, or a folder, a pipe or a device.
    """
    if path.exists() and not path.is_file():
        raise CorruptFileError(f"{path}: this is a folder, a pipe or a device, and a file is due; export it again")
    if not path.is_symlink():
        return path
    try:
        target, folder = path.resolve(), path.parent.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        raise damaged(path, str(error)) from error
    of_the_hub = target.parent.name == "blobs" and target.parent.parent / "snapshots" in folder.parents
    if folder not in target.parents and not of_the_hub:
        raise CorruptFileError(
            f"{path}: this is a link out of its folder, to {target}, and what belongs to a student must lie beside it; "
            f"put the file itself there"
        )
    return path


def read_description(path: Path) -> dict[str, Any]:
    """Read a file in JSON that describes a student.

    Raises:
        CorruptFileError: it cannot be read, is no JSON, is far too large or too deep, holds anything but an object, or
            is a link out of its folder.
    """
    try:
        content = read_file(own_file(path), LARGEST_DESCRIPTION + 1)
        if len(content) > LARGEST_DESCRIPTION:
            raise ValueError(f"it has more than {LARGEST_DESCRIPTION:,} bytes")
        data = json.loads(content)
    except RecursionError:
        raise damaged(path, "its values stand deeper in each other than can be read") from None
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from error
    if not isinstance(data, dict):
        raise damaged(path, f"it holds a {type(data).__name__} where an object is due")
    return data


def damaged(path: Path, what: str) -> CorruptFileError:
    """Return the error of a description that says something impossible."""
    return CorruptFileError(f"{path}: the description is damaged: {what}; export the student again")


def whole(data: Mapping[str, Any], name: str, path: Path, most: int, unit: str) -> int:
    """Return a number of a description, 1 to `most`.

    Raises:
        CorruptFileError: it is none, or beyond the limit.
    """
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise damaged(path, f"{name} is {_shown(value)}, and {unit} from 1 to {most:,} are due")
    return value


def source_channels(data: Mapping[str, Any], name: str, path: Path) -> int:
    """Return the channels of a student's source: 3 for each picture.

    Raises:
        CorruptFileError: there cannot be so many.
    """
    value = whole(data, name, path, MOST_CHANNELS, "channels")
    if value % 3:
        raise damaged(path, f"{name} is {value}, and 3 for each input picture are due")
    return value


def text(data: Mapping[str, Any], name: str, path: Path) -> str:
    """Return a text of a description.

    Raises:
        CorruptFileError: it is none.
    """
    value = data.get(name)
    if not isinstance(value, str) or not value or len(value) > 200 or not value.isprintable():
        raise damaged(path, f"{name} is {_shown(value)}, and a line of text is due")
    return value


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value!r:.40}" if isinstance(value, str | int | float) else f"a {type(value).__name__}"
