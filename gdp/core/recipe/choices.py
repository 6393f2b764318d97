"""A plugin chosen in a recipe, and the checks of one section: core's keys, the plugin, the plugin's own keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from gdp.core.config import Config
from gdp.core.errors import Mistake, PluginNotFoundError, describe_exception, printable
from gdp.core.recipe.messages import MOST_TOLD, did_you_mean, explain, recipe_keys, shown
from gdp.core.recipe.sections import (
    AlignerSection,
    DatasetSection,
    DirectionMethodSection,
    EngineSection,
    EvaluatorSection,
    FilterSection,
    LossSection,
    PairsSection,
    StageSection,
    StudentSection,
    TeacherSection,
    TrackerSection,
    TrainSection,
)
from gdp.core.recipe.text import KeyPath, RecipeText, format_path
from gdp.core.recipe.values import loose_conversions, prepare
from gdp.core.records import Kind, PluginRecord, Plugins

SectionT_co = TypeVar("SectionT_co", bound=Config, covariant=True)
ModelT = TypeVar("ModelT", bound=Config)

SECTION_KEYS: Mapping[Kind, str] = {
    "teacher": "teacher",
    "pair-source": "pairs",
    "filter": "filters",
    "student": "student",
    "loss": "losses",
    "evaluator": "evaluators",
    "dataset": "dataset",
    "stage": "stages",
    "direction-method": "method",
    "engine": "engine",
    "aligner": "align",
    "tracker": "track",
}
"""The key under which a recipe, or the --set of a command, chooses a plugin of each kind."""

SECTION_MODELS: Mapping[Kind, type[Config]] = {
    "teacher": TeacherSection,
    "pair-source": PairsSection,
    "filter": FilterSection,
    "student": StudentSection,
    "loss": LossSection,
    "evaluator": EvaluatorSection,
    "dataset": DatasetSection,
    "stage": StageSection,
    "direction-method": DirectionMethodSection,
    "engine": EngineSection,
    "aligner": AlignerSection,
    "tracker": TrackerSection,
}
"""Core's own keys in a section of each kind; a plugin's settings may not take their names."""

YIELDING: Mapping[Kind, frozenset[str]] = {
    "pair-source": frozenset({"resolution", "shows"}),
    "teacher": frozenset({"weights_licence"}),
}
"""Core's keys that are the plugin's where it has a setting of the same name: it does then what core would do."""

LISTED_KINDS: frozenset[Kind] = frozenset({"filter", "loss", "evaluator", "stage"})
"""Kinds of which a recipe chooses any number, as an array of tables."""


@dataclass(frozen=True)
class Choice(Generic[SectionT_co]):
    """One plugin that a recipe names, with its settings."""

    record: PluginRecord
    section: SectionT_co
    """Core's keys of the section (a loss's weight, say)."""
    config: Config
    """The plugin's own settings, an instance of `record.config`."""

    def to_data(self) -> dict[str, Any]:
        """Return the section as plain data, every default written out."""
        return {**dump(self.section), **dump(self.config)}


def section_keys(record: PluginRecord) -> list[str]:
    """Return the keys that core reads in the sections of a plugin, in order."""
    yielded = YIELDING.get(record.kind, frozenset()) & set(recipe_keys(record.config))
    return [key for key in recipe_keys(SECTION_MODELS[record.kind]) if key not in yielded]


def _elsewhere(key: str) -> str:
    """Return `, which belongs to [pairs]` for a key that core has in another section of a recipe, else nothing."""
    sections: dict[str, type[Config]] = {SECTION_KEYS[kind]: model for kind, model in SECTION_MODELS.items()}
    sections["train"] = TrainSection
    found = [f"[{name}]" for name, model in sections.items() if key in recipe_keys(model)]
    return f", which belongs to {' or '.join(found)}" if found else ""


def choosable(plugins: Plugins, kind: Kind) -> list[str]:
    """Return the names of a kind that a recipe may write, sorted: stages of every run are left out."""
    return [name for name in plugins.names(kind) if not plugins.get(kind, name).every_run]


def dump(model: Config) -> dict[str, Any]:
    """Return settings as plain data under the keys that a recipe writes; `Path`s become text."""
    return model.model_dump(mode="json", by_alias=True)


def resolved_text(data: Mapping[str, Any], comment: str) -> str:
    """Write plain data as TOML under a comment; keys without a value are left out, as TOML has no null."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(comment))
    document.update(_without_nothing(data))
    return tomlkit.dumps(document)


def _without_nothing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nothing(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nothing(item) for item in value if item is not None]
    return value


@dataclass
class Checker:
    """Checks a recipe's sections and collects every mistake; nothing here raises for what the user wrote."""

    text: RecipeText
    plugins: Plugins
    folder: Path
    written: frozenset[KeyPath] = frozenset()
    """Paths that were given on the command line."""
    place: Callable[[KeyPath], KeyPath] = tuple
    """Tells where in the file a path of the data stands, where that is elsewhere (variants)."""
    mistakes: list[Mistake] = field(default_factory=list)

    def mistake(self, path: KeyPath, message: str) -> None:
        """Note a mistake at a path, with its line or with a word that --set gave it."""
        path = self.place(path)
        if any(path[: len(given)] == given for given in self.written):
            self.mistakes.append(Mistake(format_path(path), f"{message} (given by --set)"))
        else:
            self.mistakes.append(Mistake(format_path(path), message, self.text.line(path)))

    def top_level(self, known: Sequence[str], elsewhere: Mapping[str, str]) -> None:
        """Report keys at the top that this sort of recipe does not have; `elsewhere` explains some of them."""
        unknown = [key for key in self.text.data if key not in known]
        self._unknown(
            (), unknown, lambda key: elsewhere.get(key, f"unknown section{did_you_mean(key, known)}"), "sections"
        )

    def _unknown(self, path: KeyPath, keys: Sequence[str], said: Callable[[str], str], what: str = "keys") -> None:
        """Report keys of a table that nobody knows, each by what `said` says of it, up to `MOST_TOLD`."""
        for key in keys[:MOST_TOLD]:
            self.mistake((*path, key), said(key))
        if len(keys) > MOST_TOLD:
            self.mistake(path, f"{len(keys) - MOST_TOLD:,} more unknown {what}")

    def settings(self, model: type[ModelT], data: Any, path: KeyPath, owner: str | None = None) -> ModelT | None:
        """Validate a table with a model; `owner` names the plugin whose model it is."""
        if not isinstance(data, Mapping):
            self.mistake(path, f"expected a table, got {shown(data)}")
            return None
        before = len(self.mistakes)
        try:
            prepared = prepare(model, data, self.folder, lambda inner, message: self.mistake((*path, *inner), message))
            settings = model.model_validate(prepared)
            # Settings are written into the run folder and hashed: what cannot be written is no setting.
            json.dumps(dump(settings), allow_nan=False)
            for inner, message in loose_conversions(prepared, settings.model_dump(by_alias=True)):
                self.mistake((*path, *inner), message)
        except ValidationError as error:
            reported = {mistake.where for mistake in self.mistakes[before:]}
            for inner, message in explain(error, model, data):
                if format_path(self.place((*path, *inner))) not in reported:
                    self.mistake((*path, *inner), message)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 # a third party's validator may raise anything
            whose = f"plugin {owner}" if owner else "these settings"
            reason = describe_exception(error)
            self.mistake(path, f"{whose} failed to check its settings ({reason}); report it to the plugin's author")
        return settings if len(self.mistakes) == before else None

    def one(self, kind: Kind, model: type[ModelT], *, required: str | None = None) -> Choice[ModelT] | None:
        """Check `[section]`; `required` says what it is for if the recipe cannot do without."""
        key = SECTION_KEYS[kind]
        if key not in self.text.data:
            if required is not None:
                self.mistakes.append(
                    Mistake(key, f"missing: add [{key}] with plugin = {self._one_of(kind)} {required}")
                )
            return None
        data = self.text.data[key]
        if isinstance(data, list):
            self.mistake((key,), f"write [{key}] with single brackets: a recipe has one")
            return None
        return self.choice(kind, model, data, (key,))

    def many(self, kind: Kind, model: type[ModelT], *, required: str | None = None) -> tuple[Choice[ModelT], ...]:
        """Check `[[section]]`, any number of them; at least one if `required` says what for."""
        key = SECTION_KEYS[kind]
        data = self.text.data.get(key, [])
        if isinstance(data, Mapping):
            self.mistake((key,), f"write [[{key}]] with double brackets: a recipe can have several")
            return ()
        if not isinstance(data, list):
            self.mistake((key,), f"expected tables [[{key}]], got {shown(data)}")
            return ()
        if not data and required is not None:
            self.mistake((key,), f"missing: add [[{key}]] with plugin = {self._one_of(kind)} {required}")
        choices = [self.choice(kind, model, entry, (key, position)) for position, entry in enumerate(data)]
        return tuple(choice for choice in choices if choice is not None)

    def choice(self, kind: Kind, model: type[ModelT], data: Any, path: KeyPath) -> Choice[ModelT] | None:
        """Check one section: which plugin, core's keys, the plugin's keys."""
        record = self.record(kind, data, path)
        if record is None:
            return None
        core_keys, own_keys = section_keys(record), recipe_keys(record.config)
        takes_any = record.config.model_config.get("extra") == "allow"  # it stands in for one that is not installed
        unknown = [] if takes_any else [key for key in data if key not in core_keys and key not in own_keys]
        known = {*core_keys, *own_keys} - {"plugin"}
        self._unknown(path, unknown, lambda key: f"unknown key{_elsewhere(key) or did_you_mean(key, known)}")
        section = self.settings(model, {key: data[key] for key in data if key in core_keys}, path)
        own = {key: data[key] for key in data if key not in core_keys and (takes_any or key in own_keys)}
        config = self.settings(record.config, own, path, owner=f"{record.name} ({record.package})")
        if section is None or config is None:
            return None
        return Choice(replace(record, place=self._where((*path, "plugin"))), section, config)

    def _where(self, path: KeyPath) -> str:
        """Return file and line of a path of the data, or the file alone where it has no such line."""
        line = self.text.line(self.place(path))
        return self.text.file if line is None else f"{self.text.file}:{line}"

    def record(self, kind: Kind, data: Any, path: KeyPath) -> PluginRecord | None:
        """Look up the plugin that a section names."""
        if not isinstance(data, Mapping):
            self.mistake(path, f"expected a table, got {shown(data)}")
            return None
        name = data.get("plugin")
        if not isinstance(name, str):
            got = "missing" if name is None else f"expected a name in quotes, got {shown(name)}"
            self.mistake((*path, "plugin"), f"{got}: choose {self._one_of(kind)}")
            return None
        try:
            return self.plugins.get(kind, name)
        except PluginNotFoundError as error:
            self.mistake((*path, "plugin"), printable(str(error)))
            return None

    def _one_of(self, kind: Kind) -> str:
        names = [f'"{name}"' for name in choosable(self.plugins, kind)]
        return " or ".join(names) if names else f"a {kind} plugin (none is installed)"
