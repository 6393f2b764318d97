"""Light registration records: what is known of a plugin before anything of it is imported."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, get_args, overload

from gdp.core.config import Config

DISTRIBUTION = "gdp-distill"
"""Name of the distribution that holds gdp and its own plugins."""
API_VERSION = 1
"""Version of the hook specs and interfaces; a plugin module may declare the one it was written for as `GDP_API`."""

Kind = Literal[
    "teacher", "pair-source", "filter", "student", "loss", "evaluator", "dataset", "stage", "direction-method",
    "engine", "aligner", "tracker",
]  # fmt: skip
"""What a plugin can be."""
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds, in the order in which a run meets them."""
RECIPE_KINDS: tuple[Kind, ...] = KINDS[: KINDS.index("direction-method")]
"""Kinds that a recipe chooses; others a command does: `gdp find-direction`, `gdp apply`, `gdp run --track`."""

PlainKind = Literal["converter", "executor", "command"]
"""What has no settings, and is chosen by no recipe."""
PLAIN_KINDS: tuple[PlainKind, ...] = get_args(PlainKind)
"""All kinds without settings; all that is known of one is its `PlainRecord`."""
AnyKind = Kind | PlainKind | Literal["download"]
"""What can be registered."""
CORE_STAGES = ("teacher", "pairs", "filter", "train")
"""The stages that every run is made of, in order; plugins add others after one of them."""
LAST_STAGE = "export"
"""Behind which a further stage stands where nothing is said: the trained student is there then."""


@dataclass(frozen=True)
class Needs:
    """What a plugin needs before it can work; checked by the pre-flight, shown by `gdp list-plugins`.

    Attributes:
        gpu: Whether it works on a GPU alone.
        environment: Names of environment variables that hold keys; their values never appear anywhere.
        network: Whether it asks other machines.
        modules: Python modules that an extra brings, such as `onnxruntime`.
        install: What brings these modules, as pip takes it: `gdp-distill[onnx]`; empty where the modules' names do.
    """

    gpu: bool = False
    environment: tuple[str, ...] = ()
    network: bool = False
    modules: tuple[str, ...] = ()
    install: str = ""

    def describe(self) -> str:
        """Return one short line such as `GPU, network, $AZURE_FACE_KEY`; empty when nothing is needed."""
        parts = ["GPU"] if self.gpu else []
        parts += ["network"] if self.network else []
        return ", ".join([*parts, *(f"${name}" for name in self.environment), *self.modules])

    def how_to_install(self, module: str) -> str:
        """Return the command that brings one of the modules."""
        return f"pip install '{self.install}'" if self.install else f"pip install {module.partition('.')[0]}"

    def missing_modules(self) -> list[str]:
        """Return the modules that are not installed; nothing is imported."""
        return [module for module in self.modules if not is_installed(module)]


def is_installed(module: str) -> bool:
    """Say whether a module could be imported, without importing it (of `a.b` only `a` is looked for)."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


@dataclass(frozen=True)
class PluginRecord:
    """One registered plugin. The implementation is imported only when a run builds it."""

    kind: Kind
    name: str
    summary: str
    config: type[Config]
    implementation: str
    """`module:attribute` of the class."""
    needs: Needs = field(default_factory=Needs)
    licence: str = "Apache-2.0"
    images_leave_machine: bool = False
    training: type[Config] | None = None
    """Teachers only: settings of `gdp train-teacher`, where the teacher can be trained."""
    after: str = LAST_STAGE
    """Stages only: the stage behind which it stands."""
    every_run: bool = False
    """Stages only: whether it belongs to every run, so that no recipe need choose it."""
    package: str = ""
    version: str = ""
    place: str = field(default="", compare=False)
    """Where a recipe chooses it, as `faces.toml:12`; empty where none does."""

    @property
    def supplier(self) -> str:
        """Who supplies it in which version, for content keys: what another version made counts as out of date.

        Empty for gdp's own plugins, which change no result without saying so. Of a plugin of one file the file's name
        and hash: where it lies is no part of what it does.
        """
        if self.package in ("", DISTRIBUTION):
            return ""
        return f"{Path(self.package).name} {self.version}"


class Register(Protocol):
    """The callback that a `gdp_register_*` hook receives; call it once for each plugin."""

    def __call__(
        self,
        name: str,
        *,
        config: type[Config],
        implementation: str,
        summary: str,
        needs: Needs = ...,
        licence: str = ...,
        images_leave_machine: bool = ...,
        training: type[Config] | None = ...,
        after: str = ...,
        every_run: bool = ...,
    ) -> None:
        """Register one plugin.

        Args:
            name: lower-case words joined by hyphens, as recipes will write it.
            config: the settings model.
            implementation: `module:attribute`, imported only when a run builds the plugin.
            summary: one line for `gdp list-plugins`.
            needs: GPU, keys, network, extra modules.
            licence: of the code and of weights that come with it.
            images_leave_machine: True if pictures are sent elsewhere.
            training: teachers only, the settings of `gdp train-teacher`.
            after: stages only, the name of the stage behind which it stands; export where nothing is said.
            every_run: stages only, True if it belongs to every run (its `applies` may still say no); else a recipe
                chooses it by `[[stages]]`.
        """


@dataclass(frozen=True)
class PlainRecord:
    """One registered thing without settings: what reads a foreign layout of weights, starts workers, or a command."""

    images_leave_machine: ClassVar[bool] = False

    kind: PlainKind
    name: str
    summary: str
    implementation: str
    """`module:attribute` of the class, of a command of the function."""
    needs: Needs = field(default_factory=Needs)
    licence: str = "Apache-2.0"
    package: str = ""
    version: str = ""


class RegisterPlain(Protocol):
    """The callback of the hooks that register kinds without settings."""

    def __call__(self, name: str, *, implementation: str, summary: str, needs: Needs = ..., licence: str = ...) -> None:
        """Register one.

        Args:
            name: lower-case words joined by hyphens, as the command line takes it.
            implementation: `module:attribute`, imported only when it is used.
            summary: one line for `gdp list-plugins`, of a command for `gdp --help` too.
            needs: extra modules.
            licence: of the code.
        """


class RegisterConverter(RegisterPlain, Protocol):
    """The callback that `gdp_register_converters` receives; call it once for each layout."""


class RegisterExecutor(RegisterPlain, Protocol):
    """The callback that `gdp_register_executors` receives; call it once for each executor."""


class RegisterCommand(RegisterPlain, Protocol):
    """The callback that `gdp_register_commands` receives; call it once for each command."""


class Plugins(Protocol):
    """What core and the tools ask of the installed plugins; the registry is it."""

    @overload
    def get(self, kind: Kind, name: str) -> PluginRecord: ...

    @overload
    def get(self, kind: PlainKind, name: str) -> PlainRecord: ...

    def get(self, kind: Kind | PlainKind, name: str) -> PluginRecord | PlainRecord:
        """Return a plugin's record; raises `PluginNotFoundError` that says what is there."""

    def names(self, kind: Kind | PlainKind) -> list[str]:
        """Return the usable names of a kind, sorted."""

    @overload
    def records(self, kind: Kind) -> list[PluginRecord]: ...

    @overload
    def records(self, kind: PlainKind) -> list[PlainRecord]: ...

    def records(self, kind: Kind | PlainKind) -> Any:
        """Return the usable records of a kind, by name."""

    def unusable(self, kind: Kind) -> dict[str, str]:
        """Return whose plugins of a kind cannot be used and why, with those that failed before they told their kind."""

    def load(self, record: PluginRecord | PlainRecord) -> Any:
        """Import the implementation of a record; raises `PluginError` where it cannot be used."""

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call a hook of the life of a run on every plugin; a listener's failure never stops the run."""
