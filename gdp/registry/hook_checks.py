"""The hooks of one plugin module: found, and checked for everything that pluggy would silently accept."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gdp.core import hookspecs
from gdp.registry.api_versions import Deprecation, renamed_arguments, renamed_hook, with_new_names

REGISTRATION_PREFIX = "gdp_register_"


def _read_specs() -> dict[str, tuple[str, ...]]:
    functions = inspect.getmembers(hookspecs, inspect.isfunction)
    return {
        name: tuple(inspect.signature(function).parameters) for name, function in functions if name.startswith("gdp_")
    }


HOOK_ARGUMENTS: Mapping[str, tuple[str, ...]] = _read_specs()
"""Every hook's name with the names of its arguments."""


@dataclass(frozen=True)
class Hook:
    """One hook that a plugin module implements."""

    name: str
    function: Callable[..., object]
    arguments: tuple[str, ...]
    """Those of the hook's arguments that the implementation takes."""
    deprecations: tuple[Deprecation, ...] = ()
    """Old names that it uses; `name`, `function` and `arguments` are those of today."""


def find_hooks(plugin: object) -> tuple[list[Hook], list[str]]:
    """Find the hooks that a plugin module or object implements.

    Returns:
        The hooks in the order of their names, and the defects, a sentence each; with a defect nothing is registered.
    """
    hooks: list[Hook] = []
    defects: list[str] = []
    for attribute, function, marks in _hook_like(plugin):
        name = str((marks or {}).get("specname") or attribute)
        renamed = renamed_hook(name)
        name = renamed.new if renamed else name
        defect = _defect(attribute, name, function, marks)
        if defect is not None:
            defects.append(defect)
            continue
        old = [found for old, found in renamed_arguments(name).items() if old in _parameters(function)]
        deprecations = (*([renamed] if renamed else []), *old)
        called = with_new_names(function, name) if deprecations else function
        hooks.append(Hook(name, called, _parameters(called), deprecations))
    return hooks, defects


def _hook_like(plugin: object) -> Iterator[tuple[str, Callable[..., object], Mapping[str, Any] | None]]:
    """Yield (attribute, function, pluggy's marks or None) of whatever is, or is meant as, a hook."""
    owner = plugin.__name__ if isinstance(plugin, types.ModuleType) else type(plugin).__module__
    for attribute in dir(plugin):
        value = getattr(plugin, attribute, None)
        if not isinstance(value, types.FunctionType | types.MethodType):
            continue
        marks = getattr(value, "gdp_impl", None)
        # A package is often called gdp_something and so are its own helpers elsewhere: only functions that come from
        # the plugin's own package can be meant as hooks without the mark.
        own = value.__module__.split(".")[0] == owner.split(".")[0]
        if isinstance(marks, Mapping):
            yield attribute, value, marks
        elif attribute.startswith("gdp_") and own:
            yield attribute, value, None


def _defect(attribute: str, name: str, function: Callable[..., object], marks: Mapping[str, Any] | None) -> str | None:
    if name not in HOOK_ARGUMENTS:
        close = get_close_matches(name, HOOK_ARGUMENTS, n=1)
        hint = f", did you mean {close[0]}?" if close else f"; the hooks are {', '.join(sorted(HOOK_ARGUMENTS))}"
        return f"unknown hook {name}{hint}"
    if marks is None:
        return f"{attribute} lacks its mark: write @gdp.hookimpl above it"
    if marks.get("wrapper") or marks.get("hookwrapper"):
        return f"{attribute} is a hook wrapper, and gdp has none: write a plain function"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return f"{attribute} is asynchronous or a generator: write a plain function"
    allowed = HOOK_ARGUMENTS[name]
    understood = {*allowed, *renamed_arguments(name)}
    wrong = [parameter for parameter in _parameters(function) if parameter not in understood]
    if wrong:
        return f"{attribute} takes unknown argument {', '.join(wrong)}; allowed: {', '.join(allowed)}"
    return None


def _parameters(function: Callable[..., object]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)
