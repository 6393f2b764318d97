"""Until API version 2: the old place of `gdp.toolbox.in_fixed_chunks`."""

from gdp.core.old_places import found_elsewhere

__getattr__ = found_elsewhere(__name__, {"in_fixed_chunks": "gdp.toolbox.in_fixed_chunks"})
