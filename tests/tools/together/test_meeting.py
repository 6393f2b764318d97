"""Processes of one command that wait for each other: they say for whom, can be stopped, and do not wait for ever."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from forked import GdpProcess, processes
from tiny_translation import make_tiny_teacher_recipe
from torch.distributed import TCPStore

from gdp.cli.common import EXIT_INTERRUPTED, EXIT_TERMINATED
from gdp.core.errors import RankLostError
from gdp.tools.together import meeting
from gdp.tools.together.places import Place

pytestmark = pytest.mark.process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def meet_the_others(rank: int, port: int, folder: Path, patience: float) -> None:
    """Write down what is told, and how the waiting for two others ends."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    meeting._SILENT = meeting._SAID_AGAIN = 0.2
    meeting.PATIENCE = timedelta(seconds=patience)
    told = (folder / f"rank {rank}").open("a", buffering=1)
    try:
        meeting.meet(Place(rank, 3, rank, 3), lambda: False, lambda line: told.write(f"{line}\n"))
        told.write("met\n")
        time.sleep(0.5 if rank == 0 else 0.0)  # the others still read from its store
    except RankLostError as error:
        told.write(f"lost: {error}\n")


def wait_for(file: Path, words: str) -> None:
    latest = time.monotonic() + 60
    while words not in (file.read_text() if file.exists() else ""):
        assert time.monotonic() < latest, file
        time.sleep(0.02)


def test_who_waits_says_for_whom_until_all_have_come(tmp_path: Path) -> None:
    port = free_port()
    first, second, third = (
        processes.Process(target=meet_the_others, args=(rank, port, tmp_path, 600.0)) for rank in range(3)
    )
    second.start()
    wait_for(tmp_path / "rank 1", f"waiting for rank 0 of 3 (they count from 0) at 127.0.0.1:{port}, up to 10 min;")
    first.start()
    wait_for(tmp_path / "rank 0", "waiting for rank 2 of 3 ")
    third.start()
    for process in (first, second, third):
        process.join()
        assert process.exitcode == 0
    assert [(tmp_path / f"rank {rank}").read_text().splitlines()[-1] for rank in range(3)] == ["met"] * 3


def test_who_has_waited_long_enough_says_what_to_do(tmp_path: Path) -> None:
    lonely = processes.Process(target=meet_the_others, args=(0, free_port(), tmp_path, 1.0))
    lonely.start()
    lonely.join()
    last = (tmp_path / "rank 0").read_text().splitlines()[-1]
    assert last.startswith("lost: waited 0.0167 min for rank 1, 2 of 3 ")
    assert "start the same torchrun command on every machine" in last
    assert "unset RANK to run alone" in last


def test_processes_that_torchrun_starts_anew_do_not_hear_what_was_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(agent.port))
    heard = []
    for attempt in "0", "0", "1":
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", attempt)
        store = meeting.meet(Place(1, 2, 1, 2), lambda: False, print)
        heard.append(store.check(["call-0"]))
        store.set("call-0", "")
    assert heard == [False, True, False]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, EXIT_TERMINATED), (signal.SIGINT, EXIT_INTERRUPTED)])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_ends_the_waiting_at_once(rank: int, number: signal.Signals, status: int, tmp_path: Path) -> None:
    recipe = make_tiny_teacher_recipe(tmp_path)
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # somebody listens and never answers
        port = deaf.getsockname()[1] if rank else free_port()
        place = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        waits = GdpProcess(["train-teacher", recipe.name, "--device", "cpu"], tmp_path, environment=place)
        if rank:
            deaf.settimeout(60)
            stack.enter_context(deaf.accept()[0])
        else:
            wait_until_heard(port)
        os.kill(waits.pid, number)
        waits.wait(30)
        hung = waits.runs()
        if hung:
            waits.kill()
        ended = waits.finish()
    assert not hung
    assert ended.returncode == status
    assert "run the same command again to go on" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()


def wait_until_heard(port: int) -> None:
    """Wait until somebody listens at a port."""
    latest = time.monotonic() + 60
    while time.monotonic() < latest:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(port)
