"""The command line `gdp`: presentation only, a file a command. Light commands import no torch."""

from __future__ import annotations

import gc
import sys
import warnings
from contextlib import suppress


def main() -> None:
    """Run the command line; the entry point of the `gdp` script."""
    # What modules make when they are imported stays. To look for garbage in it again and again would take a tenth of a
    # light command's time, and to look through it later, a little of every longer one's.
    gc.disable()
    try:
        _run()
    except KeyboardInterrupt:  # before the app's own answer to it stands, or behind it: there is nothing to tell
        sys.exit(130)
    finally:
        exec("")  # noqa: S102 # else Python, which Ctrl-C met in an `exec`, kills itself in place of our exit code


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Tell a warning as people read it: where in the code it was raised is for those who develop."""
    return f"warning: {message}\n"


def _run() -> None:
    from gdp.cli.app import app
    from gdp.cli.streams import OutputLostError, guard_streams

    gc.freeze()
    gc.enable()
    guard_streams()
    warnings.formatwarning = _format_warning
    try:
        app(prog_name="gdp")
    finally:
        with suppress(OSError, OutputLostError):  # the command has ended with what it had to tell
            sys.stdout.flush()
