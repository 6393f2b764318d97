"""Until API version 2: the old place of `gdp.PictureNetwork`."""

from __future__ import annotations

import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "PictureNetwork":
        raise AttributeError(f"module 'gdp.core.deployment.network' has no attribute {name!r}")
    import gdp

    text = "take PictureNetwork from gdp; gdp.core.deployment.network goes with the next API version"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return gdp.PictureNetwork
