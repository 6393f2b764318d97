"""Recipes: TOML files that name plugins and their settings.

`reading.load_recipe` is the way in: it finds every mistake at once, each with its line. `sections` holds core's own
keys, `choices` checks one section against the plugin that it names, `overrides` reads `--set`, `types` is what the rest
of gdp sees.
"""
