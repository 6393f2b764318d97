"""Until API version 2: names that plugins were told to import from places of core, by one rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def found_elsewhere(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of an old place: its names by `module.name` of the new one, with a warning."""

    def look(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, now = names[name].rpartition(".")
        text = f"take {now} from {home}; {module} goes with the next API version"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), now)

    return look
