"""Commands that lack one property each, and a sound one."""

from pathlib import Path
from typing import Annotated

import typer

import gdp

Run = Annotated[Path, typer.Argument(help="The run folder.")]
NAMES = ("sound-command", "without-docstring", "unexplained", "misunderstood", "without-example")


@gdp.hookimpl
def gdp_register_commands(register):
    for name in NAMES:
        implementation = f"wrong_commands:{name.replace('-', '_')}"
        register(name, implementation=implementation, summary="Does something for a test")
    register("heavy-command", implementation="torch.hub:list", summary="Does something for a test")
    register("asynchronous", implementation="wrong_commands:asynchronous", summary="Does something for a test")


def sound_command(run: Run):
    """Do something.

    Example: gdp sound-command runs/faces
    """


def without_docstring(run: Run):
    pass


def unexplained(run: Path, twice: bool = False):
    """Do something.

    Example: gdp unexplained runs/faces
    """


def misunderstood(run: "Nowhere"):  # noqa: F821 # no such type
    """Do something.

    Example: gdp misunderstood runs/faces
    """


def without_example(run: Run):
    """Do something."""


async def asynchronous(run: Run):
    """Do something.

    Example: gdp asynchronous runs/faces
    """
