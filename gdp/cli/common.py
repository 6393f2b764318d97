"""What all commands share: the registry, options, and how errors are shown."""

from __future__ import annotations

import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gdp.cli.completion import complete_device, complete_recipe, complete_run
from gdp.cli.machine_errors import error_of_the_machine
from gdp.console import encodable
from gdp.console.printing import rich_console
from gdp.console.signals import StopRequest, Terminated
from gdp.core.errors import GdpError
from gdp.core.memory import MemoryBound

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry

EXIT_STOPPED = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
EXIT_BROKEN_PIPE = 141
EXIT_CODES = (
    "Exit codes: 0 finished; 1 failed; 2 wrong usage or recipe; 3 stopped where it was told to (--until, a limit); "
    "130 interrupted by Ctrl-C, 143 by SIGTERM; 141 the reader of its output left."
)
TRACEBACK = "GDP_TRACEBACK"
"""Environment variable: 1 shows where in the code an error that a user can mend was raised."""

RecipeArgument = Annotated[
    Path,
    typer.Argument(
        help="The recipe: a TOML file, or a name that gdp recipes lists.",
        show_default=False,
        autocompletion=complete_recipe,
    ),
]
RunArgument = Annotated[
    Path,
    typer.Argument(
        help="The run folder, or the name of a run in runs/.", show_default=False, autocompletion=complete_run
    ),
]
NewestRunArgument = Annotated[
    Path | None,
    typer.Argument(
        help="The run folder, or the name of a run in runs/. Default: the newest there.",
        show_default=False,
        autocompletion=complete_run,
    ),
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", "-f", help="Run folder. Default: runs/<name of the recipe>.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, as train.steps=200. Repeatable."),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="AMOUNT",
        help="Memory for pictures in work, beside the networks, as 4GB. Default: a quarter of what is free.",
    ),
]
DeviceOption = Annotated[
    str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or cuda:1.", autocompletion=complete_device)
]


@dataclass(frozen=True)
class State:
    """The shared options, and what is made of them when a command first asks; `context.obj` of every command."""

    disabled: frozenset[str] = frozenset()
    plugins_folders: tuple[Path, ...] | None = None
    """Folders of plugins of one file; None leaves them to the environment."""

    @cached_property
    def registry(self) -> PluginRegistry:
        """The installed plugins and those of --plugins-dir, without those of --no-plugin."""
        from gdp.registry import PluginRegistry

        return PluginRegistry.discover(disabled=self.disabled, folders=self.plugins_folders)


def with_memory(overrides: list[str] | None, written: str | None) -> list[str]:
    """Return the settings of `--set`, and of `--memory`: a recipe's `[limits] memory`."""
    MemoryBound.written(written)
    return [*(overrides or ()), *([] if written is None else [f'limits.memory="{written}"'])]


def newest_if_none(run: Path | None, *, trained: bool = False) -> Path:
    """Return the run that was named; else the newest of `runs/`, which is told.

    Args:
        run: as the user named it, if so.
        trained: whether only those count that have a trained student.

    Raises:
        MissingResourceError: there is none.
    """
    if run is not None:
        return run
    from gdp.tools.watch import newest_run

    found = newest_run(Path("runs"), trained=trained).path
    print(encodable(f"the newest run: {short_path(found)}", sys.stderr.encoding), file=sys.stderr, flush=True)
    return found


def short_path(path: Path) -> str:
    """Return a path as the shorter of its absolute and its relative form."""
    try:
        return min((str(path), os.path.relpath(path)), key=len)
    except (OSError, ValueError):  # this folder was removed, or is on another drive
        return str(path)


def quoted_path(path: Path) -> str:
    """Return a path as it is given to a command in this folder."""
    return shlex.quote(short_path(path))


def with_short_paths(text: str) -> str:
    """Return text in which absolute paths below this folder are written as they are from here."""
    try:
        below = f"{Path.cwd()}{os.sep}"
    except OSError:  # the folder was removed
        return text
    return text if below == os.sep * 2 else re.sub(rf"(?<![\w/.~]){re.escape(below)}(?=[^\s/])", "", text)


def prepare_processor(keep_memory: bool = True) -> None:
    """Let idle threads sleep and memory be kept, in this process and in those that it starts; users' settings stay."""
    _let_threads_sleep()
    if keep_memory:
        _keep_memory()


def _let_threads_sleep() -> None:
    """Let OpenMP's threads look for work for a tenth of a millisecond, then sleep.

    Those of GNU's library, which torch has on Linux, spin for long, and beside a busy neighbour each waits for one that
    does not run; put to sleep at once they are slow to wake. On two cores, a training step of 8 pictures of 64 px took
    60 ms with long spins, 68 with these and 101 without, beside a busy process 255, 165 and 137; one picture through a
    small network 3.5, 4.8 and 9.5 ms, beside that process 14, 9 and 5.
    """
    if not os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        os.environ.update(OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="2000")


def _keep_memory() -> None:
    """Let GNU's allocator keep what is freed, where it is the system's; other systems' are left as they are.

    It gives large pieces back at once, and the next layer's features are again pages that the system must clear: two
    fifths of the time of a synthesis of 1024 px, a tenth at 64 px and of a training step (`bench/threads.py`). What is
    kept lies in pieces: photos take a quarter more of the memory.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    most_mappings, trim_threshold, largest = -4, -1, 2**31 - 1  # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h
    if mallopt(most_mappings, 0) and mallopt(trim_threshold, largest):
        os.environ.update(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_=str(largest))


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn errors into one paragraph and an exit code: gdp's, and what the machine says of a file, memory or torch.

    Any other exception is a bug and keeps its traceback.
    """
    try:
        try:
            yield
        except typer.Exit:
            sys.stdout.flush()  # what cannot be printed is told, however the command ends
            raise
        sys.stdout.flush()
    except GdpError as error:
        print_error(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt as interrupt:
        terminated = isinstance(interrupt, Terminated)
        by = " by SIGTERM" if terminated else ""
        what = "; ".join(getattr(interrupt, "__notes__", [])) or "run the same command again to go on"
        print(f"\nstopped{by}; {what}", file=sys.stderr)
        raise typer.Exit(EXIT_TERMINATED if terminated else EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(EXIT_BROKEN_PIPE) from None  # whoever read our output has left
    except Exception as error:
        told = error_of_the_machine(error)
        if told is None:
            raise
        told.__cause__ = error
        print_error(told)
        raise typer.Exit(told.exit_code) from None


@contextmanager
def keeps_nothing() -> Iterator[None]:
    """Let who interrupts a command be told that it begins anew; also a decorator."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note("nothing is kept of it, paid answers aside: the same command begins anew")
        raise


def end_unfinished(stop_requested: StopRequest) -> NoReturn:
    """End a command whose work was left unfinished because a signal, or else a limit or `--until`, said so.

    Raises:
        typer.Exit: always.
    """
    raise typer.Exit(stop_requested.exit_code if stop_requested() else EXIT_STOPPED)


def stopped_by(stop_requested: StopRequest, otherwise: str) -> str:
    """Return what stopped the work, for people and JSON: a signal's name, or what else can."""
    return otherwise if stop_requested.signal is None else stop_requested.signal.name


def print_error(error: GdpError) -> None:
    """Print an error's paragraph to standard error."""
    if os.environ.get(TRACEBACK, "") not in ("", "0"):
        traceback.print_exception(error)
    console = rich_console(sys.stderr)
    text = encodable(with_short_paths(str(error)), sys.stderr.encoding)
    if console is not None:
        console.print("error: ", style="bold red", end="", highlight=False)
        console.print(text, markup=False, highlight=False, soft_wrap=True)  # keeps file:line in one piece
    else:
        print(f"error: {text}", file=sys.stderr)  # no wrapping: logs and scripts read it
