"""Running a plugin's registration hooks and collecting what they register."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdp.core.records import KINDS, ConverterRecord, DownloadRecord, PluginRecord
from gdp.registry.candidates import Candidate
from gdp.registry.converter_checks import ConverterCollector
from gdp.registry.download_checks import DownloadCollector
from gdp.registry.hook_checks import REGISTRATION_PREFIX, Hook
from gdp.registry.record_checks import RecordCollector

Record = PluginRecord | DownloadRecord | ConverterRecord


def run_registration(candidate: Candidate, hook: Hook) -> Iterator[Record]:
    """Run one hook of a candidate and yield what it registers; nothing for a hook of a run's life.

    Raises:
        PluginError: it registers something that could not work later.
    """
    if not hook.name.startswith(REGISTRATION_PREFIX):
        return
    plural = hook.name.removeprefix(REGISTRATION_PREFIX).replace("_", "-")
    collector: RecordCollector | DownloadCollector | ConverterCollector
    if plural == f"{DownloadRecord.kind}s":
        collector = DownloadCollector(candidate.package, candidate.version)
    elif plural == f"{ConverterRecord.kind}s":
        collector = ConverterCollector(candidate.package, candidate.version)
    else:
        kind = next(kind for kind in KINDS if plural in (f"{kind}s", f"{kind}es"))
        collector = RecordCollector(kind, candidate.package, candidate.version)
    hook.function(**dict.fromkeys(hook.arguments, collector))
    yield from (_resolved(record, candidate) for record in collector.records)


def _resolved(record: Record, candidate: Candidate) -> Record:
    """Let a plugin of one file name itself by its file: brightness.py may say `brightness:BrightnessFilter`."""
    if isinstance(record, DownloadRecord) or candidate.file is None:
        return record
    module, _, attribute = record.implementation.partition(":")
    return replace(record, implementation=f"{candidate.module}:{attribute}") if module == candidate.name else record
