"""The built-ins, written as a third party's: each folder registers by the hooks, and imports `gdp` and `gdp.toolbox`."""
