"""PyTorch's storages and the tensors that look into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.values import DIMENSIONS, Budget, Builder, ForeignName, printable

DTYPES: Mapping[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
"""Storage classes of PyTorch; whether a storage was on a GPU does not matter."""

_DAMAGED = "it is damaged: a tensor is told in an unknown way"


@dataclass(frozen=True)
class _View:
    tensor: Tensor
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False)
class ForeignStorage:
    """Numbers in a row; tensors may look at them before the file has told them."""

    dtype: torch.dtype
    count: int
    _numbers: Tensor | None = None
    _views: list[_View] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.count * self.dtype.itemsize

    def fill(self, data: memoryview) -> None:
        """Take the numbers, without a copy where they lie in memory as torch needs them.

        Args:
            data: writable, `bytes` of them.
        """
        if self.count == 0:
            self._numbers = torch.empty(0, dtype=self.dtype)
        else:
            whole = torch.frombuffer(data, dtype=torch.uint8)
            if whole.data_ptr() % self.dtype.itemsize:
                whole = whole.clone()
            self._numbers = whole.view(self.dtype)
        for view in self._views:
            self._show(view)
        self._views.clear()

    def look(self, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
        """Return a tensor that looks at these numbers, now or once they are told."""
        view = _View(torch.empty(0, dtype=self.dtype), offset, size, stride)
        if self._numbers is None:
            self._views.append(view)
        else:
            self._show(view)
        return view.tensor

    def _show(self, view: _View) -> None:
        assert self._numbers is not None
        view.tensor.set_(self._numbers.untyped_storage(), view.offset, view.size, view.stride)


def new_storage(kind: object, count: object) -> ForeignStorage:
    """Return the storage that a persistent id describes: its class and how many numbers it holds."""
    dtype = DTYPES.get(kind.name) if isinstance(kind, ForeignName) else None
    if dtype is None or type(count) is not int or count < 0:
        raise CorruptFileError(f"it is damaged: a storage is a {printable(str(kind))}")
    return ForeignStorage(dtype, count)


def tensor_builder(budget: Budget) -> Builder:
    """Return what stands for `torch._utils._rebuild_tensor(storage, offset, size, stride)` and its later forms."""

    def builder(arguments: tuple[object, ...]) -> object:
        if len(arguments) < 4 or not isinstance(arguments[0], ForeignStorage):
            raise CorruptFileError(_DAMAGED)
        storage, offset, size, stride = arguments[0], arguments[1], _sizes(arguments[2]), _sizes(arguments[3])
        if type(offset) is not int or offset < 0 or len(size) != len(stride):
            raise CorruptFileError(_DAMAGED)
        count = prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if count and last >= storage.count:
            raise CorruptFileError("it is damaged: a tensor looks beyond its numbers")
        if count > storage.count:
            raise CorruptFileError("it holds a tensor that repeats its numbers, which no file of weights needs")
        budget.spend_tensor(count * storage.dtype.itemsize)
        return storage.look(offset if count else 0, size, stride)

    return builder


def build_parameter(arguments: tuple[object, ...]) -> object:
    """Stand for `torch._utils._rebuild_parameter(tensor, ...)`: the tensor."""
    if not arguments or not isinstance(arguments[0], Tensor):
        raise CorruptFileError(_DAMAGED)
    return arguments[0]


def build_size(arguments: tuple[object, ...]) -> object:
    """Stand for `torch.Size(numbers)`: a tuple."""
    return _sizes(arguments[0] if arguments else None)


def _sizes(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple | list) or len(value) > DIMENSIONS:
        raise CorruptFileError(_DAMAGED)
    if not all(type(size) is int and 0 <= size < 2**48 for size in value):
        raise CorruptFileError(_DAMAGED)
    return tuple(value)
