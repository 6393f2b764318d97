"""The reference page of hooks and interfaces, made from their docstrings: `python -m gdp.registry.reference`."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import gdp
from gdp import console, toolbox
from gdp.core import hookspecs
from gdp.core.attribute_docs import attribute_docs
from gdp.registry.hook_checks import HOOK_ARGUMENTS

_HEAD = """\
# Hooks and interfaces

Made from the docstrings by `python -m gdp.registry.reference > docs/hooks.md`; a test keeps it current. What of this
may change, and how, is told in [api_stability.md](api_stability.md).
"""


def reference_page() -> str:
    """Return the page: every hook with its arguments, every public name, and what each interface asks for."""
    lines = [_HEAD, "## Hooks", ""]
    for name in sorted(HOOK_ARGUMENTS):
        lines += _hook(name)
    lines += ["## Public names", "", "`import gdp` gives these, each imported when it is first used.", ""]
    lines += [_entry("gdp", gdp, name) for name in sorted(gdp.__all__, key=str.lower)]
    lines += ["", "## Toolbox", "", "`gdp.toolbox` has what implementations use beside the interfaces.", ""]
    for subject, modules in toolbox.SUBJECTS.items():
        lines += [f"### {subject[0].upper()}{subject[1:]}", ""]
        names = sorted((name for found in modules.values() for name in found), key=str.lower)
        lines += [*(_entry("gdp.toolbox", toolbox, name) for name in names), ""]
    lines += ["## Console", "", "`gdp.console` has what commands print with.", ""]
    lines += [_entry("gdp.console", console, name) for name in console.__all__]
    lines += ["", "## Data", "", "What implementations are given, and what they return: the fields of each class.", ""]
    for name, value in data_classes():
        fields = [f"- `{field}`: {text}" for field, text in field_docs(value).items()]
        lines += [f"### {name}", "", first_line(value.__doc__ or ""), "", *fields, ""]
    lines += ["## Interfaces", ""]
    for name, interface in interfaces():
        lines += [f"### gdp.{name}", "", inspect.cleandoc(interface.__doc__ or ""), ""]
        lines += [f"- `{member}`: {first_line(text)}" for member, text in members_of(interface)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _entry(place: str, face: Any, name: str) -> str:
    value = getattr(face, name)
    shown = f"{name}{_parameters(value)}" if inspect.isfunction(value) else name
    return f"- `{place}.{shown}`: {first_line(documentation_of(name, face))}"


def _hook(name: str) -> Iterator[str]:
    function = getattr(hookspecs, name)
    about, _, arguments = inspect.cleandoc(function.__doc__ or "").partition("\n\nArgs:\n")
    yield from (f"### {name}({', '.join(HOOK_ARGUMENTS[name])})", "", about, "")
    yield from (f"- `{argument}`: {text}" for argument, text in argument_docs(arguments).items())
    yield ""


def argument_docs(section: str) -> dict[str, str]:
    """Return what the `Args` section of a docstring says of each argument."""
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(section).splitlines():
        match = re.match(r"(\w+): (.+)", line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith(" "):
            found[name] += " " + line.strip()
    return found


def first_line(text: str) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


def data_classes() -> list[tuple[str, type[Any]]]:
    """Return the public classes that are made of fields, dataclasses and named tuples, by their public names."""
    found: list[tuple[str, type[Any]]] = []
    for face, prefix in ((gdp, "gdp"), (toolbox, "gdp.toolbox")):
        for name in sorted(face.__all__):
            value = getattr(face, name)
            if inspect.isclass(value) and (dataclasses.is_dataclass(value) or hasattr(value, "_fields")):
                found.append((f"{prefix}.{name}", value))
    return found


def field_docs(value: type[Any]) -> dict[str, str]:
    """Return what the `Attributes` section of a class's docstring says of each field, where `help()` shows it, too."""
    return argument_docs(inspect.cleandoc(value.__doc__ or "").partition("\nAttributes:\n")[2])


def interfaces() -> list[tuple[str, type[Any]]]:
    """Return the public classes that plugins derive from, and protocols of what they are given, by name."""
    found = [(name, getattr(gdp, name)) for name in sorted(gdp.__all__)]
    return [(name, value) for name, value in found if inspect.isclass(value) and _is_interface(value)]


def _is_interface(value: type[Any]) -> bool:
    if not value.__module__.startswith(("gdp.core.interfaces", "gdp.support.interfaces")):
        return False
    if getattr(value, "_is_protocol", False):
        return True
    return list(inspect.signature(value).parameters) in (["config", "context"], ["context"])  # what builds plugins


def members_of(interface: type[Any]) -> Iterator[tuple[str, str]]:
    """Yield what an interface declares itself, methods, properties and class variables, each with its docstring."""
    texts = attribute_docs(interface)
    for name, value in vars(interface).items():
        if name.startswith("_"):
            continue
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(function) and name not in texts:
            shown = name if isinstance(value, property) else f"{name}{_parameters(function)}"
            yield shown, function.__doc__ or ""
        else:
            yield name, texts.get(name, "")


def _parameters(function: Any) -> str:
    """Return the names of a function's parameters; `*` parts off those that are given by name alone."""
    names: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(known.startswith("*") for known in names):
            names.append("*")
        if name not in ("self", "cls"):
            names.append(str(parameter.replace(annotation=parameter.empty, default=parameter.empty)))
    return f"({', '.join(names)})"


def documentation_of(name: str, face: Any = gdp) -> str:
    """Return the docstring of a public name; of one that is no class or function the string below its assignment."""
    value = getattr(face, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__doc__ or ""
    home = importlib.import_module(face._HOME_OF[name])
    return attribute_docs(home).get(name, "")


if __name__ == "__main__":
    print(reference_page(), end="")
