"""Places of a machine in text that is published: paths tell of the machine and of who works there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SIGN = r"[^/\s\"'`|<>:*?()\[\]{},;\\]"
_PEOPLES = "home|Users|root|mnt|media|opt|tmp|var|srv|private|Volumes|workspace"
"""Folders below which people's own lie."""
_VARIABLES = "HOME|HOMEPATH|USERPROFILE|APPDATA|LOCALAPPDATA|ONEDRIVE|PUBLIC|TEMP|TMP|TMPDIR|SCRATCH|WORK|PWD"
"""Of the environment, that hold places."""
_PART = r"[^\\/\s\"'`|<>:*?()\[\]{},;]"
_PATHS = re.compile(
    rf"(?i:file|smb|nfs|sftp|ssh|scp):/+{_PART}[^\s\"'`<>|)\]}}]*"
    rf"|(?<![\w:/.\-<>)\]*~$}}])/(?:{_SIGN}+/)+{_SIGN}*"  # two parts at least: /a may be anything
    rf"|(?<![\w/])(?<=[:=>)\]*.\-}}])/(?!/)(?:{_PEOPLES})/{_SIGN}+(?:/{_SIGN}*)*"
    rf"|(?<=-[A-Za-z])/(?:{_PEOPLES})/{_SIGN}+(?:/{_SIGN}*)*"  # -I/home/ada
    rf"|(?<=\w:)/(?!/)(?:{_SIGN}+/)+{_SIGN}*"  # weights:/data/ada/x, host:/data/ada
    rf"|(?<![\w/~.])~(?:[A-Za-z_][\w.-]*)?[\\/]{_PART}+(?:[\\/]{_PART}*)*"
    rf"|(?i:%(?:{_VARIABLES})%|\$(?:env:)?\{{?(?:env:)?(?:{_VARIABLES})\}}?)[\\/]{_PART}+(?:[\\/]{{1,2}}{_PART}*)*"
    rf"|(?i:(?:s3a?|gs|abfss?|wasbs?|hdfs|dbfs|vscode-remote)://{_PART}+(?:/{_PART}*)*)"
    rf"|(?<![\w./-])[\w.-]+@[\w.-]+:(?!//){_SIGN}+/{_SIGN}+(?:/{_SIGN}*)*"  # ada@host:faces/x
    rf"|(?<!\w)[A-Za-z]:(?:\\{{1,2}}|/(?!/)){_PART}+(?:[\\/]{{1,2}}{_PART}*)*"
    rf"|(?<![\\\w])\\{{2,4}}[\w.$?-]+\\{{1,2}}{_PART}+(?:[\\/]{{1,2}}{_PART}*)*"  # \\server\share
    rf"|(?<![\w:/<])//[\w.-]+/{_SIGN}+/{_SIGN}*"  # //server/share/x
)
_QUOTED = re.compile(r'"(?:file:/+)?(?:/|~/|[A-Za-z]:[\\/]|\\\\)[^"\n]*?([^"/\\\n]+)[/\\]*"')
"""In quotes, where a path may hold blanks; in TOML and JSON."""
_KEYS_OF_ADDRESS = re.compile(r"(https?://)(?:[^/\s\"'@]+@)?([^\s\"'?#]*)(?:\?[^\s\"'#]*)?")


def without_places(text: str) -> str:
    """Return text with absolute paths cut down to names, and addresses without user, password and query."""
    text = _QUOTED.sub(r'"\1"', text)
    text = _PATHS.sub(lambda found: _name(found[0]), text)
    return _KEYS_OF_ADDRESS.sub(r"\1\2", text)


def without_places_in(data: Any) -> Any:
    """Return plain data with `without_places` done to every text, keys included; a text that is a path is cut whole."""
    if isinstance(data, dict):
        return {without_places_in(key): without_places_in(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_places_in(value) for value in data]
    if isinstance(data, str):
        return _name(data) if Path(data).is_absolute() else without_places(data)
    return data


def find_places(text: str) -> Iterator[tuple[int, str]]:
    """Find the absolute paths in text: at which character, and which."""
    for found in _PATHS.finditer(text):
        yield found.start(), found[0]


def _name(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
