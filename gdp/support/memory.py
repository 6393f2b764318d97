"""How much memory this process takes. Imports no torch."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def peak_bytes() -> int | None:
    """Return the largest resident memory of this process since it began, or since `forget_peak`; None if unknown.

    Linux keeps it for the program itself; what `getrusage` tells of a child counts its parent's memory, too.
    """
    value = _status("VmHWM")
    if value is None and sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return value


def present_bytes() -> int | None:
    """Return the resident memory of this process at this moment; None where the system does not tell."""
    return _status("VmRSS")


def forget_peak() -> bool:
    """Let the peak begin anew at the present memory; False where the system does not allow it."""
    try:
        _CLEAR.write_text(_FORGET_PEAK)
    except OSError:
        return False
    return True


def _status(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024  # the file says kB and means KiB
    return None
