"""Processes that a benchmark starts: Ctrl-C is the caller's to answer, who ends them with itself."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from gdp.core.errors import GdpError

PATIENCE = 10.0
"""Seconds that a process is given to end by itself."""

Result = TypeVar("Result")


def start(work: Callable[..., None], *arguments: Any) -> tuple[SpawnProcess, Connection]:
    """Start `work(end, *arguments)` in a fresh process, for a fork would inherit torch's threads and memory.

    A terminal sends Ctrl-C to all processes at once. It is held back in this one, from its first moment on.

    Returns:
        The process, and the caller's end of the pipe whose other end it has.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # inherited, and kept through its start
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return process, ours


def end(process: SpawnProcess, connection: Connection) -> None:
    """End a process, whatever it does."""
    connection.close()
    if process.is_alive():
        process.terminate()
        process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def in_a_process_of_its_own(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do something that takes much memory, which is free again afterwards.

    Raises:
        GdpError: what the work raised, in its words; or the process died.
    """
    process, connection = start(_answer, work, arguments)
    try:
        good, found = connection.recv()
    except (EOFError, OSError) as error:
        raise GdpError("the preparing process ended; there may be too little memory for it") from error
    finally:
        end(process, connection)
    if not good:
        raise GdpError(found)
    result: Result = found
    return result


def _answer(connection: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        found = True, work(*arguments)
    except GdpError as error:
        found = False, str(error)  # some of its kinds do not travel between processes
    try:
        connection.send(found)
    except BrokenPipeError:  # whoever asked has gone
        return
