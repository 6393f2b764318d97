"""Which plugins are there: finds them, isolates the broken ones, and imports implementations when a run asks."""

from gdp.registry.registry import PluginRegistry
from gdp.registry.rows import PluginRow

__all__ = ["PluginRegistry", "PluginRow"]
