"""The commands of the command line: the built-in ones found without a look at plugins, and a record made a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any

from gdp.core.building import describe_plugin, plugin_errors
from gdp.core.records import DISTRIBUTION, PlainRecord
from gdp.registry.candidates import built_in
from gdp.registry.collecting import run_registration
from gdp.registry.hook_checks import find_hooks
from gdp.registry.implementations import load_implementation


@cache
def built_in_commands() -> Mapping[str, PlainRecord]:
    """Return the built-in commands by name, in the order of the help; no plugin is looked for and none imported."""
    candidate = built_in("commands")
    hooks, _ = find_hooks(candidate.load())
    records = [record for hook in hooks for record in run_registration(candidate, hook)]
    return {record.name: record for record in records if isinstance(record, PlainRecord)}


def build_command(record: PlainRecord) -> Any:
    """Import a command's function, or its `typer.Typer` of several, and return it as typer's command.

    Whatever a third party's functions raise is told as a fault of its package, unless it is a `GdpError` or one of
    typer's own exceptions (`typer.Exit`, `typer.BadParameter`); SystemExit passes, too.

    Raises:
        PluginError: it cannot be imported, is neither, or has parameters that typer does not understand.
    """
    import typer

    function = load_implementation(record)
    where = describe_plugin(record)
    own = record.package == DISTRIBUTION
    if isinstance(function, typer.Typer):
        with plugin_errors(where):
            group = typer.main.get_group(function)
        group.name = record.name
        for command in () if own else (group, *group.commands.values()):
            command.callback = command.callback and _blamed(command.callback, where)
        return group
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    text = inspect.getdoc(function) or record.summary
    app.command(record.name, help=text)(function if own else _blamed(function, where))
    with plugin_errors(where):
        return typer.main.get_command(app)


def _blamed(function: Callable[..., Any], where: str) -> Callable[..., Any]:
    import typer

    # Typer's usage errors have a common base that it gives no public name in every version.
    usage = typer.BadParameter.__mro__[typer.BadParameter.__mro__.index(Exception) - 1]

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        with plugin_errors(where, passing=(usage, typer.Exit, typer.Abort, SystemExit, BrokenPipeError)):
            return function(*arguments, **options)

    return call
