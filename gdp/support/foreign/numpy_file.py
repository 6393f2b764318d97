"""numpy's file format (.npy), arrays of numbers alone.

numpy's own reader takes the header for Python and lets it state any size; this one knows the one form that is written.
"""

from __future__ import annotations

import re

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.arrays import build_dtype, build_from_state
from gdp.support.foreign.values import LINE, Budget, ForeignArray, ForeignDtype, printable

BEGINS_WITH = b"\x93NUMPY"
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
