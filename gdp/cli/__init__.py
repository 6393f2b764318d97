"""The command line `gdp`: presentation only, a file a command. Light commands import no torch."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command line; the entry point of the `gdp` script."""
    # What modules make when they are imported stays. To look for garbage in it again and again would take a tenth of a
    # light command's time, and to look through it later, a little of every longer one's.
    gc.disable()
    from gdp.cli.app import app

    gc.freeze()
    gc.enable()
    app(prog_name="gdp")
