"""What registration hooks register: run, collected, and refused where it could not work later.

A collector is the `register` argument of a hook: one for kinds with settings, one for kinds without, one for downloads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from gdp.core.config import Config
from gdp.core.errors import PluginError
from gdp.core.recipe.choices import SECTION_MODELS, YIELDING
from gdp.core.records import (
    CORE_STAGES,
    DISTRIBUTION,
    KINDS,
    LAST_STAGE,
    PLAIN_KINDS,
    Kind,
    Needs,
    PlainKind,
    PlainRecord,
    PluginRecord,
)
from gdp.registry.candidates import Candidate
from gdp.registry.hook_checks import REGISTRATION_PREFIX, Hook
from gdp.registry.rows import Record
from gdp.support.downloads.records import DownloadRecord

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IMPLEMENTATION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class RecordCollector:
    """Collects what one registration hook registers; an instance is the hook's `register` argument."""

    def __init__(self, kind: Kind, package: str, version: str) -> None:
        self.kind = kind
        self.package = package
        self.version = version
        self.records: list[PluginRecord] = []

    def __call__(
        self,
        name: str,
        *,
        config: type[Config],
        implementation: str,
        summary: str,
        needs: Needs | None = None,
        licence: str = "Apache-2.0",
        images_leave_machine: bool = False,
        training: type[Config] | None = None,
        after: str = LAST_STAGE,
        every_run: bool = False,
    ) -> None:
        """Register one plugin; see `gdp.core.records.Register`.

        Raises:
            PluginError: a value that could not work later.
        """
        needs = Needs() if needs is None else needs
        check_words(name, implementation, summary, licence)
        self._check_config(name, config, "config")
        check_needs(name, needs)
        if training is not None:
            if self.kind != "teacher":
                raise PluginError(f"register({name!r}): training is for teachers only, this is a {self.kind}")
            self._check_config(name, training, "training")
        self._check_place(name, after, every_run)
        if any(record.name == name for record in self.records):
            raise PluginError(f"register({name!r}): registered twice by the same package")
        self.records.append(
            PluginRecord(
                self.kind, name, summary, config, implementation, needs, licence, bool(images_leave_machine), training,
                after, bool(every_run), self.package, self.version,
            )
        )  # fmt: skip

    def _check_place(self, name: str, after: object, every_run: bool) -> None:
        if self.kind != "stage":
            if after != LAST_STAGE or every_run:
                raise PluginError(f"register({name!r}): after and every_run are for stages, this is a {self.kind}")
            return
        if name in CORE_STAGES:
            raise PluginError(f"register({name!r}): every run has a stage of that name; choose another")
        if not isinstance(after, str) or not _NAME.fullmatch(after):
            raise PluginError(f"register({name!r}): after must name a stage, such as export, got {after!r}")

    def _check_config(self, name: str, model: Any, argument: str) -> None:
        if not isinstance(model, type) or not issubclass(model, Config):
            raise PluginError(f"register({name!r}): {argument} must be a class derived from gdp.Config, got {model!r}")
        if model.model_config.get("extra") != "forbid":
            raise PluginError(f"register({name!r}): {model.__name__} must keep extra='forbid', or typing errors pass")
        if argument == "config":
            keys = {field.alias or field_name for field_name, field in model.model_fields.items()}
            taken = sorted(keys & SECTION_MODELS[self.kind].model_fields.keys() - YIELDING.get(self.kind, frozenset()))
            if taken:
                raise PluginError(
                    f"register({name!r}): {model.__name__} has {', '.join(taken)}, which every {self.kind} section "
                    f"already has; rename it"
                )
        if self.package != DISTRIBUTION:
            # Pydantic would find fault with it when a recipe is read; here the whole package is left out, with the
            # reason. The built-in models are built by the tests, and else when they are used.
            model.model_rebuild()


def check_words(name: object, implementation: object, summary: object, licence: object) -> None:
    """Check the words of a registration.

    Raises:
        PluginError: one could not work later.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"register({name!r}): a name is lower-case words joined by hyphens, such as face-attributes")
    if not isinstance(implementation, str) or not _IMPLEMENTATION.fullmatch(implementation):
        raise PluginError(
            f"register({name!r}): implementation must be text such as my_package.filter:MyFilter, "
            f"got {implementation!r}"
        )
    for word, value in (("summary", summary), ("licence", licence)):
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise PluginError(f"register({name!r}): {word} must be one line of text, got {value!r}")


def check_needs(name: str, needs: object) -> None:
    """Check what a registration says that it needs.

    Raises:
        PluginError: it is no `gdp.Needs`.
    """
    if not isinstance(needs, Needs):
        raise PluginError(f"register({name!r}): needs must be gdp.Needs(...), got {type(needs).__name__}")


class PlainCollector:
    """Collects what one plugin registers of a kind without settings; an instance is the hook's `register` argument."""

    def __init__(self, kind: PlainKind, package: str, version: str) -> None:
        self.kind: PlainKind = kind
        self.package = package
        self.version = version
        self.records: list[PlainRecord] = []

    def __call__(
        self,
        name: str,
        *,
        implementation: str,
        summary: str,
        needs: Needs | None = None,
        licence: str = "Apache-2.0",
    ) -> None:
        """Register one; see `gdp.core.records.RegisterPlain`.

        Raises:
            PluginError: a value that could not work later.
        """
        needs = Needs() if needs is None else needs
        check_words(name, implementation, summary, licence)
        check_needs(name, needs)
        if any(record.name == name for record in self.records):
            raise PluginError(f"register({name!r}): registered twice by the same package")
        self.records.append(
            PlainRecord(self.kind, name, summary, implementation, needs, licence, self.package, self.version)
        )


_SET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FOLDER = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DownloadCollector:
    """Collects the public sets that one plugin registers; an instance is the hook's `register` argument."""

    def __init__(self, package: str, version: str) -> None:
        self.package = package
        self.version = version
        self.records: list[DownloadRecord] = []

    def __call__(
        self,
        name: str,
        *,
        urls: Sequence[str],
        size: int,
        parts: Mapping[str, int],
        summary: str,
        licence: str,
        archive_folder: str = "",
        sha256: str | None = None,
    ) -> None:
        """Register one set; see `gdp.support.downloads.records.RegisterDownload`.

        Raises:
            PluginError: a value that could not work later.
        """
        _check(name, _matches(_SET_NAME, name), "a name is lower-case letters, digits, hyphens and underscores")
        _check(name, _are_addresses(urls), f"urls must be a list of https addresses, got {urls!r}")
        _check(name, _is_positive(size), f"size must be a number of bytes, got {size!r}")
        _check(name, _are_parts(parts), f"parts must map folders to numbers of pictures, got {parts!r}")
        for word, value in (("summary", summary), ("licence", licence)):
            good = isinstance(value, str) and bool(value.strip()) and value.isprintable()
            _check(name, good, f"{word} must be one line of text, got {value!r}")
        _check(name, _matches(_FOLDER, archive_folder), f"archive_folder must be a plain path, got {archive_folder!r}")
        _check(name, sha256 is None or _matches(_SHA256, sha256), f"sha256 must be 64 hexadecimal digits: {sha256!r}")
        _check(name, all(record.name != name for record in self.records), "registered twice by the same package")
        self.records.append(
            DownloadRecord(
                name, summary, tuple(urls), size, dict(parts), archive_folder, licence, sha256,
                self.package, self.version,
            )
        )  # fmt: skip


def _check(name: Any, good: bool, message: str) -> None:
    if not good:
        raise PluginError(f"register({name!r}): {message}")


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_addresses(urls: Any) -> bool:
    if isinstance(urls, str) or not isinstance(urls, Sequence):
        return False
    return bool(urls) and all(isinstance(url, str) and url.startswith("https://") for url in urls)


def _are_parts(parts: Any) -> bool:
    if not isinstance(parts, Mapping) or not parts:
        return False
    return all(_matches(_SET_NAME, str(name).lower()) and _is_positive(count) for name, count in parts.items())


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
