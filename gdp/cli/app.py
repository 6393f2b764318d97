"""The app: the options that all commands share, and the commands, each imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from gdp import __version__
from gdp.cli.common import EXIT_CODES, State, prepare_processor, readable_errors
from gdp.cli.loading import telling_of_loading
from gdp.cli.streams import drop_closed_output, number_to_errors
from gdp.console.printing import json_alone
from gdp.console.signals import end_on_signal
from gdp.core.errors import GdpError, PluginNotFoundError
from gdp.core.records import DISTRIBUTION, PlainRecord
from gdp.plugins.commands import PURPOSES
from gdp.registry.commands import build_command, built_in_commands

_JSON = "gdp.cli.json"
_COMPLETES = "gdp.cli.completes"
_SHARED_OPTIONS = ("--no-plugin", "--plugins-dir")


class GdpGroup(TyperGroup):
    """Finds commands by their records, and tells gdp's errors as one paragraph and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let the shared options stand behind the command too, where people write them."""
        with readable_errors():
            arguments = name_defaults(hoist_shared_options(args))
            ctx.meta[_JSON] = _asks_for_json(arguments)
            if not _asks_for_output(arguments):
                drop_closed_output()
            return super().parse_args(ctx, arguments)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; under `--json` nothing else gets to standard output, whatever plugins and children print."""
        asked = ctx.meta.get(_JSON)
        numbered, alone = (number_to_errors(), json_alone()) if asked else (nullcontext(), nullcontext())
        with readable_errors(), end_on_signal(), telling_of_loading(), numbered, alone:
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, those of plugins included."""
        return [record.name for record in [*built_in_commands().values(), *_of_plugins(state_of(ctx))]]

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return what a shell completes behind `gdp`: names and summaries of commands; none of them is imported."""
        ctx.meta[_COMPLETES] = True
        try:
            return super().shell_complete(ctx, incomplete)
        except GdpError:  # of plugins; whoever types is told nothing between two words
            return []

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command and return it; a built-in one is found without asking which plugins there are."""
        state, built_in = state_of(ctx), built_in_commands().get(cmd_name)
        if ctx.meta.get(_COMPLETES):
            record = built_in or state.registry.get("command", cmd_name)
            return TyperCommand(record.name, short_help=record.summary)
        if built_in is not None and cmd_name not in state.disabled:
            return build_command(built_in)
        try:
            record = state.registry.get("command", cmd_name)
        except PluginNotFoundError as error:
            ctx.fail(str(error))
        return build_command(record)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List all commands with their summaries, and import none of them; help is there even if plugins fail."""
        commands = built_in_commands()
        width = max(map(len, commands))
        for purpose, names in PURPOSES.items():
            with formatter.section(purpose):
                formatter.write_dl([(name.ljust(width), commands[name].summary) for name in names])
        try:
            found = _of_plugins(state_of(ctx))
        except GdpError as error:
            with formatter.section("Commands of plugins cannot be shown"):
                formatter.write_text(str(error))
            return
        if found:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(record.name, f"{record.summary} ({_supplier(record)})") for record in found])


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Say whether a built-in command is asked for JSON; those of plugins print theirs as they like."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before and any(word in built_in_commands() for word in before)


_ANSWERING = {
    *("azure-face-emulator", "bench", "describe", "estimate", "find-direction", "list-plugins", "pairs", "runs"),
    *("compare", "recipes", "schema", "watch"),
}
"""Commands whose work is what they print, unless an option names a file for it; what doctor and validate find, their
exit codes tell, too."""
_INTO_FILES = {"--csv", "--sheet", "--output", "-o", "--strip", "--plot", "--html", "copy"}
_FOR_AN_ANSWER = {"--json", "--list", "--dry-run", "--help", "-h", "--version"}


def _asks_for_output(arguments: Sequence[str]) -> bool:
    """Say whether a command line asks for what is printed; others tell news of work that is done all the same."""
    options = {argument.partition("=")[0] for argument in arguments}
    if options & _FOR_AN_ANSWER:
        return True
    name = next((word for word in arguments if word in built_in_commands()), None)
    return name is None or (name in _ANSWERING and not options & _INTO_FILES)


def state_of(context: Any) -> State:
    """Return the state that a command's context carries; made when it is first asked for, of the shared options.

    A command is looked for before the app's own function has run, and `--help` before all options are read.
    """
    if not isinstance(context.obj, State):
        folders = [Path(folder) for folder in context.params.get("plugins_dir") or ()]
        context.obj = State(frozenset(context.params.get("no_plugin") or ()), tuple(folders) if folders else None)
    return context.obj


def _of_plugins(state: State) -> list[PlainRecord]:
    return [record for record in state.registry.records("command") if record.package != DISTRIBUTION]


def _supplier(record: PlainRecord) -> str:
    return Path(record.package).name  # of a plugin of one file the file, without its folder


def hoist_shared_options(arguments: Sequence[str]) -> list[str]:
    """Move every `--no-plugin NAME` and `--plugins-dir DIR` that stands before a `--` to the front."""
    hoisted: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument in _SHARED_OPTIONS:
            hoisted += [argument, *([value] if (value := next(rest, None)) is not None else [])]
        elif argument.startswith(tuple(f"{option}=" for option in _SHARED_OPTIONS)):
            hoisted.append(argument)
        else:
            others.append(argument)
    return [*hoisted, *others]


_MAY_STAND_ALONE = {("apply", "--align"): "auto"}
"""Options of built-in commands that need no value, which typer cannot say, and what is meant then."""


def name_defaults(arguments: Sequence[str]) -> list[str]:
    """Give options that may stand alone their value where they do: last, or before another option or what is worked on.

    Args:
        arguments: the shared options first, as `hoist_shared_options` leaves them.
    """
    words = [word for number, word in enumerate(arguments) if arguments[number - 1 : number] not in _TAKING]
    command = next((word for word in words if not word.startswith("-")), "")
    named: list[str] = []
    for number, argument in enumerate(arguments):
        named.append(argument)
        value = _MAY_STAND_ALONE.get((command, argument))
        if value is not None and _stands_alone(arguments[number + 1 :]):
            named.append(value)
    return named


_TAKING = [[option] for option in _SHARED_OPTIONS]


def _stands_alone(rest: Sequence[str]) -> bool:
    """Say whether what follows an option is no value of it: nothing, an option, or pictures, videos and folders."""
    if not rest or rest[0].startswith("-"):
        return True
    from gdp.support.picture_finding import is_picture_or_video

    path = Path(rest[0])
    return is_picture_or_video(path) or (bool(rest[0]) and path.expanduser().is_dir())


WIDEST_HELP = 160
"""Columns; help is as wide as the terminal up to there, for longer lines are hard to read."""

app = typer.Typer(
    cls=GdpGroup,
    no_args_is_help=True,
    rich_markup_mode=None,  # recipes' [sections] in help texts are no markup
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and so could show keys
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST_HELP},
    epilog=EXIT_CODES,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gdp {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    no_plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--no-plugin",
            metavar="NAME",
            is_eager=True,  # known before --help is shown
            help="Leave a plugin out, by its own name or its entry point's. Repeatable; may follow the command.",
        ),
    ] = None,
    plugins_dir: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugins-dir",
            metavar="DIR",
            is_eager=True,
            help="Take every .py file of a folder for a plugin; in place of $GDP_PLUGINS_DIR. Repeatable; may follow "
            "the command.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Turn a slow or heavy GAN system into a small, fast, feed-forward network.

    Example: gdp run stylegan-age
    """
    # apply promises to take little memory, and bench tells what it takes.
    prepare_processor(keep_memory=context.invoked_subcommand not in ("apply", "bench"))
