"""The registry of plugins."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, overload

import pluggy

from gdp.core.errors import PluginError, PluginNotFoundError, UnknownPluginError, describe_exception, named_by_option
from gdp.core.records import API_VERSION, DISTRIBUTION, AnyKind, Kind, PlainKind, PlainRecord, PluginRecord
from gdp.registry.api_versions import IncompatibleError, check_version
from gdp.registry.candidates import Candidate, find_candidates
from gdp.registry.collecting import run_registration
from gdp.registry.distributions import package_name
from gdp.registry.file_plugins import find_file_plugins, heavy_imports, plugins_folders
from gdp.registry.hook_checks import Hook, find_hooks
from gdp.registry.implementations import load_implementation, missing_needs
from gdp.registry.life import LifeHooks
from gdp.registry.rows import PluginRow, Record, Status
from gdp.support.downloads.records import DownloadRecord

_HEAVY = "torch"
_SLOW = 1.0
"""Seconds that a plugin's module may take to register before it is told."""


class PluginRegistry:
    """Every plugin that is installed: the usable ones by kind and name, all of them as rows.

    Make one with `PluginRegistry.discover()`. One broken plugin never keeps the others from working.
    """

    def __init__(self, disabled: frozenset[str] = frozenset(), *, strict: bool = False) -> None:
        self.rows: list[PluginRow] = []
        """Every plugin and every entry point that yielded none, in the order in which they were found."""
        self._disabled = disabled
        self._strict = strict
        self._records: dict[tuple[AnyKind, str], Record] = {}
        self._namesakes: dict[tuple[AnyKind, str], list[Record]] = {}
        """Of a name that several packages register all records; gdp's own, where there is one, is the one in use."""
        self._modules: dict[int, Candidate] = {}
        self._life = LifeHooks()

    @classmethod
    def discover(
        cls,
        *,
        disabled: frozenset[str] = frozenset(),
        strict: bool | None = None,
        folders: Sequence[Path] | None = None,
    ) -> PluginRegistry:
        """Find and register the built-ins, the plugins of the entry-point group `gdp`, and plugins of one file.

        Args:
            disabled: names of entry points (then nothing of them is imported) or of plugins to leave out.
            strict: raise at the first defect; None asks the environment variable GDP_STRICT_PLUGINS (1 for yes).
            folders: whose `.py` files are plugins; None asks the environment variable GDP_PLUGINS_DIR.

        Raises:
            PluginError: in strict mode, the first defect.
            PluginNotFoundError: a name in `disabled` that nothing has.
            MissingResourceError: one of the folders is not there.
        """
        if strict is None:
            strict = os.environ.get("GDP_STRICT_PLUGINS", "") not in ("", "0")
        registry = cls(disabled, strict=strict)
        candidates, unreadable = find_candidates()
        candidates += find_file_plugins(plugins_folders() if folders is None else folders)
        for place, error in unreadable:
            registry._report_unreadable(place, error)
        for candidate in candidates:
            registry.add(candidate)
        registry._check_disabled(candidates)
        return registry

    # ------------------------------------------------------------------ asking

    @overload
    def get(self, kind: Kind, name: str) -> PluginRecord: ...

    @overload
    def get(self, kind: PlainKind, name: str) -> PlainRecord: ...

    @overload
    def get(self, kind: Literal["download"], name: str) -> DownloadRecord: ...

    def get(self, kind: AnyKind, name: str) -> Record:
        """Return the record of a plugin.

        Args:
            kind: of the plugin.
            name: of the plugin, or `package:name` where several packages have one of that name.

        Raises:
            UnknownPluginError: there is none; the message says what there is.
            PluginNotFoundError: it cannot be used, and why, or several packages have it.
        """
        package, _, own = name.rpartition(":")
        record = self._of_package(kind, own, package) if package else self._records.get((kind, name))
        if record is None:
            raise self._not_found(kind, name)
        return record

    def _of_package(self, kind: AnyKind, name: str, package: str) -> Record | None:
        """Return the plugin of that package, written as pip takes it: Critic_Http is critic-http."""
        only = self._records.get((kind, name))
        found = self._namesakes.get((kind, name), [] if only is None else [only])
        wanted = package_name(package)
        return next((each for each in found if wanted in map(package_name, _names_of(each.package))), None)

    def names(self, kind: AnyKind) -> list[str]:
        """Return the usable names of a kind, sorted."""
        return sorted(name for found, name in self._records if found == kind)

    @overload
    def records(self, kind: Kind) -> list[PluginRecord]: ...

    @overload
    def records(self, kind: PlainKind) -> list[PlainRecord]: ...

    @overload
    def records(self, kind: Literal["download"]) -> list[DownloadRecord]: ...

    def records(self, kind: AnyKind) -> list[Any]:
        """Return the usable records of a kind, by name."""
        return [self._records[kind, name] for name in self.names(kind)]

    def unusable(self, kind: Kind) -> dict[str, str]:
        """Return why plugins cannot be used, by name and package.

        Those of a kind, and those that failed before they could tell their kind; none that was left out on purpose.
        """
        return {
            f"{row.name} of {row.package}": f"{row.status}: {row.reason}"
            for row in self.defects
            if row.kind in ("", kind)
        }

    def load(self, record: PluginRecord | PlainRecord) -> Any:
        """Import the implementation of a plugin: a class, of a command a function.

        Raises:
            PluginError: it cannot be imported or does not keep its kind's contract.
            PluginNotFoundError: the record stands in for a plugin that is not installed here.
        """
        if not record.implementation and isinstance(record, PluginRecord):
            self.get(record.kind, record.name)
        return load_implementation(record)

    @property
    def defects(self) -> list[PluginRow]:
        """The rows of plugins that cannot be used though nobody disabled them."""
        return [row for row in self.rows if row.status not in ("ok", "disabled")]

    # ------------------------------------------------------------------ a run's life

    @property
    def hooks(self) -> pluggy.HookRelay:
        """Pluggy's relay of the hooks of a run's life; `notify` is the protected way to call them."""
        return self._life.relay

    def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin that listens; one that raises is logged once and told nothing more."""
        self._life.notify(hook, **arguments)

    def listen(self, plugin: object, name: str) -> None:
        """Add an object whose methods are marked hooks of a run's life, for use from Python.

        Raises:
            PluginError: a hook of it is unknown or takes unknown arguments.
        """
        hooks, defects = find_hooks(plugin)
        if defects or not hooks:
            raise PluginError(f"{name} cannot listen: {'; '.join(defects) or 'it has no hooks'}")
        self._life.listen(plugin, name, hooks)

    # ------------------------------------------------------------------ registering

    def add(self, candidate: Candidate) -> None:
        """Import a candidate and register what it offers; a defect leaves the whole candidate out, with a row.

        Raises:
            PluginError: in strict mode, for a defect.
        """
        if candidate.name in self._disabled and not candidate.builtin:
            self._report(candidate, "disabled", "left out by --no-plugin", "")
            return
        if candidate.package in self._disabled and not candidate.builtin:
            self._report(candidate, "disabled", "left out by --no-plugin", "")
            return
        was_heavy, started = _HEAVY in sys.modules, time.monotonic()
        try:
            # What a module prints while it is imported must not get into the output of `--json`.
            with contextlib.redirect_stdout(sys.stderr):
                plugin = candidate.load()
                hooks, notes = self._check(candidate, plugin)
                self._check_registered_once(candidate, plugin)
                records = [record for hook in hooks for record in run_registration(candidate, hook)]
        except IncompatibleError as error:
            self._report(candidate, "incompatible", str(error), candidate.mend(error.update))
            return
        except PluginError as error:
            self._report(candidate, "broken", str(error), candidate.mend("Report it to the author"))
            return
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 # a third party's module may raise anything
            self._report(candidate, "broken", describe_exception(error), candidate.mend("Update or reinstall it"))
            return
        imports = heavy_imports(candidate.file) if candidate.file else []
        if imports or (not was_heavy and _HEAVY in sys.modules):
            notes.append(f"imports {' and '.join(imports) or _HEAVY} to register, which slows every command")
        seconds = time.monotonic() - started
        if seconds > _SLOW and not candidate.builtin:
            notes.append(f"takes {seconds:.1f} s to import, which every command waits for; tell its author")
            print(
                f"note: the plugin {candidate.name} of {candidate.package} takes {seconds:.1f} s to import, and every "
                f"command waits for that. Tell its author, or leave it out with --no-plugin {candidate.name}.",
                file=sys.stderr,
            )
        for record in records:
            self._register(candidate, record, "; ".join(notes))
        self._life.listen(plugin, f"{candidate.package}:{candidate.name}", hooks)

    def _check(self, candidate: Candidate, plugin: object) -> tuple[list[Hook], list[str]]:
        """Check a plugin's version and hooks; return its hooks and what is worth a note; raises for a defect."""
        wanted = getattr(plugin, "GDP_API", None)
        if wanted is None:
            wanted = getattr(sys.modules.get(candidate.module), "GDP_API", API_VERSION)
        remark = check_version(wanted)
        if isinstance(plugin, type):
            raise PluginError("the entry point names a class; let it name a module")
        hooks, defects = find_hooks(plugin)
        if not hooks and not defects and not candidate.builtin:  # built-in subpackages may be mere libraries
            defects = ["it implements no hook: mark a function such as gdp_register_filters with @gdp.hookimpl"]
        if defects:
            raise PluginError("; ".join(defects))
        old = [str(deprecation) for hook in hooks for deprecation in hook.deprecations]
        return hooks, [*([remark] if remark else []), *old]

    def _check_registered_once(self, candidate: Candidate, plugin: object) -> None:
        """Refuse a module that another entry point named already: of this package, or of one that was renamed."""
        first = self._modules.setdefault(id(plugin), candidate)
        if first is candidate:
            return
        whose = "this package" if first.package == candidate.package else first.package
        raise PluginError(
            f"its entry point names what the entry point {first.name} of {whose} names, too, and that one is in use"
        )

    def _register(self, candidate: Candidate, record: Record, note: str) -> None:
        if record.name in self._disabled or candidate.name in self._disabled:
            self._report(candidate, "disabled", "left out by --no-plugin", "", record)
            return
        key = (record.kind, record.name)
        namesakes = self._namesakes.setdefault(key, [])
        namesakes.append(record)
        first = namesakes[0]
        if first is record:
            self._records[key] = record
            self._report(candidate, "ok", "", "", record, note)
            return
        in_use = first.package == DISTRIBUTION
        reason = f"the {record.kind} {record.name} of {record.package} has the name of that of {first.package}, "
        reason += "which is gdp's own and the one in use" if in_use else "so neither is in use by the mere name"
        self._report(candidate, "clash", reason, _mend_clash(record, "" if in_use else first.package), record)
        if not in_use and self._records.pop(key, None) is not None:
            self._retract(record, first)

    def _retract(self, record: Record, first: Record) -> None:
        """Say of the first plugin of a name that it has a namesake, now that one is found."""
        for place, row in enumerate(self.rows):
            if (row.kind, row.name, row.package, row.status) == (first.kind, first.name, first.package, "ok"):
                reason = f"the {first.kind} {first.name} of {first.package} has the name of that of {record.package}, "
                reason += "so neither is in use by the mere name"
                mend = _mend_clash(first, record.package)
                self.rows[place] = replace(row, status="clash", reason=reason, mend=mend)

    def _report(
        self,
        candidate: Candidate,
        status: Status,
        reason: str,
        mend: str,
        record: Record | None = None,
        note: str = "",
    ) -> None:
        row = PluginRow(
            kind=record.kind if record else "",
            name=record.name if record else candidate.name,
            summary=record.summary if record else "",
            package=candidate.package,
            version=candidate.shown_version,
            status=status,
            reason=reason,
            mend=mend,
            needs=record.needs.describe() if record else "",
            missing=", ".join(missing_needs(record.needs)) if record else "",
            install=record.needs.install if record and record.needs.missing_modules() else "",
            note=note,
            licence=record.licence if record else "",
            images_leave_machine=record.images_leave_machine if record else False,
            entry_point=candidate.entry_point,
        )
        self._append(row)

    def _append(self, row: PluginRow) -> None:
        self.rows.append(row)
        if self._strict and row in self.defects:
            raise PluginError(f"plugin {row.name} of {row.package} ({row.entry_point}): {row.reason}. {row.mend}")

    def _report_unreadable(self, place: str, error: BaseException) -> None:
        reason = f"the metadata of {place} cannot be read ({describe_exception(error)})"
        self._append(PluginRow("", place, "", place, "", "broken", reason, "Reinstall that package."))

    def _check_disabled(self, candidates: list[Candidate]) -> None:
        known = {candidate.name for candidate in candidates} | {row.name for row in self.rows}
        known |= {candidate.package for candidate in candidates if not candidate.builtin}
        for name in sorted(self._disabled - known):
            close = get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]}?" if close else "gdp list-plugins shows what there is."
            with named_by_option():
                raise UnknownPluginError(f"--no-plugin {name}: there is no plugin of that name; {hint}")

    def _not_found(self, kind: AnyKind, name: str) -> PluginNotFoundError:
        package, _, own = name.rpartition(":")
        rivals = [record.package for record in self._namesakes.get((kind, own), ())]
        if package and (rivals or own in self.names(kind)):
            there = " and ".join(rivals) or self._records[kind, own].package
            return UnknownPluginError(f'no {kind} "{own}" is of a package {package}; that of {there} is installed')
        if len(rivals) > 1:
            choices = " or ".join(f'"{rival}:{own}"' for rival in rivals)
            return PluginNotFoundError(
                f'{kind} "{own}" is the name of plugins of {" and ".join(rivals)}: write {choices}, or leave one out '
                f"with --no-plugin {rivals[-1]}"
            )
        for row in self.rows:
            if row.name == name and row.kind in ("", kind) and row.status != "ok":
                return PluginNotFoundError(f'{kind} "{name}" cannot be used ({row.status}): {row.reason}')
        names = self.names(kind)
        others = [other for other, taken in self._records if taken == name]
        if others:
            there = ", ".join(names) or "none"
            return UnknownPluginError(f'"{name}" is a {others[0]}, not a {kind}; there is {there}')
        close = get_close_matches(name, names, n=1, cutoff=0.5)
        there = f"did you mean {close[0]}?" if close else f"there is {', '.join(names) or 'none'}"
        broken = len(self.defects)
        more = f" ({broken} installed plugins cannot be used: see gdp list-plugins)" if broken else ""
        what = kind if kind == "command" else f"{kind} plugin"
        return UnknownPluginError(f'no {what} is called "{name}"; {there}{more}')


def _names_of(package: str) -> tuple[str, str]:
    """Return by what a package may be named; of a plugin of one file that is its path, or the file's name."""
    return package, Path(package).name


def _mend_clash(record: Record, other: str) -> str:
    """Say what to do about a plugin that has the name of another package's; `other` is empty where that is gdp."""
    choose = f'Where a recipe means this one, write plugin = "{record.package}:{record.name}"'
    leave_out = f"or leave a package out: --no-plugin {record.package}"
    return f"{choose}, {leave_out}{f' or --no-plugin {other}' if other else ''}."
