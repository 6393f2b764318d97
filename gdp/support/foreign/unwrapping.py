"""Checkpoints as training programs wrap them: prefixes of wrappers, and networks a level down in a dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.names import module_state
from gdp.support.foreign.values import ForeignObject, as_tensor

Value = TypeVar("Value")

_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"})
"""What torch.compile, FSDP, activation checkpointing and Lightning put into names, at any place."""
_LEADING = frozenset({"module"})
"""What DataParallel and its kin put before all names."""
_DEEPEST = 3
"""Dictionaries in each other that are looked into: `checkpoint.model.state_dict`."""
_COUNTERS = frozenset({"n_averaged", "num_updates", "decay", "initted"})
"""What torch's `AveragedModel` and its kin keep beside the averaged network."""
_MOST = 64
"""Parts of a checkpoint that are looked at."""


def without_wrappers(state: Mapping[str, Value]) -> dict[str, Value]:
    """Return named values without what wrappers put beside and into the names; names of two values stay as they are."""
    state = {name: value for name, value in state.items() if name not in _COUNTERS} or state
    names = {name: _stripped(name) for name in state}
    if len(set(names.values())) < len(names):
        return dict(state)
    return {names[name]: value for name, value in state.items()}


def _stripped(name: str) -> str:
    parts = [part for part in name.split(".") if part not in _WRAPPERS]
    while len(parts) > 1 and parts[0] in _LEADING:
        parts = parts[1:]
    return ".".join(parts)


def parts_of(content: object) -> dict[str, object]:
    """Return the networks that a checkpoint may hold in its levels, by the names that `gdp convert --key` takes.

    These are what stands under a key (`G_A`, `state_dict`; with tensors in it, `model.state_dict`), and the tensors
    whose names have one first part (`netG` of `netG.model.1.weight`; of Lightning's also below its `state_dict`, as
    `state_dict.netG`).
    """
    if not isinstance(content, dict):
        return {}
    found: dict[str, object] = {}
    for key, state in islice(_states(content, _DEEPEST), _MOST):
        found[key] = state
        found.update({f"{key}.{first}": part for first, part in _by_first_part(state).items()})
    found.update({first: part for first, part in _by_first_part(content).items() if first not in found})
    return dict(list(found.items())[:_MOST])


def _states(
    content: Mapping[Any, object], levels: int, above: str = "", opened: set[int] | None = None
) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Yield what stands under the keys of a dictionary, and further down what has tensors in it.

    A dictionary may hold itself, or another one, a thousand times: each is `opened` once.
    """
    opened = {id(content)} if opened is None else opened
    for key, value in islice(content.items(), _MOST if above else None):
        if isinstance(key, str) and isinstance(value, dict | ForeignObject):
            try:
                state: dict[Any, Any] = module_state(value) if isinstance(value, ForeignObject) else value
            except CorruptFileError:  # no network, or one without an end: it is no part, and others may be
                continue
            if not above or any(as_tensor(each) is not None for each in state.values()):
                yield f"{above}{key}", state
            if levels > 1 and isinstance(value, dict) and id(value) not in opened:
                opened.add(id(value))
                yield from _states(value, levels - 1, f"{above}{key}.", opened)


def _by_first_part(state: Mapping[Any, object]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    named = without_wrappers({name: value for name, value in state.items() if isinstance(name, str)})
    for name, value in named.items():
        first, dot, rest = name.partition(".")
        tensor = as_tensor(value)
        if dot and tensor is not None:
            parts.setdefault(first, {})[rest] = tensor
    return parts
