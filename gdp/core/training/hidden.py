"""Hidden states: the outputs of chosen modules of a network, kept while it runs for a certain purpose."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from gdp.core.errors import TrainingError


class HiddenStates:
    """Keeps the outputs of some modules of a network, only of the forwards inside `kept()`.

    Args:
        network: whose modules are watched.
        paths: of the modules, such as `model.10`.
        whose: "student" or "teacher", for messages.

    Raises:
        TrainingError: a path is none of the network's; the message offers the nearest ones.
    """

    def __init__(self, network: nn.Module, paths: Iterable[str], whose: str) -> None:
        self.outputs: dict[str, Tensor] = {}
        self._keeps = False
        self._handles = [
            find_module(network, path, whose).register_forward_hook(self._keeper(path)) for path in sorted(set(paths))
        ]

    def _keeper(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if self._keeps:
                self.outputs[path] = output

        return keep

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Forget what was kept, and keep the outputs of the forwards inside."""
        self.outputs.clear()
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False

    def close(self) -> None:
        """Watch no more."""
        for handle in self._handles:
            handle.remove()
        self.outputs.clear()


def find_module(network: nn.Module, path: str, whose: str) -> nn.Module:
    """Return a network's module by path.

    Raises:
        TrainingError: there is none; the message offers the nearest paths.
    """
    modules: dict[str, nn.Module] = dict(network.named_modules())
    if path not in modules:
        near = difflib.get_close_matches(path, modules, n=3, cutoff=0.4) or [name for name in modules if name][:3]
        raise TrainingError(f"the {whose} has no module {path!r}; the nearest are {', '.join(near)}")
    return modules[path]
