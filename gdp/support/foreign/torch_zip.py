"""The file format of PyTorch since 1.6: a zip archive with a pickle, and a file for the numbers of each storage."""

from __future__ import annotations

from collections.abc import Mapping

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.limits import Budget
from gdp.support.foreign.machine import Machine
from gdp.support.foreign.names import known_names
from gdp.support.foreign.operations import OPERATIONS
from gdp.support.foreign.storages import ForeignStorage, new_storage
from gdp.support.foreign.values import printable
from gdp.support.foreign.zip_directory import Member, read_directory

BEGINS_WITH = b"PK\x03\x04"
_CODE = "constants.pkl"
_LITTLE = b"little"


def read_zip(data: memoryview, budget: Budget) -> object:
    """Return the content of a file.

    Args:
        data: the file, writable.

    Raises:
        CorruptFileError: it is damaged, or holds what a file of weights does not.
    """
    members = read_directory(data)
    folder = _folder(members)
    if f"{folder}{_CODE}" in members:
        raise CorruptFileError("it is a TorchScript program, and no file of weights: save its state_dict() with torch")
    order = members.get(f"{folder}byteorder")
    if order is not None and bytes(order.checked()) != _LITTLE:
        raise CorruptFileError("it was written on a big-endian machine, which is not read")
    storages: dict[str, ForeignStorage] = {}

    def persistent(told: object) -> object:
        if not isinstance(told, tuple) or len(told) < 5 or told[0] != "storage" or not isinstance(told[2], str):
            raise CorruptFileError("it holds more than tensors")
        storage = new_storage(told[1], told[4])
        known = storages.setdefault(told[2], storage)
        if known is storage:
            member = members.get(f"{folder}data/{told[2]}")
            if member is None:
                raise CorruptFileError(f"it is damaged: the numbers {printable(told[2])} are missing")
            if len(member.data) != storage.bytes:
                raise CorruptFileError("it is damaged: a storage has another size than is told")
            storage.fill(member.checked())
        elif (known.dtype, known.count) != (storage.dtype, storage.count):
            raise CorruptFileError("it is damaged: a storage is told twice")
        return known

    pickled = members[f"{folder}data.pkl"].checked()
    return Machine(pickled, OPERATIONS, known_names(budget, None), budget, persistent).run()


def _folder(members: Mapping[str, Member]) -> str:
    found = [name for name in members if name == "data.pkl" or (name.count("/") == 1 and name.endswith("/data.pkl"))]
    if len(found) != 1:
        there = ", ".join(printable(name) for name in list(members)[:5])
        raise CorruptFileError(f"it is a zip archive, but not one of PyTorch: it holds {there or 'nothing'}")
    return found[0].removesuffix("data.pkl")
