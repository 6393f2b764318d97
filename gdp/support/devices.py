"""Devices by name, as `--device` takes them. Importing this imports no torch; asking for a GPU does."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from gdp.core.errors import GdpError, UsageError
from gdp.core.run.versions import processor_cores
from gdp.support.wording import counted

if TYPE_CHECKING:
    import torch

_NAMES = re.compile(r"auto|cpu|cuda(:(0|[1-9][0-9]{0,3}))?")
_GPU_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""One of these is there wherever Linux has a GPU that torch can use."""


def resolve_device(name: str | torch.device = "auto", asked_by: str = "--device") -> str:
    """Return `cpu`, `cuda` or `cuda:N` for what a user asks for; `auto` is the first GPU where there is one, else cpu.

    Args:
        name: as the user wrote it; from Python also torch's device.
        asked_by: the option or setting that names it, for the message.

    Raises:
        UsageError: there is no such device, and the message says which there are; or torch has no code for it.
    """
    name = str(name)  # torch.device("cuda", 1) is cuda:1; None and 0 are no names
    known = _NAMES.fullmatch(name) is not None
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    count = _count_gpus() if may_have_gpu() else 0
    if name == "auto" and not count:
        return "cpu"
    chosen = "cuda" if name == "auto" else name
    if known and int(chosen.partition(":")[2] or 0) < count:
        lacking = lacks_code(chosen)
        if lacking:
            raise UsageError(f"{asked_by} {name}: {lacking} --device cpu uses the processor.")
        return chosen
    lacking = "torch finds no GPU on this machine" if known and not count else "there is no such device"
    raise UsageError(f"{asked_by} {name or repr(name)}: {lacking}; there is {_listed(count)}")


def lacks_code(device: str | int) -> str | None:
    """Say in a sentence that torch has no code for a GPU, and for which it has; None where it has.

    Code for compute capability 8.6 runs on every GPU 8.x of 8.6 or later, and on none else (NVIDIA's binary
    compatibility).
    """
    import torch

    if torch.version.cuda is None:
        return None  # AMD's GPUs have names of their own
    about = torch.cuda.get_device_properties(device)
    own = (about.major, about.minor)
    built = [divmod(int(arch.removeprefix("sm_")), 10) for arch in _plain_architectures(torch.cuda.get_arch_list())]
    if not built or any(own[0] == major and own[1] >= minor for major, minor in built):
        return None
    there = ", ".join(f"{major}.{minor}" for major, minor in built)
    return (
        f"{about.name} has compute capability {own[0]}.{own[1]}, and torch {torch.__version__} has code for {there} "
        f"(and later ones of the same number before the point). pytorch.org lists builds for other GPUs."
    )


def _plain_architectures(built: Sequence[str]) -> list[str]:
    """Return the architectures whose code later ones run, too: `sm_90a`, say, is for that one alone."""
    return [arch for arch in built if arch.removeprefix("sm_").isdigit()]


def device_of_worker(device: str, number: int) -> str:
    """Return where one of several workers computes: each has the next of the GPUs that its process sees.

    Args:
        device: `cpu` or `cuda`, of all of them.
        number: of the worker, from 0.

    Raises:
        GdpError: its process sees no GPU.
    """
    if device == "cpu":
        return device
    count = _count_gpus()
    if not count:
        raise GdpError(f"worker {number + 1}: torch finds no GPU there; --device cpu computes without")
    return f"cuda:{number % count}"


def _is_a_name(name: str) -> str:
    if _NAMES.fullmatch(name) is None:
        raise ValueError(f"there is no such device; there is {_listed(_count_gpus() if may_have_gpu() else 0)}")
    return name


DeviceName = Annotated[str, AfterValidator(_is_a_name)]
"""A setting that names a device. Another machine may have it, so whether it is here is seen by who resolves it."""


def _listed(count: int) -> str:
    return ", ".join(["auto", "cpu", *(["cuda"] if count else []), *(f"cuda:{number}" for number in range(count))])


PROCESSES_A_CORE = 8
"""Of the processor: more that compute beside each other only take memory from each other."""
FEWEST_ALLOWED = 16
"""Processes that a machine of few cores may have all the same."""


def require_few_processes(count: int, asked_by: str) -> None:
    """Make sure that a user asks for no more processes on this machine than it can have use for.

    Args:
        count: how many.
        asked_by: the option or setting, with what it says, for the message.

    Raises:
        UsageError: they are more than `PROCESSES_A_CORE`, and more than `FEWEST_ALLOWED`.
    """
    cores = processor_cores()
    most = max(FEWEST_ALLOWED, PROCESSES_A_CORE * cores)
    if count > most:
        raise UsageError(
            f"{asked_by}: each is a process on this machine, which has {counted(cores, 'processor core')}, and "
            f"loads all that it works with for itself; at most {most} are started here. One a GPU or core is usual."
        )


def may_have_gpu() -> bool:
    """Say, without torch, whether there may be a GPU: on Linux by the files of its driver, elsewhere yes."""
    return sys.platform != "linux" or any(Path(file).exists() for file in _GPU_FILES)


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
