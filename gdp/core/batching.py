"""Until API version 2: the old place of `gdp.toolbox.in_fixed_chunks`."""

from __future__ import annotations

import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "in_fixed_chunks":
        raise AttributeError(f"module 'gdp.core.batching' has no attribute {name!r}")
    from gdp import toolbox

    text = "take in_fixed_chunks from gdp.toolbox; gdp.core.batching goes with the next API version"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return toolbox.in_fixed_chunks
