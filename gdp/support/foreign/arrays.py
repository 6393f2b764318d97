"""numpy's arrays, scalars and data types, of numbers alone: in a pickle, and in a file of their own (.npy).

numpy's own reader of files takes the header for Python and lets it state any size; this one knows the one form that is
written.
"""

from __future__ import annotations

import re
from math import prod

import numpy
import torch

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.values import (
    DIMENSIONS,
    LINE,
    Budget,
    Builder,
    ForeignArray,
    ForeignDtype,
    ForeignName,
    printable,
)

_NUMBERS = re.compile(r"[<>|=]?(b1|i1|i2|i4|i8|u1|u2|u4|u8|f2|f4|f8)")
_DAMAGED = "it is damaged: an array is told in an unknown way"


def build_array(arguments: tuple[object, ...]) -> object:
    """Stand for `numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b")`: an array to be filled."""
    if not arguments or arguments[0] != ForeignName("numpy", "ndarray"):
        raise CorruptFileError(_DAMAGED)
    return ForeignArray()


def build_dtype(arguments: tuple[object, ...]) -> object:
    """Stand for `numpy.dtype("f4", ...)`."""
    code = arguments[0] if arguments else None
    if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
        raise CorruptFileError(f"it holds an array of {printable(repr(code)[:40])}: only arrays of numbers are read")
    order = code[0] if code[0] in "<>|=" else "|"
    return ForeignDtype(code.lstrip("<>|="), order)


def build_scalar(arguments: tuple[object, ...]) -> object:
    """Stand for `numpy.core.multiarray.scalar(dtype, bytes)`: the number itself."""
    if len(arguments) != 2 or not isinstance(arguments[0], ForeignDtype):
        raise CorruptFileError(_DAMAGED)
    dtype, data = _numpy(arguments[0]), _bytes(arguments[1])
    if len(data) != dtype.itemsize:
        raise CorruptFileError(_DAMAGED)
    return numpy.frombuffer(data, dtype)[0].item()


def array_from_buffer(budget: Budget) -> Builder:
    """Return what stands for `numpy.core.numeric._frombuffer(bytes, dtype, shape, order)`."""

    def builder(arguments: tuple[object, ...]) -> object:
        if len(arguments) != 4 or not isinstance(arguments[1], ForeignDtype):
            raise CorruptFileError(_DAMAGED)
        data, dtype, shape, order = arguments
        budget.spend_tensor(len(_bytes(data)))
        array = ForeignArray()
        build_from_state(array, (1, shape, dtype, order == "F", data))
        return array

    return builder


def build_from_state(target: ForeignArray | ForeignDtype, state: object) -> None:
    """Give an array or a data type what the file tells of it."""
    if isinstance(target, ForeignDtype):
        # (version, byte order, and five or more that only structured types use)
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise CorruptFileError(_DAMAGED)
        if any(part is not None for part in state[2:5]):
            raise CorruptFileError("it holds a structured array: only arrays of numbers are read")
        target.order = state[1]
        return
    if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], ForeignDtype):
        raise CorruptFileError(_DAMAGED)
    _, shape, described, by_columns, content = state
    dtype, data = _numpy(described), _bytes(content)
    if not isinstance(shape, tuple) or len(shape) > DIMENSIONS or not all(type(size) is int for size in shape):
        raise CorruptFileError(_DAMAGED)
    if any(size < 0 for size in shape) or prod(shape) * dtype.itemsize != len(data):
        raise CorruptFileError("it is damaged: an array's shape and its bytes do not fit")
    flat = numpy.frombuffer(data, dtype)
    array = flat.reshape(shape, order="F" if by_columns else "C").astype(dtype.newbyteorder("="), copy=False)
    if not (array.flags.writeable and array.flags.aligned):
        array = array.copy()
    target.value = torch.from_numpy(array)


def _numpy(described: ForeignDtype) -> numpy.dtype[numpy.generic]:
    order = described.order if described.code[1:] != "1" else "|"
    return numpy.dtype(f"{order}{described.code}")


def _bytes(content: object) -> memoryview:
    """Return an array's bytes; Python 2 wrote them as a text, older protocols as a text in latin-1."""
    if isinstance(content, str):
        try:
            return memoryview(content.encode("latin-1"))
        except UnicodeEncodeError as error:
            raise CorruptFileError(_DAMAGED) from error
    if isinstance(content, bytes | bytearray | memoryview):
        return memoryview(content)
    raise CorruptFileError("it holds an array of objects: only arrays of numbers are read")


NUMPY_BEGINS_WITH = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{'descr': '(?P<dtype>[^']{1,20})', 'fortran_order': (?P<order>True|False), "
    r"'shape': \((?P<shape>(\d{1,18}, ?)*(\d{1,18})?)\),? ?\}\s*"
)


def read_numpy(data: memoryview, budget: Budget) -> object:
    """Return the array of a file.

    Args:
        data: the file, writable.

    Raises:
        CorruptFileError: it is damaged, or holds anything but numbers.
    """
    budget.spend_tensor(len(data))
    wide = bytes(data[6:7]) >= b"\x02"  # versions 2 and 3 have a longer length
    start = 12 if wide else 10
    size = int.from_bytes(data[8:start], "little")
    if start + size > len(data) or size > LINE:
        raise CorruptFileError("its header is longer than the file: it is truncated or damaged")
    header = str(data[start : start + size], "latin-1")
    found = _HEADER.fullmatch(header)
    if found is None:
        raise CorruptFileError(f"its header is none of an array of numbers: {printable(header)}")
    dtype = build_dtype((found["dtype"],))
    assert isinstance(dtype, ForeignDtype)
    shape = tuple(int(length) for length in found["shape"].replace(" ", "").split(",") if length)
    array = ForeignArray()
    build_from_state(array, (1, shape, dtype, found["order"] == "True", data[start + size :]))
    return array
