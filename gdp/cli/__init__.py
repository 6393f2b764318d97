"""The command line `gdp`: presentation only, a file a command. Light commands import no torch."""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point of the `gdp` script."""
    from gdp.cli.app import app

    app(prog_name="gdp")
