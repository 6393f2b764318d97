"""`--devices N`: start the command N times, pass signals on, and end all where one ends. Imports no torch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import IO

from gdp.console.printing import json_number
from gdp.core.errors import RankLostError
from gdp.tools.together.places import LAUNCHED

EXIT_LOST = 75
"""What a started process ends with where it has only lost another: which one, the launcher tells."""
_GRACE = 5.0
"""Seconds that the others have to end by themselves when one has ended, or all when they are to end at once."""
_POLL = 0.05
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class _Rank:
    number: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes] | None
    """What it writes to standard error; rank 0 writes to ours."""

    @property
    def status(self) -> int | None:
        return self.process.poll()

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


def launch(world: int, arguments: Sequence[str]) -> int:
    """Run `gdp ARGUMENTS` in `world` processes of this machine to the end, and return the exit code.

    Args:
        world: how many.
        arguments: of the command line.

    Raises:
        RankLostError: one of them was killed; all others have ended.
    """
    with ExitStack() as stack:
        errors = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(1, world)]
        ranks: list[_Rank] = []
        stack.callback(_kill, ranks)
        with _signals_passed_on(ranks) as signals:
            for rank in _start(arguments, [None, *errors]):
                ranks.append(rank)
                if signals:  # which came while it was started
                    rank.send(signals[-1])
            _wait(ranks, signals)
        return _exit_code(ranks, signals)


def _start(arguments: Sequence[str], errors: Sequence[IO[bytes] | None]) -> Iterator[_Rank]:
    """Start a process for each of the files that standard error goes to; None is ours."""
    shared = {
        "WORLD_SIZE": str(len(errors)),
        "LOCAL_WORLD_SIZE": str(len(errors)),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        LAUNCHED: "1",
    }
    if sys.platform == "linux":
        shared["GLOO_SOCKET_IFNAME"] = "lo"  # nobody outside is to connect
    for number, file in enumerate(errors):
        process = subprocess.Popen(  # noqa: S603 # this very program, with the arguments that it was called with
            [sys.executable, "-m", "gdp", *arguments],
            env={**os.environ, **shared, "RANK": str(number), "LOCAL_RANK": str(number)},
            stdin=subprocess.PIPE,  # which ends when this process does, however that is
            stdout=subprocess.DEVNULL if number else json_number(),
            stderr=file,
            start_new_session=True,  # Ctrl-C comes to this process alone, which passes it on once
        )
        yield _Rank(number, process, file)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _signals_passed_on(ranks: Sequence[_Rank]) -> Iterator[Sequence[int]]:
    """Pass Ctrl-C and SIGTERM on to all, and yield which have come so far."""
    signals: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        for rank in ranks:
            rank.send(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(ranks: Sequence[_Rank], signals: Sequence[int]) -> None:
    """Wait until rank 0, a failure or a second signal ends the work, and then a little for the others.

    The first signal stops them at the next safe point. Who waits for a process that hangs never comes to one.
    """
    while ranks[0].status is None and not any(rank.status for rank in ranks) and len(signals) < 2:
        time.sleep(_POLL)
    latest = time.monotonic() + _GRACE
    while any(rank.status is None for rank in ranks) and time.monotonic() < latest:
        time.sleep(_POLL)


def _kill(ranks: Sequence[_Rank]) -> None:
    for rank in ranks:
        if rank.status is None:
            rank.process.kill()
        rank.process.wait()
        if rank.process.stdin is not None:
            rank.process.stdin.close()


def _exit_code(ranks: Sequence[_Rank], signals: Sequence[int]) -> int:
    """Return rank 0's exit code; tell of another process's failure where that ended the work.

    Raises:
        RankLostError: one was killed.
    """
    first, others = ranks[0].status, [(rank, rank.status) for rank in ranks[1:]]
    if first is not None and first >= 0 and first != EXIT_LOST:
        return first  # it has told what there is to tell
    for rank, status in [(ranks[0], first), *others]:
        if status is not None and -status in signals:
            return 128 - status  # it came before Python could answer; as shells tell of a signal
        if status is not None and status < 0:
            raise RankLostError(_told_of_killed(len(ranks), rank.number, signal.Signals(-status)))
    for rank, status in others:
        if status not in (None, 0, EXIT_LOST) and rank.errors is not None:
            rank.errors.seek(0)
            sys.stderr.write(rank.errors.read().decode(errors="backslashreplace"))
            return status
    silent = ", ".join(str(rank.number + 1) for rank in ranks if rank.status is None)
    if len(signals) > 1:
        who = f" (process {silent} did not answer)" if silent else ""
        sys.stderr.write(f"\nstopped at once{who}; run the same command again to go on\n")
        return 128 + signals[0]
    who = f"process {silent} did not answer, and the" if silent else "the"
    raise RankLostError(f"{who} {len(ranks)} processes of this command could not reach each other any more. {_KEPT}")


_KEPT = (
    "What was trained is kept as far as the last checkpoint: the same command goes on from there, on any number of "
    "devices."
)


def _told_of_killed(world: int, rank: int, by: signal.Signals) -> str:
    memory = " If nobody did that, the memory was full: lower train.batch." * (by == signal.SIGKILL)
    return f"process {rank + 1} of {world} was ended by {by.name}, and so the others were ended, too.{memory} {_KEPT}"
