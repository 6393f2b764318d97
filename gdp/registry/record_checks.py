"""The `register` callback: takes one plugin's light record and refuses what could not work later."""

from __future__ import annotations

import re
from typing import Any

from gdp.core.config import Config
from gdp.core.errors import PluginError
from gdp.core.recipe.choices import SECTION_MODELS
from gdp.core.records import CORE_STAGES, DISTRIBUTION, LAST_STAGE, Kind, Needs, PluginRecord

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IMPLEMENTATION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class RecordCollector:
    """Collects what one registration hook registers; an instance is the hook's `register` argument."""

    def __init__(self, kind: Kind, package: str, version: str) -> None:
        self.kind = kind
        self.package = package
        self.version = version
        self.records: list[PluginRecord] = []

    def __call__(
        self,
        name: str,
        *,
        config: type[Config],
        implementation: str,
        summary: str,
        needs: Needs | None = None,
        licence: str = "Apache-2.0",
        images_leave_machine: bool = False,
        training: type[Config] | None = None,
        after: str = LAST_STAGE,
        every_run: bool = False,
    ) -> None:
        """Register one plugin; see `gdp.core.records.Register`.

        Raises:
            PluginError: a value that could not work later.
        """
        needs = Needs() if needs is None else needs
        check_words(name, implementation, summary, licence)
        self._check_config(name, config, "config")
        check_needs(name, needs)
        if training is not None:
            if self.kind != "teacher":
                raise PluginError(f"register({name!r}): training is for teachers only, this is a {self.kind}")
            self._check_config(name, training, "training")
        self._check_place(name, after, every_run)
        if any(record.name == name for record in self.records):
            raise PluginError(f"register({name!r}): registered twice by the same package")
        self.records.append(
            PluginRecord(
                self.kind, name, summary, config, implementation, needs, licence, bool(images_leave_machine), training,
                after, bool(every_run), self.package, self.version,
            )
        )  # fmt: skip

    def _check_place(self, name: str, after: object, every_run: bool) -> None:
        if self.kind != "stage":
            if after != LAST_STAGE or every_run:
                raise PluginError(f"register({name!r}): after and every_run are for stages, this is a {self.kind}")
            return
        if name in CORE_STAGES:
            raise PluginError(f"register({name!r}): every run has a stage of that name; choose another")
        if not isinstance(after, str) or not _NAME.fullmatch(after):
            raise PluginError(f"register({name!r}): after must name a stage, such as export, got {after!r}")

    def _check_config(self, name: str, model: Any, argument: str) -> None:
        if not isinstance(model, type) or not issubclass(model, Config):
            raise PluginError(f"register({name!r}): {argument} must be a class derived from gdp.Config, got {model!r}")
        if model.model_config.get("extra") != "forbid":
            raise PluginError(f"register({name!r}): {model.__name__} must keep extra='forbid', or typing errors pass")
        if argument == "config":
            keys = {field.alias or field_name for field_name, field in model.model_fields.items()}
            taken = sorted(keys & SECTION_MODELS[self.kind].model_fields.keys())
            if taken:
                raise PluginError(
                    f"register({name!r}): {model.__name__} has {', '.join(taken)}, which every {self.kind} section "
                    f"already has; rename it"
                )
        if self.package != DISTRIBUTION:
            # Pydantic would find fault with it when a recipe is read; here the whole package is left out, with the
            # reason. The built-in models are built by the tests, and else when they are used.
            model.model_rebuild()


def check_words(name: object, implementation: object, summary: object, licence: object) -> None:
    """Check the words of a registration.

    Raises:
        PluginError: one could not work later.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"register({name!r}): a name is lower-case words joined by hyphens, such as face-attributes")
    if not isinstance(implementation, str) or not _IMPLEMENTATION.fullmatch(implementation):
        raise PluginError(
            f"register({name!r}): implementation must be text such as my_package.filter:MyFilter, "
            f"got {implementation!r}"
        )
    for word, value in (("summary", summary), ("licence", licence)):
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise PluginError(f"register({name!r}): {word} must be one line of text, got {value!r}")


def check_needs(name: str, needs: object) -> None:
    """Check what a registration says that it needs.

    Raises:
        PluginError: it is no `gdp.Needs`.
    """
    if not isinstance(needs, Needs):
        raise PluginError(f"register({name!r}): needs must be gdp.Needs(...), got {type(needs).__name__}")
