"""Importing a plugin's implementation, at last, and checking that it keeps its kind's contract."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdp.core.building import describe_plugin
from gdp.core.errors import PluginError, describe_exception
from gdp.core.records import Needs, PlainRecord, PluginRecord
from gdp.registry.api_versions import adopt_old_methods
from gdp.registry.file_plugins import FILE_MODULE

_INTERFACES: Mapping[str, tuple[str, ...]] = {
    "teacher": ("gdp.core.interfaces.teachers:Teacher",),
    "pair-source": ("gdp.core.interfaces.pair_sources:PairSource",),
    "filter": (
        "gdp.core.interfaces.filters:Filter",
        "gdp.core.interfaces.filters:ScoringFilter",
        "gdp.core.interfaces.filters:CombiningFilter",
    ),
    "student": ("gdp.core.interfaces.students:Student",),
    "loss": ("gdp.core.interfaces.losses:Loss",),
    "evaluator": ("gdp.core.interfaces.evaluators:Evaluator",),
    "direction-method": ("gdp.support.interfaces.directions:DirectionMethod",),
    "engine": ("gdp.support.interfaces.engines:Engine",),
    "tracker": ("gdp.support.interfaces.trackers:Tracker",),
    "stage": ("gdp.core.interfaces.stages:Stage",),
    "aligner": ("gdp.support.interfaces.aligners:Aligner",),
    "converter": ("gdp.support.foreign.converter:Converter",),
    "executor": ("gdp.support.interfaces.executors:Executor",),
    "dataset": ("gdp.core.interfaces.datasets:Dataset", "gdp.core.interfaces.datasets:UnpairedDataset"),
    "command": (),
}
"""From which of these the class of each kind derives; none where the implementation is a function."""


def missing_needs(needs: Needs) -> list[str]:
    """Name what a plugin needs and this machine lacks, without importing any of it (a GPU is not looked for)."""
    return [*(f"${name}" for name in needs.environment if not os.environ.get(name)), *needs.missing_modules()]


def load_implementation(record: PluginRecord | PlainRecord) -> Any:
    """Import the class of a plugin, of a command the function or `typer.Typer`; here torch and the like come in.

    Raises:
        PluginError: it cannot be imported, is not there, is not what the plugin's kind asks for, or lacks methods.
    """
    who = describe_plugin(record)
    module, _, path = record.implementation.partition(":")
    try:
        found: object = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except ModuleNotFoundError as error:
        raise PluginError(_missing_module(who, record, error)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of a foreign library is no Exception
        raise PluginError(
            f"{who}: {_place(record)} cannot be imported ({describe_exception(error)}). "
            f"{'Mend it' if _is_file(record) else f'Update or reinstall {record.package}'}, or {_instead(record)}."
        ) from error
    if not _INTERFACES[record.kind]:
        _check_function(who, record, found)
        return found
    if not isinstance(found, type):
        raise PluginError(f"{who}: {_place(record)} is {type(found).__name__}, not a class.")
    for renamed in adopt_old_methods(found):
        import logging

        logging.getLogger(__name__).warning("%s: %s", who, renamed)
    _check_contract(who, record, found)
    return found


def _missing_module(who: str, record: PluginRecord | PlainRecord, error: ModuleNotFoundError) -> str:
    name = error.name or ""
    if name.partition(".")[0] in {needed.partition(".")[0] for needed in record.needs.modules}:
        command = record.needs.how_to_install(name)
        return f"{who} needs the Python module {name}, which is not installed. Install it with: {command}"
    whose = "it" if _is_file(record) else record.package
    return (
        f"{who}: {_place(record)} cannot be imported, no module named {name!r}. Install what {whose} needs (pip "
        f"install {name.partition('.')[0]} may do), or {_instead(record)}."
    )


def _is_file(record: PluginRecord | PlainRecord) -> bool:
    return record.package.endswith(".py")


def _place(record: PluginRecord | PlainRecord) -> str:
    """Return the implementation as its author wrote it: a plugin of one file is a module of another name here."""
    module, _, attribute = record.implementation.partition(":")
    return f"{Path(record.package).stem}:{attribute}" if module.startswith(FILE_MODULE) else f"{module}:{attribute}"


def _instead(record: PluginRecord | PlainRecord) -> str:
    return f"choose another {record.kind}" if _INTERFACES[record.kind] else f"do without this {record.kind}"


def _check_function(who: str, record: PluginRecord | PlainRecord, found: object) -> None:
    from typer import Typer

    if isinstance(found, Typer):
        return
    if not inspect.isfunction(found):
        raise PluginError(f"{who}: {_place(record)} is {type(found).__name__}, not a function.")
    if inspect.iscoroutinefunction(found) or inspect.isgeneratorfunction(found):
        raise PluginError(f"{who}: {_place(record)} is asynchronous or a generator; write a plain function.")


def _check_contract(who: str, record: PluginRecord | PlainRecord, found: type) -> None:
    interfaces = []
    for place in _INTERFACES[record.kind]:
        module, _, name = place.partition(":")
        interfaces.append(getattr(importlib.import_module(module), name))
    if not issubclass(found, tuple(interfaces)):
        names = " or ".join(f"gdp.{interface.__name__}" for interface in interfaces)
        raise PluginError(f"{who}: {_place(record)} does not derive from {names}.")
    if inspect.isabstract(found):
        members = inspect.getmembers(found, lambda member: getattr(member, "__isabstractmethod__", False))
        lacking = ", ".join(name for name, _ in members)
        raise PluginError(f"{who}: {_place(record)} does not implement {lacking}.")
