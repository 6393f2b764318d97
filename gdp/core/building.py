"""Building plugins: the one function that imports an implementation, constructs it, and blames the right one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gdp.core.config import Config
from gdp.core.errors import GdpError, PluginError
from gdp.core.progress import Stopped
from gdp.core.records import PlainRecord, PluginRecord, Plugins


def describe_plugin(record: PluginRecord | PlainRecord) -> str:
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


@contextmanager
def plugin_errors(where: str, passing: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Name the plugin in whatever goes wrong inside it, so that a user knows whom to ask.

    Args:
        where: what the error calls the plugin, as `describe_plugin` does.
        passing: further exceptions that are no fault of the plugin.

    Raises:
        PluginError: the plugin raised something that is no GdpError, be it SystemExit or a panic of a foreign library;
            the original is its cause.
    """
    try:
        yield
    except (GdpError, Stopped, KeyboardInterrupt, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        if isinstance(error, passing):
            raise
        raise PluginError(
            f"{where}: failed with {type(error).__name__}: {error}. This is a fault of the plugin or of its settings; "
            f"run again with GDP_TRACEBACK=1 to see where."
        ) from error
