"""Light registration records: what is known of a plugin before anything of it is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from gdp.core.config import Config

API_VERSION = 1
"""Version of the hook specs and interfaces; a plugin module may declare the one it was written for as `GDP_API`."""

Kind = Literal["teacher", "pair-source", "filter", "student", "loss", "evaluator", "dataset"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Needs:
    """What a plugin needs before it can work; checked by the pre-flight, shown by `gdp list-plugins`."""

    gpu: bool = False
    environment: tuple[str, ...] = ()
    """Names of environment variables that hold keys; their values never appear anywhere."""
    network: bool = False
    modules: tuple[str, ...] = ()
    """Python modules that an extra brings, such as `onnxruntime`."""

    def describe(self) -> str:
        """Return one short line such as `GPU, network, $AZURE_FACE_KEY`; empty when nothing is needed."""
        parts = ["GPU"] if self.gpu else []
        parts += ["network"] if self.network else []
        return ", ".join([*parts, *(f"${name}" for name in self.environment), *self.modules])


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
    package: str = ""
    version: str = ""


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
        """
