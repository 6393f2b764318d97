"""Building plugins: the one function that imports an implementation, constructs it, and blames the right one.

What it returns answers through the door of `gdp.core.contracts`: whatever a plugin raises is told in its name, and what
it returns is held against its kind's contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from gdp.core.config import Config
from gdp.core.errors import (
    NAME_OF,
    NO_SPACE,
    BudgetError,
    DiskFullError,
    GdpError,
    MissingResourceError,
    PairStoreError,
    PluginError,
    ShapeError,
    UnpaidError,
    describe_exception,
)
from gdp.core.memory import is_out_of_memory
from gdp.core.progress import Stopped
from gdp.core.records import DISTRIBUTION, PlainRecord, PluginRecord, Plugins

if TYPE_CHECKING:
    from gdp.core.contracts.watching import Blame


def describe_plugin(record: PluginRecord | PlainRecord) -> str:
    """Return what errors call a plugin: `faces.toml:12: filter brightness (gdp-filter-brightness)`."""
    place = f"{record.place}: " if isinstance(record, PluginRecord) and record.place else ""
    return f"{place}{record.kind} {record.name} ({record.package or 'unknown package'})"


def name_of(plugin: object) -> str:
    """Return what errors call a plugin that `build` has made; of another object its class."""
    return str(getattr(plugin, NAME_OF, type(plugin).__name__))


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
            foresee. The same is raised by its methods from then on, and for answers that break its kind's contract.
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
    return construct(implementation, record, config, *surroundings)


def require_modules(records: Iterable[PluginRecord | PlainRecord]) -> None:
    """Refuse to begin with plugins whose modules are not installed: after hours of other work is too late.

    Raises:
        MissingResourceError: the message says which plugin needs what, and what installs it.
    """
    lacking = [
        f"{record.kind} {record.name} needs the Python module {module}, which is not installed: "
        f"{record.needs.how_to_install(module)}"
        for record in records
        for module in record.needs.missing_modules()
    ]
    if lacking:
        raise MissingResourceError("; ".join(lacking))


def construct(implementation: Any, record: PluginRecord, config: Config, *surroundings: Any) -> Any:
    """Construct a plugin of a class that is imported, so that it answers through the door.

    Raises:
        GdpError: as `build` does.
    """
    from gdp.core.contracts.watching import answering  # here: a light command, which builds nothing, does without

    where = describe_plugin(record)
    with blame_of(record)(where):
        # gdp's own stages are core's and the tools' code: what they do not foresee is a bug, and no plugin's fault.
        if record.kind == "stage" and record.package in ("", DISTRIBUTION):
            return implementation(config, *surroundings)
        return answering(implementation, where, blame_of(record))(config, *surroundings)


def class_of(plugins: Plugins, record: PluginRecord | PlainRecord) -> Any:
    """Import a plugin and return its class, whose class methods answer through the door, as do plugins made of it.

    Raises:
        PluginError: it cannot be imported, or is not of its kind.
    """
    from gdp.core.contracts.watching import answering

    return answering(plugins.load(record), describe_plugin(record), blame_of(record))


def blame_of(record: PluginRecord | PlainRecord) -> Blame:
    """Return what names a plugin in the errors that are raised inside; `plugin_errors` is told whose it is."""
    return partial(plugin_errors, foreign=record.package not in ("", DISTRIBUTION))


@contextmanager
def plugin_errors(
    where: str, passing: tuple[type[BaseException], ...] = (), *, foreign: bool = False
) -> Iterator[None]:
    """Name the plugin in whatever goes wrong inside it, so that a user knows whom to ask.

    What gdp refuses inside a plugin (pairs or verdicts that it put together wrongly) is told in its name, too.

    Args:
        where: what the error calls the plugin, as `describe_plugin` does.
        passing: further exceptions that are no fault of the plugin.
        foreign: whether it is a third party's, whose own words on what a user can mend need not say whose they are.

    Raises:
        PluginError: the plugin raised something that is no GdpError, be it SystemExit or a panic of a foreign library;
            the original is its cause.
    """
    try:
        yield
    except GdpError as error:
        is_answer = isinstance(error, BudgetError) and not isinstance(error, UnpaidError)
        if (foreign and not is_answer) or isinstance(error, ShapeError | PairStoreError):
            error.blame(where)
        raise
    except (Stopped, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, passing) or is_out_of_memory(error):
            raise
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise DiskFullError(
                f"{where}: no space left to write {error.filename or 'what it writes'} ({error.strerror}). Everything "
                f"written before is intact: free some space and run the same command again to go on."
            ) from error
        failed = PluginError(
            f"failed with {describe_exception(error)}. This is a fault of the plugin or of its settings; run again "
            f"with GDP_TRACEBACK=1 to see where."
        )
        failed.blame(where)
        raise failed from error
