"""What the machine refuses, a file, memory, a thread, torch itself, as errors that a user can mend."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from gdp.core.errors import GdpError, MissingResourceError, OutOfMemoryError
from gdp.core.memory import describe_bytes, is_out_of_memory

NOT_ENOUGH = (
    "the memory does not suffice for this. Lower --memory where the command has it (fewer pictures are worked on at "
    "once then), the batch, the size of the pictures or of the network, or close what else takes memory"
)
_IMPORTED = ("torch", "numpy", "torchvision", "torchmetrics")
"""Libraries with compiled parts that gdp cannot do without."""


def error_of_the_machine(error: Exception) -> GdpError | None:
    """Return what users are told of an error of their machine; None for a bug."""
    library = _half_imported(error)
    if library:
        return MissingResourceError(
            f"{library} cannot be imported: {_first_line(error)}.{_limits()} If memory and limits are not the reason, "
            f"the installation is damaged: pip install --force-reinstall {library}."
        )
    if is_out_of_memory(error):
        return OutOfMemoryError(NOT_ENOUGH)
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return GdpError(
            f"the system starts no more threads.{_limits()} `ulimit -u` limits them, too; OMP_NUM_THREADS=1 needs fewer"
        )
    if isinstance(error, OSError) and isinstance(error.filename, str | bytes):
        path, problem = os.fsdecode(error.filename), error.strerror or type(error).__name__
        return GdpError(f"{path:.300}: {problem}. Look whether this path is the one that is meant.")
    if isinstance(error, RecursionError):
        return GdpError("folders of a path, or tables of a file, are nested too deeply: more than anybody means.")
    return None


def _half_imported(error: BaseException) -> str | None:
    """Return the library that was being imported when an error, or what caused it, was raised."""
    seen: BaseException | None = error
    while seen is not None:
        library = _importing(seen.__traceback__) if isinstance(seen, ImportError | OSError | MemoryError) else None
        if library:
            return library
        seen = seen.__cause__ or seen.__context__
    return None


def _importing(trace: TracebackType | None) -> str | None:
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if trace.tb_frame.f_code.co_name == "<module>" and module.partition(".")[0] in _IMPORTED:
            return module.partition(".")[0]
        trace = trace.tb_next
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:300]


def _limits() -> str:
    """Say how much memory the system lets a process have, where that is limited."""
    if sys.platform == "win32":
        return ""
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY:
        return ""
    return (
        f" A process may have {describe_bytes(allowed)} of addresses here (`ulimit -v`), and torch alone wants some "
        f"4 GB: `ulimit -v unlimited` lifts that."
    )
