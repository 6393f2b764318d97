"""Building plugins: the one function that imports an implementation, constructs it, and blames the right one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from gdp.core.config import Config
from gdp.core.errors import GdpError, PluginError
from gdp.core.progress import Stopped
from gdp.core.records import ConverterRecord, PluginRecord, Plugins


def describe_plugin(record: PluginRecord | ConverterRecord) -> str:
    """Return what errors call a plugin: `filter brightness (gdp-filter-brightness)`."""
    return f"{record.kind} {record.name} ({record.package or 'unknown package'})"


def build(
    plugins: Plugins,
    record: PluginRecord,
    config: Config,
    *surroundings: Any,
    kind: type[Any] | tuple[type[Any], ...],
    wanted: str = "",
) -> Any:
    """Import a plugin and construct it with its settings and surroundings.

    Args:
        plugins: the registry.
        record: of the plugin.
        config: its settings, an instance of `record.config`.
        surroundings: what its kind's constructor takes beside the settings, such as a `BuildContext`.
        kind: the interface that it has to derive from, or several of which one will do.
        wanted: what the error says where it does not; empty for the words about its kind.

    Raises:
        GdpError: what the plugin itself says is wrong.
        PluginError: it cannot be imported, is not of that kind, or its constructor failed in a way that it did not
            foresee.
    """
    where = describe_plugin(record)
    implementation = plugins.load(record)
    if not (isinstance(implementation, type) and issubclass(implementation, kind)):
        raise PluginError(
            f"{where}: "
            + (
                wanted
                or f"{record.implementation} is no {record.kind}. Its class must derive from the interface of its kind "
                f"in gdp; tell the plugin's author."
            )
        )
    with plugin_errors(where):
        return implementation(config, *surroundings)


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


@contextmanager
def plugin_errors(where: str) -> Iterator[None]:
    """Name the plugin in whatever goes wrong inside it, so that a user knows whom to ask.

    Args:
        where: what the error calls the plugin, as `describe_plugin` does.

    Raises:
        PluginError: the plugin raised something that is no GdpError, be it SystemExit or a panic of a foreign library;
            the original is its cause.
    """
    try:
        yield
    except (GdpError, Stopped, KeyboardInterrupt, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise PluginError(
            f"{where}: failed with {type(error).__name__}: {error}. This is a fault of the plugin or of its settings; "
            f"run again with GDP_TRACEBACK=1 to see where."
        ) from error
