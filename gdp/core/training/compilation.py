"""Whether pieces of the networks are compiled by torch.compile for the training that is going on."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from gdp.core.errors import TrainingError

CompileName = Literal["auto", "always", "never"]

FEWEST_STEPS = 1000
"""Steps from which `auto` compiles: compiling takes about 40 s the first time on a machine, 5 s later."""

_COMPILES: ContextVar[bool] = ContextVar("compiles", default=False)


def compiles() -> bool:
    """Say whether a network may call what it has compiled; outside of a training it may not."""
    return _COMPILES.get()


def find_compiler() -> str | None:
    """Return the path of the C++ compiler that torch.compile would call on a CPU, None where there is none."""
    by_platform = {"win32": "cl", "darwin": "clang++"}
    return shutil.which(os.environ.get("CXX") or by_platform.get(sys.platform, "g++"))


def decide(choice: CompileName, steps: int) -> bool:
    """Say whether a training of `steps` steps compiles.

    That depends on the recipe and the machine alone, so that a training that goes on from a checkpoint ends in the
    same bits.

    Raises:
        TrainingError: `always`, and there is no C++ compiler.
    """
    found = choice != "never" and find_compiler() is not None
    if choice == "always" and not found:
        raise TrainingError(
            'train.compile = "always" needs a C++ compiler, and none was found. Install one (on Debian and Ubuntu: apt '
            'install g++), name it in the environment variable CXX, or set train.compile = "auto".'
        )
    return found and (choice == "always" or steps >= FEWEST_STEPS)


@contextmanager
def compilation(choice: CompileName, steps: int) -> Iterator[None]:
    """Let networks compile while a training runs, where `decide` is for it."""
    token = _COMPILES.set(decide(choice, steps))
    try:
        yield
    finally:
        _COMPILES.reset(token)
