"""The state dict of a network that was pickled whole, from the attributes that its file tells."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.values import ForeignObject, as_tensor

_DEEPEST = 32
_MOST = 20_000


def module_state(network: ForeignObject) -> dict[str, Tensor]:
    """Return a torch.nn.Module's parameters and buffers by the names that its `state_dict()` has.

    Raises:
        CorruptFileError: it is no network, or one that contains itself.
    """
    state: dict[str, Tensor] = {}
    for path, module in walk_modules(network):
        transient = module.state.get("_non_persistent_buffers_set")
        hidden = transient if isinstance(transient, set | frozenset) else frozenset()
        for group in ("_parameters", "_buffers"):
            for name, value in _children(module, group):
                tensor = as_tensor(value)
                if tensor is not None and not (group == "_buffers" and name in hidden):
                    state[f"{path}{name}"] = tensor
    return state


def walk_modules(network: ForeignObject) -> Iterator[tuple[str, ForeignObject]]:
    """Yield a network and all modules in it with their paths, such as `synthesis.b4.`; its own is empty.

    Raises:
        CorruptFileError: there is no end to them.
    """
    waiting = [("", network, 0)]
    count = 0
    while waiting:
        path, module, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST:
            raise CorruptFileError("a network in it contains itself, or is far larger than any that is known")
        yield path, module
        children = [
            (f"{path}{name}.", child, depth + 1)
            for name, child in _children(module, "_modules")
            if isinstance(child, ForeignObject)
        ]
        waiting += reversed(children)


def _children(module: ForeignObject, group: str) -> list[tuple[str, object]]:
    found = module.state.get(group)
    return [(name, value) for name, value in found.items() if isinstance(name, str)] if isinstance(found, dict) else []
