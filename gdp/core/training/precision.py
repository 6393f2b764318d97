"""How networks are computed: their precision, their place on a device, and which pieces of them are compiled."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal

import torch

from gdp.core.errors import TrainingError
from gdp.core.interfaces.students import Student

Precision = Literal["auto", "float32", "bf16"]


def computes_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies in bf16 natively, and no slower than in float32.

    Elsewhere bf16 is emulated. Intel's processors gain by AMX alone: a Xeon of 2023 without it computes
    convolutions in AVX-512's bf16 at 44 GMAC/s a core, in float32 at 77.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    by_vectors = bool(has.get("avx512_bf16")) and "Intel" not in str(has.get("cpu_name"))
    return device.type == "cpu" and (by_vectors or any(bool(has.get(name)) for name in ("amx_bf16", "bf16")))


def chooses_bf16(
    precision: Precision, device: torch.device, tell: Callable[[str], None] = lambda sentence: None
) -> bool:
    """Say whether convolutions compute in bf16.

    Args:
        precision: `auto` is bf16 where the device computes it natively and no slower, else float32. A GPU that does
            not (before Ampere, compute capability 8.0) computes in float32 whatever is asked for.
        device: where they run.
        tell: told in a sentence where a GPU computes no bf16 that it might have been given.
    """
    if precision == "float32":
        return False
    if computes_bf16(device):
        return True
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        tell(f'{name} does not compute in bf16: with precision = "{precision}" it computes in float32')
        return False
    return precision == "bf16"


def autocaster(
    precision: Precision, device: torch.device, tell: Callable[[str], None] = lambda sentence: None
) -> Callable[[], AbstractContextManager[object]]:
    """Return a maker of contexts in which forward passes compute in that precision; weights stay float32.

    Args:
        precision: as `chooses_bf16` takes it.
        device: where the forward passes run.
        tell: told what `chooses_bf16` has to say.
    """
    if chooses_bf16(precision, device, tell):
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return nullcontext


@contextmanager
def fastest_convolutions() -> Iterator[None]:
    """Let cuDNN try its convolutions once for each shape: training shapes do not change."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def place_networks(student: Student, device: torch.device, memory_format: torch.memory_format) -> None:
    """Bring a student's networks to the device, ready to be trained; those that stay as they are get no gradient."""
    opposite = student.opposite
    for network, trains in (
        (student.generator, True),
        (student.discriminator, student.discriminator_trains),
        (opposite.generator if opposite else None, bool(opposite and opposite.trains)),
        (opposite.discriminator if opposite else None, student.discriminator_trains),
    ):
        if network is not None:
            network.to(device).to(memory_format=memory_format)
            network.train(trains)
            network.requires_grad_(trains)


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
