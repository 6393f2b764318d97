"""What the measuring processes share. Imports no torch."""

from __future__ import annotations

from typing import Any, Protocol

from gdp.core.recipe.reading import PluginLookup
from gdp.tools.deploy.models import EnginePlugins

WARMUP = 2
"""Unmeasured runs."""


class BenchPlugins(PluginLookup, EnginePlugins, Protocol):
    """What is asked of the registry."""

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call a hook of the life of a run."""


class Turns(Protocol):
    """When a process may work."""

    def wait(self) -> bool:
        """Wait for the next turn; False where there is none any more."""

    def tell(self, milliseconds: float) -> None:
        """Tell how long the turn's work took."""


class Work(Protocol):
    """Something that was opened and warmed up."""

    facts: dict[str, Any]

    def serve(self, turns: Turns) -> None:
        """Work at every turn."""

    def conclude(self) -> None:
        """Find out what is to be known beside the times; called when no turn is left."""
