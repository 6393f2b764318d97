"""Signals end the work whatever a library makes of the exception that they become."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from gdp.console import Terminated, end_on_signal

KINDS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """Python's own: libraries that other tests have imported may have left theirs."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


@pytest.mark.parametrize("number", list(KINDS))
def test_where_a_library_swallows_it_the_work_still_ends_as_interrupted(number: signal.Signals) -> None:
    went_on = False
    with pytest.raises(KINDS[number]), end_on_signal():
        try:
            signal.raise_signal(number)
        except BaseException:  # noqa: BLE001 # as such a library does
            went_on = True
    assert went_on


@pytest.mark.parametrize("number", list(KINDS))
def test_where_a_library_takes_it_for_a_fault_of_its_own_it_is_none(number: signal.Signals) -> None:
    with pytest.raises(KINDS[number]), end_on_signal():
        try:
            signal.raise_signal(number)
        except BaseException as error:
            raise RuntimeError("error in LoadLibrary") from error


def test_work_that_nobody_interrupts_ends_well() -> None:
    with end_on_signal():
        pass
