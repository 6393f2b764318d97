"""Running a plugin's registration hooks and collecting what they register."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from gdp.core.records import KINDS, PLAIN_KINDS
from gdp.registry.candidates import Candidate
from gdp.registry.download_checks import DownloadCollector
from gdp.registry.hook_checks import REGISTRATION_PREFIX, Hook
from gdp.registry.plain_checks import PlainCollector
from gdp.registry.record_checks import RecordCollector
from gdp.registry.rows import Record
from gdp.support.downloads.records import DownloadRecord

KindT = TypeVar("KindT", bound=str)


def run_registration(candidate: Candidate, hook: Hook) -> Iterator[Record]:
    """Run one hook of a candidate and yield what it registers; nothing for a hook of a run's life.

    Raises:
        PluginError: it registers something that could not work later.
    """
    if not hook.name.startswith(REGISTRATION_PREFIX):
        return
    collector = _collector(hook.name, candidate)
    hook.function(**dict.fromkeys(hook.arguments, collector))
    yield from (_resolved(record, candidate) for record in collector.records)


def _collector(hook: str, candidate: Candidate) -> RecordCollector | PlainCollector | DownloadCollector:
    """Return the `register` callback of a hook."""
    supplier = candidate.package, candidate.version
    if (kind := _registered(KINDS, hook)) is not None:
        return RecordCollector(kind, *supplier)
    if (plain := _registered(PLAIN_KINDS, hook)) is not None:
        return PlainCollector(plain, *supplier)
    return DownloadCollector(*supplier)


def _registered(kinds: Sequence[KindT], hook: str) -> KindT | None:
    """Return the kind that a hook's name has in the plural."""
    plural = hook.removeprefix(REGISTRATION_PREFIX).replace("_", "-")
    return next((kind for kind in kinds if plural in (f"{kind}s", f"{kind}es")), None)


def _resolved(record: Record, candidate: Candidate) -> Record:
    """Let a plugin of one file name itself by its file: brightness.py may say `brightness:BrightnessFilter`."""
    if isinstance(record, DownloadRecord) or candidate.file is None:
        return record
    module, _, attribute = record.implementation.partition(":")
    return replace(record, implementation=f"{candidate.module}:{attribute}") if module == candidate.name else record
