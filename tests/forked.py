"""Processes of gdp that can be killed: forked from one that has imported torch, which takes seconds each time."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

processes = multiprocessing.get_context("forkserver")
"""Torch computes nothing in the process that forks, so that its forks are sound."""
processes.set_forkserver_preload(["torch", "torchmetrics", "matplotlib.figure", "gdp.api", "gdp.cli.app"])


class GdpProcess:
    """`gdp ARGUMENTS`, in a folder, with more places to search for modules and more variables of the environment."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        folder: Path,
        search: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self._streams = tempfile.TemporaryDirectory()
        self._output, self._errors = (Path(self._streams.name) / name for name in ("output", "errors"))
        surroundings = {"folder": str(folder), "search": [str(path) for path in search]}
        self._process = processes.Process(
            target=_run, args=(self.arguments, self._output, self._errors, dict(environment or {})), kwargs=surroundings
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Its number, by which it can be watched or sent a signal."""
        assert self._process.pid is not None
        return self._process.pid

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for its end, but no longer than so many seconds."""
        self._process.join(seconds)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def finish(self) -> CompletedProcess[str]:
        """Wait for its end; return its exit status, negative for a signal, and what it printed."""
        self._process.join()
        status = self._process.exitcode
        assert status is not None
        printed = [path.read_text() if path.exists() else "" for path in (self._output, self._errors)]
        self._process.close()
        self._streams.cleanup()
        return CompletedProcess(self.arguments, status, *printed)


def _run(
    arguments: list[str], output: Path, errors: Path, environment: Mapping[str, str], folder: str, search: list[str]
) -> None:
    for path, stream in ((output, sys.stdout), (errors, sys.stderr)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update(environment)
    sys.path[:0] = search
    os.chdir(folder)
    sys.argv = ["gdp", *arguments]

    from gdp.cli import main

    main()


def run_forked(
    arguments: Sequence[str | Path],
    folder: Path,
    search: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
) -> CompletedProcess[str]:
    """Run `gdp ARGUMENTS` in a process of its own to its end, whatever that is."""
    return GdpProcess(arguments, folder, search, environment).finish()
