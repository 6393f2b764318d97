"""The aligner that `--align` names, and in whose name its failures are told."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gdp.core.building import build
from gdp.core.errors import PluginNotFoundError, UsageError, named_by_option
from gdp.core.records import PluginRecord, Plugins
from gdp.support.interfaces.aligners import Aligner
from gdp.support.interfaces.engines import EngineContext, PictureArray
from gdp.support.settings import settings_of
from gdp.support.squares import Square

FILE, FRAME = "file", "frame"
"""The settings of an aligner that the command line names."""
_NAME = re.compile(r"[a-z][a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class NamedAligner:
    """An aligner, and in whose name its failures are told."""

    aligner: Aligner
    name: str = ""
    """As `--align` takes it."""

    @property
    def one(self) -> str:
        """What it finds, in a word."""
        return self.aligner.finds[0]

    @property
    def many(self) -> str:
        """The same, of several."""
        return self.aligner.finds[1]

    def regions(self, pictures: PictureArray) -> list[list[Square]]:
        """Return the squares in each of pictures (N, H, W, 3).

        Raises:
            GdpError: what the aligner itself says is wrong.
            PluginError: it failed, or what it returned are no such squares.
        """
        return self.aligner.regions(pictures)


def open_aligner(
    plugins: Plugins, text: str, *, frame: str | None = None, for_files: str, context: EngineContext
) -> NamedAligner:
    """Build the aligner that `--align` names.

    Args:
        plugins: the registry.
        text: `NAME`, `NAME:FILE`, or a file alone.
        frame: of the teacher, as the aligner takes it; None leaves it to the aligner.
        for_files: name of the aligner that a file alone, or `builtin:...`, is meant for.
        context: device and threads.

    Raises:
        PluginNotFoundError, PluginError: there is none of that name, or it fails.
        GdpError: it takes no file or frame, or needs one; or what it says is wrong with these.
    """
    with named_by_option():
        record, file = _choose(plugins, text, for_files)
    given = {FILE: file, FRAME: frame}
    known = record.config.model_fields
    for setting, value in given.items():
        if value is not None and setting not in known:
            raise UsageError(f"--align {text}: the aligner {record.name} takes no {setting}")
    if not file and FILE in known and known[FILE].is_required():
        raise UsageError(f"--align {text}: the aligner {record.name} needs a file: --align {record.name}:FILE")
    settings = settings_of(record, {name: value for name, value in given.items() if value is not None})
    aligner: Aligner = build(plugins, record, settings, context, kind=Aligner)
    _ = aligner.finds  # which is told before any picture is looked at
    return NamedAligner(aligner, record.name if file is None else f"{record.name}:{file}")


def _choose(plugins: Plugins, text: str, for_files: str) -> tuple[PluginRecord, str | None]:
    """Return the aligner that is meant, and its file."""
    name, _, file = text.partition(":")
    if name in plugins.names("aligner"):
        return plugins.get("aligner", name), file or None
    own, _, further = file.partition(":")
    if own:
        with suppress(PluginNotFoundError):  # PACKAGE:NAME or PACKAGE:NAME:FILE, as where several packages have a name
            return plugins.get("aligner", f"{name}:{own}"), further or None
    looks_like_a_name = _NAME.fullmatch(name) is not None and name != "builtin"
    if looks_like_a_name and not Path(text).exists():
        return plugins.get("aligner", name), file  # which says what there is
    return plugins.get("aligner", for_files), text or None
