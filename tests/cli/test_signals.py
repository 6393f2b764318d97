"""Signals end the work whatever a library makes of the exception that they become."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

SCRIPT = """
import signal, sys
from gdp.console.signals import end_on_signal

number, library = signal.Signals[sys.argv[1]], sys.argv[2]
try:
    with end_on_signal():
        try:
            if library != "quiet":
                signal.raise_signal(number)
        except BaseException as error:
            if library == "fails":
                raise RuntimeError("error in LoadLibrary") from error
            print("went on")
except BaseException as error:
    print(type(error).__name__)
"""
KINDS = {"SIGINT": "KeyboardInterrupt", "SIGTERM": "Terminated"}


def printed(number: str, library: str) -> list[str]:
    """Return what a process prints that is sent a signal while a library does something."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, number, library], capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize("number", KINDS)
def test_where_a_library_swallows_it_the_work_still_ends_as_interrupted(number: str) -> None:
    assert printed(number, "swallows") == ["went on", KINDS[number]]


@pytest.mark.parametrize("number", KINDS)
def test_where_a_library_takes_it_for_a_fault_of_its_own_it_is_none(number: str) -> None:
    assert printed(number, "fails") == [KINDS[number]]


def test_work_that_nobody_interrupts_ends_well() -> None:
    assert printed(signal.SIGINT.name, "quiet") == []
