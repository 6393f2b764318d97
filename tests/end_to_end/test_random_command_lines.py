"""Whatever is typed: no traceback, a documented exit code, and JSON alone where JSON was asked for."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest
from command_lines import command_lines
from hypothesis import HealthCheck, Phase, given, settings

from gdp.cli.app import app

DOCUMENTED = {0, 1, 2, 3, 130, 141, 143}
PATIENCE = 6.0
"""Seconds after which a line is interrupted, as by Ctrl-C; and every second once more."""


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    exit_code: int
    output: str
    errors: str
    exception: BaseException | None


def run(line: list[str]) -> Ended:
    """Run a command line with the streams that `gdp` has: what cannot be encoded is escaped."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True) for _ in range(2)]
    code, exception = 0, None
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            app(line, prog_name="gdp")
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException as error:  # noqa: BLE001 # whatever it is, it is a fault
            code, exception = -1, error
    output, errors = (stream.buffer.getvalue().decode() for stream in streams)
    return Ended(code, output, errors, exception)


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Press Ctrl-C after so many seconds, and every second from then on."""

    def press(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    handlers = {signal.SIGALRM: press, signal.SIGINT: signal.default_int_handler}  # a job in the background has none
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


def end_of(line: list[str], world: Path, folder: Path) -> Ended:
    """Run a command line in a copy of the world, two folders deep, so that what it writes above is ours, too."""
    copy = folder / "deep" / "world"
    shutil.copytree(world, copy, symlinks=True)
    try:
        with contextlib.chdir(copy), pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(copy / "folder"))
            patch.setenv("npm_config_registry", "http://127.0.0.1:9")  # nothing is downloaded for gdp demo
            patch.setattr("webbrowser.open", lambda *_: True)
            with interrupted_after(PATIENCE):
                return run(line)
    finally:
        shutil.rmtree(folder / "deep")


def fault_of(line: list[str], ended: Ended) -> str | None:
    """Return what is wrong with how a command line ended."""
    if ended.exception is not None:
        return f"{type(ended.exception).__name__}: {ended.exception}"
    if ended.exit_code not in DOCUMENTED:
        return f"exit code {ended.exit_code}"
    if "Traceback" in ended.output + ended.errors:
        return f"a traceback is printed: {ended.errors[-1000:]}"
    if ended.exit_code in (1, 2) and not ended.output + ended.errors:
        return "it failed without a word"
    if "--json" in line and not {"--help", "-h"} & set(line) and ended.output:
        try:
            json.loads(ended.output)
        except ValueError:
            return f"no JSON: {ended.output[:100]!r}"
    return None


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.soak)])
def test_whatever_is_typed_ends_in_words(count: int, lines_world: Path, tmp_path: Path) -> None:
    worked = []

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(line=command_lines())
    def holds(line: list[str]) -> None:
        ended = end_of(line, lines_world, tmp_path)
        worked.append(ended.exit_code in (0, 3, 130) and "--help" not in line)
        assert fault_of(line, ended) is None

    holds()
    assert sum(worked) > len(worked) / 3, "too few lines reach real work for this to show anything"
