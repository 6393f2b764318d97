"""The memory of a process."""

from __future__ import annotations

import sys

import pytest

from gdp.support.measuring import forget_peak, peak_bytes, present_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell less")
BLOCK = 200 * 2**20


def test_the_peak_outlives_what_made_it_and_can_be_forgotten() -> None:
    before = present_bytes()
    assert before is not None
    block = bytearray(BLOCK)
    block[::4096] = b"\1" * len(block[::4096])
    del block
    peak = peak_bytes()
    assert peak is not None
    assert peak >= before + BLOCK * 0.9
    if forget_peak():
        fresh = peak_bytes()
        assert fresh is not None
        assert fresh < peak
