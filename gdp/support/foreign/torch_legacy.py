"""The file format of PyTorch before 1.6: pickles one after the other, then the numbers of the storages.

The pickles: a magic number, the format's version, facts about the machine, the content, the keys of the storages. Then
for each key the count of numbers as a 64-bit integer and the numbers. A byte string in a plain pickle may be such a
file whose content is one storage (`torch.storage._load_from_bytes`): so do tensors get into stylegan2-ada-pytorch's.
"""

from __future__ import annotations

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.machine import Machine
from gdp.support.foreign.names import known_names
from gdp.support.foreign.operations import OPERATIONS
from gdp.support.foreign.storages import ForeignStorage, new_storage
from gdp.support.foreign.values import Budget

MAGIC = 0x1950A86A20F9469CFC6C
BEGINS_WITH = b"\x80\x02\x8a\n" + MAGIC.to_bytes(10, "little")
_VERSION = 1001


def read_legacy(data: memoryview, budget: Budget) -> object:
    """Return the content of a file.

    Args:
        data: the file, writable.

    Raises:
        CorruptFileError: it is damaged, or holds what a file of weights does not.
    """
    storages: dict[str, ForeignStorage] = {}

    def persistent(told: object) -> object:
        if not isinstance(told, tuple) or len(told) < 5 or told[0] != "storage" or not isinstance(told[2], str):
            raise CorruptFileError("it holds more than tensors, such as a network with its source")
        if len(told) > 5 and told[5] is not None:
            raise CorruptFileError(
                "it holds parts of storages as PyTorch wrote them before 0.4: save it anew with torch"
            )
        storage = storages.setdefault(told[2], new_storage(told[1], told[4]))
        if storage.dtype != new_storage(told[1], told[4]).dtype:
            raise CorruptFileError("it is damaged: a storage is told twice")
        return storage

    machine = Machine(data, OPERATIONS, known_names(budget, None), budget, persistent)
    if machine.run() != MAGIC or machine.run() != _VERSION:
        raise CorruptFileError("it is damaged: it does not begin as a PyTorch file does")
    facts = machine.run()
    if not isinstance(facts, dict) or facts.get("little_endian", True) is not True:
        raise CorruptFileError("it was written on a big-endian machine, which is not read")
    content = machine.run()
    keys = machine.run()
    if not isinstance(keys, list) or len(keys) != len(storages) or set(map(str, keys)) != set(storages):
        raise CorruptFileError("it is damaged: its storages are not those that its tensors look at")
    for key in keys:
        storage = storages[str(key)]
        if machine.number(8) != storage.count:
            raise CorruptFileError("it is damaged: a storage has another size than is told")
        storage.fill(machine.take(storage.bytes))
    return content


def read_nested_storage(data: memoryview, budget: Budget) -> ForeignStorage:
    """Return the storage that a byte string in a pickle holds.

    Raises:
        CorruptFileError: it is damaged, or holds anything else.
    """
    content = read_legacy(data, budget)
    if not isinstance(content, ForeignStorage):
        raise CorruptFileError("it holds a file within the file that is no storage")
    return content
