"""What a shell may complete: recipes, runs, plugins. Imports little, for it runs at every press of the tab key."""

from __future__ import annotations

from gdp.tools.named_recipes import shipped_recipes


def complete_shipped_recipe(incomplete: str) -> list[str]:
    """Return the recipes that come with gdp."""
    return [name for name in shipped_recipes() if name.startswith(incomplete)]
