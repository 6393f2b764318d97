"""Settings that stand outside a recipe, read by the model of the plugin that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gdp.core.building import describe_plugin
from gdp.core.config import Config
from gdp.core.errors import PluginError
from gdp.core.records import PluginRecord


def settings_of(record: PluginRecord, settings: Mapping[str, Any], place: str = "") -> Config:
    """Validate settings that stand outside a recipe (a student's card, `--set engine...`) by a plugin's model.

    Args:
        record: of the plugin.
        settings: by the model's field names or aliases.
        place: the file that holds them, for the error.

    Raises:
        PluginError: the plugin that is installed does not take them.
    """
    try:
        return record.config.model_validate(dict(settings))
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}" for each in error.errors()]
        who = f"{describe_plugin(record)}, version {record.version or 'unknown'}"
        raise PluginError(
            f"{f'{place}: ' if place else ''}{who}, does not take these settings: {'; '.join(mistakes)}"
        ) from error
