"""The plugin that is checked: its record, its settings read as a recipe's, and how it is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from gdp.core.answers import AnswerBook
from gdp.core.building import describe_plugin, plugin_errors
from gdp.core.config import Config
from gdp.core.errors import Mistake
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.recipe.choices import SECTION_MODELS, Checker, Choice
from gdp.core.recipe.text import RecipeText
from gdp.core.records import Kind, PlainKind, PlainRecord, PluginRecord
from gdp.registry import PluginRegistry, PluginRow
from gdp.support.interfaces.engines import EngineContext
from gdp.testing.examples import World
from gdp.testing.findings import DoesNotApplyError, fail

_ROUNDING = 1e-9
SEED = 7
"""The seed of the recipe that the checks imagine."""


@dataclass(frozen=True)
class Subject:
    """A registered plugin with the settings and the world in which it is checked."""

    kind: Kind
    name: str
    registry: PluginRegistry
    settings: Mapping[str, Any]
    """As a recipe would write them; relative paths belong to the present folder."""
    world: World
    tolerance: float = 0.0
    """How much numbers may differ where they should not, beyond what each property allows."""
    varying: Sequence[str] = ()
    """Patterns of the names of numbers and files that differ from run to run (measured times)."""
    patience: float = 60.0
    """Seconds that its work on a few pictures may take."""
    pays: bool = False
    """Whether the plugin may pay for calls while it is checked."""
    folder: Path = field(default_factory=Path.cwd)
    """Against which relative paths in the settings are resolved."""

    @cached_property
    def record(self) -> PluginRecord:
        """The light record.

        Raises:
            PluginNotFoundError: no such plugin is usable; the message says why.
        """
        return self.registry.get(self.kind, self.name)

    @property
    def row(self) -> PluginRow:
        """What `gdp list-plugins` tells of it."""
        return _usable_row(self.registry, self.kind, self.name)

    def choose(self, settings: Mapping[str, Any]) -> tuple[Choice[Any] | None, Sequence[Mistake]]:
        """Read settings as a recipe's section is read, core's keys included; None with mistakes."""
        checker = Checker(RecipeText("the settings", {}), self.registry, self.folder)
        section = {"plugin": self.name, **settings}
        choice = checker.choice(self.kind, SECTION_MODELS[self.kind], section, ())
        return (None if checker.mistakes else choice), checker.mistakes

    @cached_property
    def choice(self) -> Choice[Any]:
        """The section of a recipe that has these settings.

        Raises:
            NotConformantError: the settings are not valid.
        """
        choice, mistakes = self.choose(self.settings)
        if choice is None:
            told = "; ".join(f"{mistake.where}: {mistake.message}" for mistake in mistakes)
            fail(
                f"the settings that the check was given are not valid: {told}",
                "give settings=... that a recipe may have",
            )
        return choice

    @property
    def config(self) -> Config:
        """The plugin's own settings."""
        return self.choice.config

    @cached_property
    def implementation(self) -> type:
        """The class, imported.

        Raises:
            PluginError: it cannot be imported or breaks its kind's contract.
        """
        implementation: type = self.registry.load(self.record)
        return implementation

    def context(self, **changes: Any) -> BuildContext:
        """Return what a run would give to the plugin: a CPU, a seed, and the world's teacher, dataset and size."""
        world = self.world
        given: dict[str, Any] = {
            "seed": SEED,
            "teacher": None if self.kind == "teacher" else world.teacher,
            "dataset": None if self.kind == "dataset" else world.dataset,
            "resolution": world.resolution,
            "input_channels": world.pairs.source.shape[1],
            "answers": AnswerBook.in_memory(None if self.pays else _PaysNothing(self)),
        }
        return BuildContext(**{**given, **changes})

    def build(self, config: Config | None = None, **changes: Any) -> Any:
        """Build the plugin anew; `changes` replace parts of its context, and `config` its settings."""
        if self.kind == "tracker":
            surroundings: tuple[Any, ...] = ()
        elif self.kind in ("engine", "aligner"):
            surroundings = (EngineContext(),)
        else:
            surroundings = (self.context(**changes),)
        with plugin_errors(describe_plugin(self.record)):
            return self.implementation(config or self.config, *surroundings)

    def forecast(self, plugin: Any) -> Forecast:
        """Return what a filter or a pair source foretells of the world's pairs."""
        pairs = self.world.pairs
        given = (len(pairs), pairs.source.shape[1] // 3) if self.kind == "filter" else (len(pairs),)
        foretold: Forecast = plugin.forecast(*given)
        return foretold

    def varies(self, name: str) -> bool:
        """Say whether a number was announced to differ from run to run."""
        return any(fnmatchcase(name, pattern) for pattern in self.varying)


@dataclass(frozen=True)
class _PaysNothing:
    """Lets no call through: one that was foretold makes the property one that cannot be checked for nothing."""

    subject: Subject

    def stop_requested(self) -> bool:
        return False

    def admit(self, spent: float, dollars: float) -> None:
        if self.subject.kind in ("filter", "pair-source"):
            foretold = self.subject.forecast(self.subject.build())
            mend = "return gdp.Forecast(calls, seconds_between_calls, dollars) from forecast"
            if not foretold.calls:
                fail(f"it was about to pay {dollars:g} $ for a call, and its forecast tells of none", mend)
            if foretold.dollars + _ROUNDING < dollars:
                whole = f"of all {len(self.subject.world.pairs)} pairs"
                fail(
                    f"it was about to pay {dollars:g} $ for a call, and its forecast {whole} is {foretold.dollars:g} $",
                    mend,
                )
        raise DoesNotApplyError(f"it pays {dollars:g} $ for a call here, and the kit pays nothing unless pays=True")


@dataclass(frozen=True)
class PlainSubject:
    """A registered plugin of a kind without settings, such as a command."""

    kind: PlainKind
    name: str
    registry: PluginRegistry
    patience: float = 60.0
    """Seconds that an executor's worker may take to start and to answer."""

    @cached_property
    def record(self) -> PlainRecord:
        """The light record.

        Raises:
            PluginNotFoundError: no such plugin is usable; the message says why.
        """
        return self.registry.get(self.kind, self.name)

    @property
    def row(self) -> PluginRow:
        """What `gdp list-plugins` tells of it."""
        return _usable_row(self.registry, self.kind, self.name)

    @cached_property
    def implementation(self) -> Any:
        """The class or function, imported.

        Raises:
            PluginError: it cannot be imported or breaks its kind's contract.
        """
        return self.registry.load(self.record)


AnySubject = Subject | PlainSubject


def _usable_row(registry: PluginRegistry, kind: str, name: str) -> PluginRow:
    return next(row for row in registry.rows if (row.kind, row.name, row.status) == (kind, name, "ok"))
