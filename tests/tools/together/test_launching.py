"""`--devices N` with processes that are no gdp: what the launcher does where they do not answer."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gdp.tools.together.launching import EXIT_LOST

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")]

LAUNCHER = """
import os, signal, subprocess, sys
from gdp.core.errors import RankLostError
from gdp.tools.together import launching

program, when = sys.argv[1:]
popen, started = subprocess.Popen, []

def interrupted(*arguments, **named):
    if started:
        os.kill(os.getpid(), signal.SIGINT)
    started.append(popen(*arguments, **named))
    return started[-1]

launching.sys.executable, launching._GRACE = program, 0.3
if when == "amid the start":
    launching.subprocess.Popen = interrupted
try:
    print(launching.launch(2, []), *(process.returncode for process in started))
except RankLostError as error:
    print(error)
"""
"""Launches two of a program in place of gdp, in a process of its own, which is what gets the signals."""
DEAF = "trap '' INT TERM; touch $RANK; while :; do sleep 0.1; done"


def launcher_of(script: str, folder: Path, when: str = "") -> subprocess.Popen[str]:
    """Start the launcher of a shell script, which writes a file of its rank's name where it is ready."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\ncd {folder}\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, "-c", LAUNCHER, str(program), when]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_processes_that_hang(number: signal.Signals, tmp_path: Path) -> None:
    with launcher_of(DEAF, tmp_path) as launcher:
        while not all((tmp_path / rank).exists() for rank in "01"):
            assert launcher.poll() is None
            time.sleep(0.01)
        for _ in range(2):
            launcher.send_signal(number)
            time.sleep(0.2)  # signals that come together are one
        output, errors = launcher.communicate(timeout=60)
    assert output == f"{128 + number}\n"
    assert "process 1, 2 did not answer" in errors


def test_a_process_that_hangs_after_another_has_lost_it_is_named(tmp_path: Path) -> None:
    with launcher_of(f'if [ "$RANK" = 0 ]; then exit {EXIT_LOST}; fi; {DEAF}', tmp_path) as launcher:
        output, _ = launcher.communicate(timeout=60)
    assert "process 2 did not answer, and the 2 processes" in output


def test_ctrl_c_while_the_processes_are_started_reaches_all(tmp_path: Path) -> None:
    loop = "trap 'exit 130' INT; while :; do sleep 0.1; done"
    with launcher_of(loop, tmp_path, "amid the start") as launcher:
        output, _ = launcher.communicate(timeout=60)
    code, *others = map(int, output.split())
    assert code == 128 + signal.SIGINT
    assert len(others) == 2
    assert set(others) <= {130, -signal.SIGINT}
