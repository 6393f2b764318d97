"""What `gdp list-plugins` tells of every plugin, the unusable ones included."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from gdp.core.records import PlainRecord, PluginRecord
from gdp.support.downloads.records import DownloadRecord

Status = Literal["ok", "broken", "incompatible", "clash", "disabled"]


@dataclass(frozen=True)
class PluginRow:
    """One plugin, or one entry point that yielded none."""

    kind: str
    """Empty where the entry point could not tell."""
    name: str
    """The plugin's name, or the entry point's where it registered nothing."""
    summary: str
    package: str
    version: str
    status: Status
    reason: str = ""
    """Why it cannot be used; empty if it can."""
    mend: str = ""
    """What to do about it."""
    needs: str = ""
    missing: str = ""
    """Those of its needs that are not met here."""
    install: str = ""
    """What brings the Python modules that are missing, as pip takes it: `gdp-distill[onnx]`."""
    note: str = ""
    """Something worth knowing that keeps nobody from using it."""
    licence: str = ""
    images_leave_machine: bool = False
    entry_point: str = ""
    """`name = module:attribute` of the entry point, or the built-in's module."""

    def to_data(self) -> dict[str, Any]:
        """Return the row as plain data for `--json`."""
        return asdict(self)


Record = PluginRecord | DownloadRecord | PlainRecord
"""What is known of a plugin of any kind; all have kind, name, summary, package, version, licence and needs."""
