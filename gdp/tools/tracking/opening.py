"""Choosing trackers by name, with their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gdp.core.building import build, require_modules
from gdp.core.errors import PluginError, UsageError, named_by_option
from gdp.core.recipe.overrides import apply_overrides
from gdp.core.records import Plugins
from gdp.support.interfaces.trackers import Tracker
from gdp.support.settings import settings_of

Trackers = Sequence[str] | Mapping[str, Mapping[str, Any]]
"""Names, each as `--track` takes it (`mlflow:experiment=faces`); or names with their settings."""


def open_trackers(plugins: Plugins, wanted: Trackers) -> dict[str, Tracker]:
    """Build the trackers that are asked for, by name; nobody is told anything yet.

    Args:
        plugins: the registry.
        wanted: names, or names with settings.

    Raises:
        GdpError: there is none of that name, it lacks its modules, or the settings are not its own.
    """
    if isinstance(wanted, str):
        wanted = (wanted,)
    known = plugins.names("tracker")
    chosen = dict(wanted) if isinstance(wanted, Mapping) else dict(_read(written, known) for written in wanted)
    opened: dict[str, Tracker] = {}
    for name, settings in chosen.items():
        with named_by_option():
            record = plugins.get("tracker", name)
        require_modules([record])
        try:
            taken = settings_of(record, settings, "--track")
        except PluginError as error:
            raise UsageError(str(error)) from error
        opened[name] = build(plugins, record, taken, kind=Tracker)
    return opened


def _read(written: str, known: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Read `NAME` or `NAME:KEY=VALUE,KEY=VALUE`; a name of several packages is `PACKAGE:NAME`."""
    name, _, rest = written.partition(":")
    if name and rest and name not in known:
        own, _, further = rest.partition(":")
        name, rest = f"{name}:{own}", further
    settings: dict[str, Any] = {}
    _, mistakes = apply_overrides(settings, [part for part in rest.split(",") if part])
    if mistakes or not name:
        told = "; ".join(mistake.message for mistake in mistakes)
        raise UsageError(
            f"--track {written}: write NAME, or NAME:KEY=VALUE,KEY=VALUE, as mlflow:experiment=faces ({told})"
        )
    return name, settings
