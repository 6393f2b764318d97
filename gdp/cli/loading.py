"""A word on the terminal while slow modules are imported, which takes seconds and else looks like a hang."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TextIO

_SLOW = {
    "torch": "torch",
    "torch._dynamo": "torch's compiler",
    "torchvision": "torchvision",
    "onnxruntime": "onnxruntime",
    "openvino": "OpenVINO",
    "sklearn": "scikit-learn",
    "mlflow": "MLflow",
    "wandb": "Weights & Biases",
}
"""Modules that take seconds, and what they are called. torch imports its compiler when the first network is built."""
_WORDS = "loading {} ..."
_ERASE = "\r\x1b[K"


class _Teller:
    """Writes onto the terminal what is being loaded: the innermost, and again the outer one behind it."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._open: list[str] = []

    def begin(self, words: str) -> None:
        """Tell of one more."""
        self._write(f"{_ERASE if self._open else ''}{words}")
        self._open.append(words)

    def end(self) -> None:
        """Take the newest words away."""
        self._open.pop()
        self._write(f"{_ERASE}{self._open[-1] if self._open else ''}")

    def _write(self, text: str) -> None:
        if sys.stderr is self._terminal:  # while bars are shown it is theirs, and they show that there is work
            self._terminal.write(text)
            self._terminal.flush()


class _TellingLoader(Loader):
    """Says so while it loads."""

    def __init__(self, loader: Loader, words: str, teller: _Teller) -> None:
        self._loader, self._words, self._teller = loader, words, teller

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Load it, and take the words away again, whatever comes of it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._teller.begin(self._words)
        try:
            self._loader.exec_module(module)
        finally:
            self._teller.end()


class _Finder(MetaPathFinder):
    """Finds the slow modules as others do, with a loader that tells."""

    def __init__(self, teller: _Teller) -> None:
        self._teller = teller
        self._asks_others = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Return what the finders behind this one find; None for every other module."""
        if fullname not in _SLOW or self._asks_others:
            return None
        self._asks_others = True
        try:
            spec = find_spec(fullname)
        finally:
            self._asks_others = False
        if spec is not None and spec.loader is not None:
            spec.loader = _TellingLoader(spec.loader, _WORDS.format(_SLOW[fullname]), self._teller)
        return spec


@contextmanager
def telling_of_loading() -> Iterator[None]:
    """On a terminal, show inside that torch or the like is being loaded, for as long as it takes."""
    if not sys.stderr.isatty():
        yield
        return
    finder = _Finder(_Teller(sys.stderr))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
