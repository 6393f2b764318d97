"""Until API version 2: the old place of `gdp.PictureNetwork`."""

from gdp.core.old_places import found_elsewhere

__getattr__ = found_elsewhere(__name__, {"PictureNetwork": "gdp.PictureNetwork"})
