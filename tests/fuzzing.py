"""Fuzzing: with as many examples as a change can wait for, and many more as a soak."""

from __future__ import annotations

import pytest
from hypothesis import settings

TIMES_LONGER = 50


def fuzzed(examples: int) -> pytest.MarkDecorator:
    """Give a test its argument `fuzz`, the settings of the `@given` function inside of it."""
    short, long = (settings(max_examples=count, deadline=None) for count in (examples, examples * TIMES_LONGER))
    return pytest.mark.parametrize("fuzz", [short, pytest.param(long, marks=pytest.mark.soak)], ids=["short", "long"])
