"""Until API version 2: the old place of what `gdp` has for engines."""

from gdp.core.old_places import found_elsewhere

_NAMES = ("CalibratedEngine", "Engine", "EngineContext", "Translate")

__getattr__ = found_elsewhere(__name__, {"Pictures": "gdp.PictureArray", **{name: f"gdp.{name}" for name in _NAMES}})
