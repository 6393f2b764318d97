"""`gdp pairs`. torch is imported when it starts."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
