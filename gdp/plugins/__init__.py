"""The built-ins, written as a third party's: a folder registers by hooks, and imports `gdp` and `gdp.toolbox`."""
