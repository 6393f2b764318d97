"""`--devices N` with processes that are no gdp: what the launcher does where they do not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gdp.core.errors import RankLostError
from gdp.tools.together import launching

pytestmark = pytest.mark.process


def let_processes_be(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the launcher start a shell script in place of gdp; it writes a file of its rank's name where it is ready."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\ncd {folder}\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(launching.sys, "executable", str(program))
    monkeypatch.setattr(launching, "_GRACE", 0.3)


DEAF = "trap '' INT TERM; touch $RANK; while :; do sleep 0.1; done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_second_signal_ends_processes_that_hang(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    let_processes_be(DEAF, tmp_path, monkeypatch)

    def interrupt() -> None:
        while not all((tmp_path / rank).exists() for rank in "01"):
            time.sleep(0.01)
        for _ in range(2):
            os.kill(os.getpid(), number)
            time.sleep(0.2)  # signals that come together are one

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert launching.launch(2, []) == 128 + number
    thread.join()
    assert "process 1, 2 did not answer" in capfd.readouterr().err


def test_a_process_that_hangs_after_another_has_lost_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_processes_be(f'if [ "$RANK" = 0 ]; then exit {launching.EXIT_LOST}; fi; {DEAF}', tmp_path, monkeypatch)
    with pytest.raises(RankLostError, match="process 2 did not answer, and the 2 processes"):
        launching.launch(2, [])


def test_ctrl_c_while_the_processes_are_started_reaches_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_processes_be("trap 'exit 130' INT; while :; do sleep 0.1; done", tmp_path, monkeypatch)
    popen, started = launching.subprocess.Popen, []

    def interrupted(*arguments: Any, **named: Any) -> subprocess.Popen[bytes]:
        if started:
            os.kill(os.getpid(), signal.SIGINT)
        started.append(popen(*arguments, **named))
        return started[-1]

    monkeypatch.setattr(launching.subprocess, "Popen", interrupted)
    assert launching.launch(2, []) == 128 + signal.SIGINT
    assert [process.returncode for process in started] in ([130, 130], [130, -2], [-2, 130], [-2, -2])
