"""How much a student may build: as much as the file of its weights accounts for, whatever its settings say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gdp.core.errors import CorruptFileError
from gdp.core.memory import describe_bytes
from gdp.core.tensor_file import StoredTensors

_TIMES = 8
"""So many times its generator may a student build in all: discriminators, a way back, and what initialising takes."""
_FREE_BYTES = 2**28
_FREE_TENSORS = 20_000
"""Tensors that any student may make beside; fresh parameters are filled a tensor at a time."""


@contextmanager
def within_weights(weights: StoredTensors, description: Path) -> Iterator[None]:
    """Stop the building of a network that is far larger than its file of weights, before it takes the memory.

    Args:
        weights: of the student.
        description: the file whose settings ask for the network.

    Raises:
        CorruptFileError: the network is no fit for the weights.
    """
    allowance = _Allowance(weights, description)
    try:
        with allowance:
            yield
    except MemoryError:  # of Python's own, for lists of sizes say
        raise allowance.exceeded() from None


class _Allowance(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's base class is not annotated
    """Counts what operations on tensors are to make."""

    def __init__(self, weights: StoredTensors, description: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._numbers = sum(_product(shape) for shape in weights.shapes().values())
        self._bytes = _TIMES * 8 * self._numbers + _FREE_BYTES
        self._tensors = _TIMES * len(weights) + _FREE_TENSORS
        self._weights, self._description = weights, description

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        shapes = [args[0]] if _makes_by_size(operation) and args else []
        self._spend(sum(8 * _product(shape) for shape in shapes if isinstance(shape, list | tuple)))
        made = operation(*args, **(kwargs or {}))
        if not shapes and isinstance(made, Tensor) and not (args and made is args[0]):
            self._spend(made.nbytes if made._base is None else 0)
        return made

    def _spend(self, size: int) -> None:
        self._bytes -= size
        self._tensors -= 1
        if self._bytes < 0 or self._tensors < 0:
            raise self.exceeded()

    def exceeded(self) -> CorruptFileError:
        """Return the error of a network that is too large."""
        return CorruptFileError(
            f"{self._description}: its settings ask for a far larger network than the weights beside it are of "
            f"({len(self._weights):,} tensors, {describe_bytes(4 * self._numbers)}); nothing was built. Get the "
            f"folder again from where it came, or export the student again"
        )


def _makes_by_size(operation: Any) -> bool:
    """Say whether an operation makes a tensor of a size that is its first argument."""
    name = str(operation.overloadpacket).rpartition(".")[2]
    return name in ("empty", "zeros", "ones", "full", "rand", "randn", "empty_permuted")


def _product(shape: Iterable[int]) -> int:
    product = 1
    for length in shape:
        product *= max(0, int(length))
    return product
