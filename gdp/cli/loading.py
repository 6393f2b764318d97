"""A word on the terminal while torch is imported, which takes seconds and else looks like a hang."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

_SLOW = "torch"
_WORDS = f"loading {_SLOW} ..."
_ERASE = "\r\x1b[K"


class _TellingLoader(Loader):
    """Says so while it loads."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Load it, and take the words away again, whatever comes of it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        _write(_WORDS)
        try:
            self._loader.exec_module(module)
        finally:
            _write(_ERASE)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


class _Finder(MetaPathFinder):
    """Finds the slow module as others do, with a loader that tells."""

    def __init__(self) -> None:
        self._asks_others = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Return what the finders behind this one find; None for every other module."""
        if fullname != _SLOW or self._asks_others:
            return None
        self._asks_others = True
        try:
            spec = find_spec(fullname)
        finally:
            self._asks_others = False
        if spec is not None and spec.loader is not None:
            spec.loader = _TellingLoader(spec.loader)
        return spec


@contextmanager
def telling_of_loading() -> Iterator[None]:
    """On a terminal, show inside that torch is being loaded, for as long as it takes."""
    if not sys.stderr.isatty():
        yield
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
