"""Settings that stand outside a recipe, read by the model of the plugin that they are for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gdp.core.building import describe_plugin, plugin_errors
from gdp.core.config import Config
from gdp.core.errors import PluginError
from gdp.core.recipe.messages import explain
from gdp.core.recipe.text import format_path
from gdp.core.records import PluginRecord

_IS_VERSION = re.compile(r"[0-9][\w.+!-]*")


def settings_of(
    record: PluginRecord, settings: Mapping[str, Any], place: str = "", versions: Mapping[str, Any] | None = None
) -> Config:
    """Validate settings that stand outside a recipe (a student's card, `--set engine...`) by a plugin's model.

    Args:
        record: of the plugin.
        settings: by the model's field names or aliases.
        place: the file that holds them, for the error.
        versions: package to version, of what wrote them; where the plugin's is another now, the plugin migrates them.

    Raises:
        PluginError: the plugin that is installed does not take them, or fails to migrate them.
    """
    versions = versions or {}
    wrote = str(versions.get(record.package) or versions.get(Path(record.package).name) or record.version)
    where = f"{f'{place}: ' if place else ''}{describe_plugin(record)}"
    if wrote != record.version:
        with plugin_errors(f"{where}: migrate_settings"):
            settings = dict(record.config.migrate_settings(dict(settings), wrote))
    try:
        return record.config.model_validate(dict(settings))
    except ValidationError as error:
        mistakes = [
            f"{format_path(path) or 'settings'}: {said}" for path, said in explain(error, record.config, settings)
        ]
        raise PluginError(
            f"{where}, version {record.version or 'unknown'}, does not take these settings: {'; '.join(mistakes)}"
            f"{_other_version(record, wrote)}"
        ) from error


def _other_version(record: PluginRecord, wrote: str) -> str:
    """Say which version of the package takes settings that another one wrote, and what installs it."""
    if wrote == record.version:
        return ""
    if not _IS_VERSION.fullmatch(wrote):  # of a plugin of one file a hash
        return f". They were written by {wrote[:24]} of it: take that file, or mend the settings"
    return (
        f". They were written by version {wrote}, so that will take them: pip install '{record.package}=={wrote}'; "
        f"or ask the plugin's author for migrate_settings"
    )
