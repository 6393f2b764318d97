"""Which versions of the plugin interface this gdp works with, and the old names that it still understands.

A module declares the version that it was written for as `GDP_API`; without one it is taken for the present version.
The policy is told in docs/api_stability.md.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gdp.core.errors import PluginError
from gdp.core.records import API_VERSION

OLDEST_API_VERSION = 1
"""The oldest version of the plugin interface for which plugins still work."""


@dataclass(frozen=True)
class Deprecation:
    """Something that was renamed, and whose old name works for a while."""

    what: Literal["hook", "argument", "method"]
    owner: str
    """Of an argument its hook's present name, of a method its interface such as `Filter`; empty for a hook."""
    old: str
    new: str
    since: int
    """The version of the plugin interface that has the new name."""
    removed: int
    """The version that no longer knows the old one."""

    def __str__(self) -> str:
        where = f" of {self.owner}" if self.owner else ""
        return (
            f"the {self.what} {self.old}{where} is called {self.new} since version {self.since} of the plugin "
            f"interface; version {self.removed} no longer knows the old name"
        )


DEPRECATIONS: tuple[Deprecation, ...] = ()
"""What is renamed and still understood; nothing at present."""


class IncompatibleError(PluginError):
    """A plugin was written for a version of the interface that does not work here; `update` says what to update."""

    def __init__(self, wanted: object, update: str) -> None:
        supported = f"version {API_VERSION}"
        if OLDEST_API_VERSION < API_VERSION:
            supported = f"versions {OLDEST_API_VERSION} to {API_VERSION}"
        super().__init__(f"made for version {wanted!r} of the plugin interface; this gdp has {supported}")
        self.update = update


def check_version(wanted: object) -> str:
    """Return a note on a plugin that was written for this version of the interface; empty for the present one.

    Raises:
        IncompatibleError: plugins of that version do not work here.
    """
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise IncompatibleError(wanted, f"Write GDP_API = {API_VERSION}")
    if wanted > API_VERSION:
        raise IncompatibleError(wanted, "Update gdp")
    if wanted < OLDEST_API_VERSION:
        raise IncompatibleError(wanted, "Update it")
    if wanted < API_VERSION:
        return (
            f"written for version {wanted} of the plugin interface, which still works; this gdp has version "
            f"{API_VERSION}: look for a newer release of the plugin"
        )
    return ""


def renamed_hook(name: str) -> Deprecation | None:
    """Return what a hook's old name became."""
    return next((found for found in DEPRECATIONS if found.what == "hook" and found.old == name), None)


def renamed_arguments(hook: str) -> Mapping[str, Deprecation]:
    """Return the old names of a hook's arguments; `hook` is its present name."""
    return {found.old: found for found in DEPRECATIONS if found.what == "argument" and found.owner == hook}


def with_new_names(function: Callable[..., object], hook: str) -> Callable[..., object]:
    """Return a function that takes the hook's present arguments and calls one that was written for old names."""
    renamed = renamed_arguments(hook)
    pairs = [(name, renamed[name].new if name in renamed else name) for name in inspect.signature(function).parameters]
    # pluggy reads a function's parameters from its code, so that they must really be called so.
    passed = ", ".join(f"{old}={new}" for old, new in pairs)
    source = f"lambda {', '.join(new for _, new in pairs)}: function({passed})"
    called: Callable[..., object] = eval(source, {"function": function})  # noqa: S307 # names of parameters only
    return called


def adopt_old_methods(implementation: type) -> list[Deprecation]:
    """Give a class whose methods have old names their new ones, too; return what was renamed."""
    interfaces = {base.__name__ for base in implementation.__mro__ if base.__module__.startswith("gdp.core.interfaces")}
    own: dict[str, Any] = {}
    for base in reversed(implementation.__mro__):
        if not base.__module__.startswith("gdp.core.interfaces"):
            own |= vars(base)
    used = [
        found
        for found in DEPRECATIONS
        if found.what == "method" and found.owner in interfaces and found.old in own and found.new not in own
    ]
    for found in used:
        setattr(implementation, found.new, own[found.old])
    if used:
        abc.update_abstractmethods(implementation)
    return used
