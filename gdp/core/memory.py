"""How much memory work with pictures may take, and so how many pictures go together. Importing it imports no torch.

Nothing that gdp makes depends on the bound: whatever goes together comes out as it would one by one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gdp.core.errors import OutOfMemoryError, UsageError

SHARE = 0.25
"""Of the memory that is free, what pictures in work may take where the user sets no bound; the rest is for networks,
their training, and whoever else works on the machine."""
DEVICE_SHARE = 0.5
"""The same of a GPU's own memory."""
ENOUGH = 512 * 2**20
"""Bytes of pictures in work beyond which more of them at a time make nothing faster."""

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_LEAST = 2**20


def parse_memory(text: str) -> int:
    """Return the bytes that a user has written, such as `4GB`, `512 MB` (powers of 1000), `4GiB` (of 1024) or `1.5G`.

    Raises:
        ValueError: it is no such size, or less than one MiB; the message says how to write it.
    """
    match = _WRITTEN.fullmatch(text)
    number, unit, binary = match.groups() if match else ("0", "", "")
    size = int(float(number) * (_BINARY if binary else _UNITS)[unit.lower()])
    if size < _LEAST:
        raise ValueError(f"write an amount of memory of 1 MiB or more, as 4GB or 512MB; got {text!r}")
    return size


def describe_bytes(size: float) -> str:
    """Return a number of bytes as people read it: `512 MB`, `1.3 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


@dataclass(frozen=True)
class MemoryBound:
    """The bytes that pictures in work may take beside the networks that work on them.

    It is asked for when work begins, for what is free changes.

    Attributes:
        given: What the user allows; None for `SHARE` of what is free.
        device: Where the networks run, as torch names it; of a GPU's memory `DEVICE_SHARE` is taken at most.
    """

    given: int | None = None
    device: str = "cpu"

    @classmethod
    def written(cls, amount: str | None, device: str = "cpu") -> MemoryBound:
        """Return the bound that a user writes, as `parse_memory` reads it; None leaves it to what is free.

        Raises:
            UsageError: it is no amount of memory.
        """
        try:
            return cls(None if amount is None else parse_memory(amount), device)
        except ValueError as error:
            raise UsageError(f"--memory: {error}") from error

    @property
    def bytes(self) -> int:
        """The bound as it is now."""
        main = self.given if self.given is not None else int(SHARE * free_memory())
        on_device = free_device_memory(self.device)
        return main if on_device is None else min(main, int(DEVICE_SHARE * on_device))

    @property
    def largest(self) -> int:
        """The bytes that one picture may take which is larger than any other: what is given, or half of what is free.

        A bound below that takes nothing away: it says how many go together, and one may exceed it.
        """
        return max(self.given or 0, free_memory() // 2)

    def share(self, part: float = 1.0, enough: int = ENOUGH) -> int:
        """Return the bytes for one of several works that go on at once: `part` of the bound, `enough` at most."""
        return min(int(part * self.bytes), enough)

    def pictures_together(
        self,
        shape: Sequence[int],
        most: int,
        *,
        bytes_a_pixel: float,
        enough: int = ENOUGH,
        tell: Callable[[str], None] | None = None,
        what: str = "pictures",
    ) -> int:
        """Return how many pictures of a size are worked on at once: as many as the bound holds, at least one.

        Args:
            shape: ends in height and width in pixels.
            most: the largest answer.
            bytes_a_pixel: what one pixel of a picture takes while it is worked on, in all copies and channels.
            enough: bytes that the work would not be faster with more of.
            tell: told in a line where the bound does not even hold one picture, which is worked on all the same.
            what: what that line calls the pictures.
        """
        height, width = shape[-2:]
        each = max(1.0, height * width * bytes_a_pixel)
        if tell is not None and each > self.bytes:
            tell(self.excess(f"{what} of {width} x {height} px", each))
        return max(1, min(most, int(self.share(enough=enough) / each)))

    def excess(self, what: str, each: float) -> str:
        """Return a line that says that pictures, `what` in the plural, exceed the bound: each takes `each` bytes."""
        origin = "" if self.given is not None else f" ({SHARE:.0%} of what is free)"
        return (
            f"{what} take about {describe_bytes(each)} each while they are worked on, and the memory for them is "
            f"{describe_bytes(self.bytes)}{origin}: they go one at a time, and take more"
        )


def free_memory() -> int:
    """Return the bytes of main memory that this process could still take.

    On Linux what the system and every control group around the process leave (caches that can be dropped count as
    free), and no more than a limit on its address space; on Windows the free physical memory; elsewhere half of the
    physical memory.
    """
    if sys.platform == "win32":
        return _free_on_windows()
    found = [_available_on_linux(), *_left_in_groups(), _left_of_address_space()]
    known = [size for size in found if size is not None]
    if known:
        return max(0, min(known))
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def free_device_memory(device: str) -> int | None:
    """Return the bytes that a GPU has free for torch in this process; None for a processor.

    Raises:
        RuntimeError: torch cannot use the device.
    """
    if not device.startswith("cuda"):
        return None
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def _available_on_linux() -> int | None:
    text = _read("/proc/meminfo")
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return None if match is None else int(match.group(1)) * 1024


def _left_in_groups(root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> Iterator[int]:
    """Yield what each control group around this process leaves of its limit, of version 1 and 2."""
    for line in (_read("/proc/self/cgroup") if own is None else own).splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            names, at = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names, at = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), root / "memory"
        else:
            continue
        folder = at / place.lstrip("/")
        # Inside a container the path may be the host's, and the group's own files stand at the root.
        for group in [*(each for each in (folder, *folder.parents) if each.is_relative_to(at) and each != at), at]:
            left = _left(group, *names)
            if left is not None:
                yield left


def _left(group: Path, limit: str, used: str, cache: str) -> int | None:
    """Return what a group leaves of its limit, its droppable cache counted as free; None where it has no limit."""
    try:
        most, now = int(_read(group / limit)), int(_read(group / used))
    except ValueError:  # "max", or no such file
        return None
    match = re.search(rf"^{cache} (\d+)", _read(group / "memory.stat"), re.MULTILINE)
    return most - now + (int(match.group(1)) if match else 0)


def _left_of_address_space() -> int | None:
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _read("/proc/self/statm").split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return limit - int(pages[0]) * resource.getpagesize()


def _read(path: str | Path) -> str:
    """Return a small file of the system, empty where there is none that may be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _free_on_windows() -> int:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("physical", "free", "page", "page_free", "space", "space_free")),
            ("extended", ctypes.c_uint64),
        )

    status = Status(length=ctypes.sizeof(Status))
    # Reached by name: ctypes has it on Windows alone.
    vars(ctypes)["windll"].kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free)


_TORCH_SAYS = re.compile(
    r"not enough memory|can'?t allocate memory|cannot allocate memory|CUDA out of memory|Failed to allocate memory"
    r"|bad_alloc|bad allocation",
    re.IGNORECASE,
)
"""How torch, onnxruntime and OpenVINO say that memory does not suffice."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an exception, or what caused it, is that memory did not suffice, whichever library raised it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError | OutOfMemoryError) or type(seen).__name__ == "OutOfMemoryError":
            return True
        if isinstance(seen, OSError) and seen.errno == errno.ENOMEM:
            return True
        if isinstance(seen, RuntimeError) and _TORCH_SAYS.search(str(seen)):
            return True
        seen = seen.__cause__
    return False


@contextmanager
def readable_memory_errors(what: str, mend: str) -> Iterator[None]:
    """Turn every library's way of saying that memory does not suffice into an error that says what to lower.

    Args:
        what: what did not fit, as a sentence begins: "A training step of 16 pairs of 512 x 512 px".
        mend: what to do, as a sentence: "Lower train.batch."

    Raises:
        OutOfMemoryError: memory did not suffice inside.
    """
    try:
        yield
    except OutOfMemoryError:
        raise  # told already, by who knew more
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"{what} did not fit into {_whose_memory(error)}. {mend}") from error


_GPU_SAYS = re.compile(
    r"Tried to allocate ([\d.]+ \w+)\. GPU (\d+) has a total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free"
)
"""How torch tells of a GPU's memory, in the message of its OutOfMemoryError."""


def _whose_memory(error: BaseException) -> str:
    """Return `memory`, or of a GPU's how much was asked for, how much is free and how much there is."""
    seen: BaseException | None = error
    while seen is not None:
        if found := _GPU_SAYS.search(str(seen)):
            asked, number, total, free = found.groups()
            return f"the memory of GPU {number}: {asked} more was asked for, and of its {total} {free} is free"
        seen = seen.__cause__
    return "memory"
