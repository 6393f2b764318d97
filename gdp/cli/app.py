"""The app: the options that all commands share, and the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gdp.cli import (
    apply,
    azure_face_emulator,
    bench,
    convert,
    describe,
    estimate,
    export,
    fetch_data,
    filter,
    find_direction,
    list_plugins,
    new_plugin,
    pairs,
    prune,
    push,
    report,
    run,
    runs,
    schema,
    validate,
)
from gdp.cli.common import GdpGroup, State

app = typer.Typer(
    cls=GdpGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # recipes' [sections] in help texts are no markup
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and so could show keys
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from gdp.registry.candidates import own_version

        typer.echo(f"gdp {own_version()}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    no_plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--no-plugin",
            metavar="NAME",
            help="Leave a plugin out, by its own name or its entry point's. Repeatable; may follow the command.",
        ),
    ] = None,
    plugins_dir: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugins-dir",
            metavar="DIR",
            help="Take every .py file of a folder for a plugin; in place of $GDP_PLUGINS_DIR. Repeatable; may follow "
            "the command.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Turn a slow or heavy GAN system into a small, fast, feed-forward network.

    Example: gdp run recipes/stylegan_age.toml
    """
    run.prepare_processor()
    context.obj = State(frozenset(no_plugin or ()), tuple(plugins_dir) if plugins_dir else None)


for command in (
    run,
    estimate,
    filter,
    pairs,
    prune,
    export,
    push,
    apply,
    bench,
    find_direction,
    fetch_data,
    convert,
    list_plugins,
    describe,
    new_plugin,
    schema,
    validate,
    runs,
    report,
    azure_face_emulator,
):
    command.register(app)
