"""`gdp describe`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gdp.cli.common import State
from gdp.cli.completion import complete_described, complete_kind
from gdp.cli.settings_help import Setting, describe_settings, toml_value
from gdp.console import print_json, print_line
from gdp.core.config import Config
from gdp.core.errors import PluginNotFoundError, UnknownPluginError, named_by_option
from gdp.core.recipe.choices import LISTED_KINDS, SECTION_KEYS, SECTION_MODELS, Checker, section_keys
from gdp.core.recipe.messages import did_you_mean
from gdp.core.recipe.sections import CompareSection, LimitsSection, TrainSection, VariantSection
from gdp.core.recipe.text import RecipeText
from gdp.core.records import KINDS, PLAIN_KINDS, Kind, PlainKind, PlainRecord, PluginRecord, Plugins
from gdp.registry.implementations import missing_needs

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry

_COMMENT_COLUMN = 34
SECTIONS: Mapping[str, Mapping[str, type[Config]]] = {
    "train": {"[train]": TrainSection},
    "limits": {"[limits]": LimitsSection},
    "compare": {"[compare]": CompareSection, "[[compare.variants]]": VariantSection},
}
"""Sections of a recipe that belong to no plugin, and the tables in them."""


def describe(
    context: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            help=f"One of {', '.join((*KINDS, *PLAIN_KINDS))}; or {' or '.join(SECTIONS)}. A plugin's name alone "
            "does where only one kind has it.",
            show_default=False,
            autocompletion=complete_kind,
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            help="The plugin's name; without one, all of the kind are listed.",
            show_default=False,
            autocompletion=complete_described,
        ),
    ] = "",
    json_: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show what a plugin does, its settings with types and defaults, what it needs, and an example.

    The sections train, limits and compare of a recipe belong to no plugin and are described by their names alone.

    Example: gdp describe filter sharpness
    """
    state: State = context.obj
    if kind in SECTIONS:
        _describe_section(kind, json_)
        return
    parsed = _parse_kind(kind)
    if parsed is not None and not name:
        _list_kind(state.registry, parsed, json_)
        return
    with named_by_option():
        record = (
            _named(state.registry, kind)
            if parsed is None and not name
            else state.registry.get(_known(parsed, kind), name)
        )
    if isinstance(record, PlainRecord):
        _describe_plain(record, json_)
        return
    shared = [key for key in section_keys(record) if key != "plugin"]
    core = [setting for setting in describe_settings(SECTION_MODELS[record.kind]) if setting.key in shared]
    own = describe_settings(record.config)
    training = describe_settings(record.training) if record.training is not None else []
    example, problems = make_example(record, [*core, *own], state.registry)
    if json_:
        print_json({**_facts(record), "settings": _plain(own), "section": _plain(core),
                    "training": _plain(training), "example": example})  # fmt: skip
        return
    lines = _headlines(record)
    lines += _section("Settings", own) + _section("Settings that every such section has", core)
    lines += _section("Settings of its training ([train] of gdp train-teacher)", training)
    lines += ["", "Example", *(f"  {line}" for line in example.splitlines()), *(f"  # {line}" for line in problems)]
    for line in lines:
        print_line(line)


_TITLE = ("kind", "name", "summary")


def _headlines(record: PluginRecord | PlainRecord) -> list[str]:
    facts = {key: value for key, value in _facts(record).items() if key not in _TITLE}
    words = [f"{key.replace('_', ' '):<22}{_words(value)}" for key, value in facts.items()]
    return [f"{record.kind} {record.name}: {record.summary}", "", *words]


def _describe_plain(record: PlainRecord, json_: bool) -> None:
    """Show what is known of something that has no settings."""
    if json_:
        print_json(_facts(record))
        return
    more = ["", f"gdp {record.name} --help shows its options"] if record.kind == "command" else []
    for line in [*_headlines(record), *more]:
        print_line(line)


def _describe_section(name: str, json_: bool) -> None:
    """Show the settings of a section that belongs to core."""
    described = {header: (model, describe_settings(model)) for header, model in SECTIONS[name].items()}
    if json_:
        print_json({header: _plain(settings) for header, (_, settings) in described.items()})
        return
    for header, (model, settings) in described.items():
        about = " ".join((model.__doc__ or "").split())
        for line in [about, *_section(header, settings), ""]:
            print_line(line)


def _parse_kind(word: str) -> Kind | PlainKind | None:
    """Accept a kind's name, and the recipe's section of that kind (`pairs`, `losses`); None is neither."""
    for kind in KINDS:
        if word in (kind, SECTION_KEYS[kind]):
            return kind
    for plain in PLAIN_KINDS:
        if word == plain:
            return plain
    return None


def _known(kind: Kind | PlainKind | None, word: str) -> Kind | PlainKind:
    if kind is None:
        raise UnknownPluginError(f'"{word}" is no kind of plugin{did_you_mean(word, (*KINDS, *PLAIN_KINDS))}')
    return kind


def _named(plugins: PluginRegistry, name: str) -> PluginRecord | PlainRecord:
    """Return the plugin that is called so, of whatever kind.

    Raises:
        UnknownPluginError: there is none.
        PluginNotFoundError: there are several, or it cannot be used.
    """
    named: dict[str, list[PluginRecord | PlainRecord]] = {}
    for kind in (*KINDS, *PLAIN_KINDS):
        for record in plugins.records(kind):
            named.setdefault(record.name, []).append(record)
    found = named.get(name, [])
    found = [record for record in found if record.kind in KINDS] or found  # those with settings
    if not found:
        for row in (row for row in plugins.rows if row.name == name and row.status != "ok"):
            raise PluginNotFoundError(f'the plugin "{name}" cannot be used ({row.status}): {row.reason}. {row.mend}')
        close = did_you_mean(name, (*named, *KINDS, *PLAIN_KINDS)) if name else ""
        told = close if "did you mean" in close else "; gdp list-plugins shows what there is"
        raise UnknownPluginError(f'"{name}" is no kind of plugin, and no plugin is called so{told}')
    if len(found) > 1:
        ways = " or ".join(f"gdp describe {record.kind} {name}" for record in found)
        raise PluginNotFoundError(f'several plugins are called "{name}": {ways}')
    return found[0]


def _list_kind(plugins: Plugins, kind: Kind | PlainKind, json_: bool) -> None:
    """Show what plugins of a kind there are."""
    records: list[PluginRecord | PlainRecord] = sorted(plugins.records(kind), key=lambda record: record.name)
    if json_:
        print_json([_facts(record) for record in records])
        return
    width = max((len(record.name) for record in records), default=0)
    for record in records:
        print_line(f"{record.name:<{width}}  {record.summary}", hanging=width + 2)
    print_line(f"gdp describe {kind} NAME shows the settings of one")


def _facts(record: PluginRecord | PlainRecord) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "name": record.name,
        "summary": record.summary,
        "package": f"{record.package} {record.version}".strip(),
        "licence": record.licence,
        "needs": record.needs.describe(),
        "missing": ", ".join(missing_needs(record.needs)),
        "images_leave_machine": record.images_leave_machine,
        "implementation": record.implementation,
        **({"after": record.after} if record.kind == "stage" else {}),
    }


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "nothing"


def _plain(settings: Sequence[Setting]) -> list[dict[str, Any]]:
    return [asdict(setting) for setting in settings]


def _section(title: str, settings: Sequence[Setting]) -> list[str]:
    lines = ["", title] if settings else []
    for setting in settings:
        lines += _setting_lines(setting, "  ")
    return lines


def _setting_lines(setting: Setting, indent: str) -> list[str]:
    default = "not set" if setting.default is None else toml_value(setting.default)
    lines = [f"{indent}{setting.key}: {setting.type}; {'required' if setting.required else f'default {default}'}"]
    if setting.help:
        lines.append(f"{indent}    {setting.help}")
    for inner in setting.inner:
        lines += _setting_lines(inner, f"{indent}    ")
    return lines


def make_example(record: PluginRecord, settings: Sequence[Setting], plugins: Plugins) -> tuple[str, list[str]]:
    """Write a section that chooses the plugin, with its required keys made up and its defaults written out.

    Where settings need one of several that are optional by themselves, the first suggestion that mends it is written.

    Returns:
        The TOML text, and what is wrong with the made-up values, if anything is.
    """
    if record.every_run:
        return "# every run has this stage: no recipe chooses it\n", []
    text, problems = _try_example(record, settings, plugins)
    if not problems:
        return text, problems
    for number, setting in enumerate(settings):
        if not setting.required and setting.suggested is not None:
            mended = replace(setting, example=setting.suggested)
            again, left = _try_example(record, [*settings[:number], mended, *settings[number + 1 :]], plugins)
            if not left:
                return again, left
    return text, problems


def _try_example(record: PluginRecord, settings: Sequence[Setting], plugins: Plugins) -> tuple[str, list[str]]:
    key = SECTION_KEYS[record.kind]
    header = f"[[{key}]]" if record.kind in LISTED_KINDS else f"[{key}]"
    lines = [header, f'plugin = "{record.name}"']
    for setting in settings:
        if setting.example is not None:
            line = f"{_toml_key(setting.key)} = {toml_value(setting.example)}"
            lines.append(f"{line:<{_COMMENT_COLUMN}} # required" if setting.required else line)
    text = "\n".join(lines) + "\n"
    data: Any = tomllib.loads(text)[key]
    checker = Checker(RecipeText("example", {}), plugins, Path.cwd())
    checker.choice(record.kind, SECTION_MODELS[record.kind], data[0] if isinstance(data, list) else data, ())
    return text, [f"{mistake.where}: {mistake.message}" for mistake in checker.mistakes]


def _toml_key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else toml_value(key)
