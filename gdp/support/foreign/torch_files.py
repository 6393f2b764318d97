"""PyTorch's file formats: a zip archive since 1.6, pickles one after the other before.

The archive holds a pickle, and a file for the numbers of each storage. Its directory is read here as PyTorch writes it,
files that are not packed, each told once, and not by zipfile: that reads any directory whole, and an archive of some
megabytes can tell millions of files.

The older pickles: a magic number, the format's version, facts about the machine, the content, the keys of the storages.
Then for each key the count of numbers as a 64-bit integer and the numbers. A byte string in a plain pickle may be such
a file whose content is one storage (`torch.storage._load_from_bytes`): so do tensors get into stylegan2-ada-pytorch's.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.machine import Machine
from gdp.support.foreign.names import known_names
from gdp.support.foreign.operations import OPERATIONS
from gdp.support.foreign.storages import ForeignStorage, new_storage
from gdp.support.foreign.values import Budget, printable

_MOST_FILES = 100_000
_COMMENT = 65_535
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_SIZES_64 = 1


@dataclass(frozen=True)
class Member:
    """One file in an archive."""

    name: str
    data: memoryview
    checksum: int
    """CRC-32; 0 where PyTorch was told to compute none."""

    def checked(self) -> memoryview:
        """Return the bytes.

        Raises:
            CorruptFileError: their checksum is not that of the directory.
        """
        if self.checksum and zlib.crc32(self.data) != self.checksum:
            raise CorruptFileError(f"it is damaged: the checksum of {printable(self.name)} in it is another one")
        return self.data


def read_directory(data: memoryview) -> Mapping[str, Member]:
    """Return the files of an archive by their names.

    Raises:
        CorruptFileError: the archive is damaged, or not as PyTorch writes them.
    """
    count, size, start = _find_directory(data)
    if count > _MOST_FILES:
        raise CorruptFileError(f"it tells of {count:,} files; {_MOST_FILES:,} are the most that is read")
    if start + size > len(data):
        raise CorruptFileError("its directory lies beyond its end: it is truncated or damaged")
    members: dict[str, Member] = {}
    spans: list[tuple[int, int]] = []
    position = start
    for _ in range(count):
        member, span, position = _read_entry(data, position, start + size)
        if member.name in members:
            raise CorruptFileError(f"it tells of {printable(member.name)} twice")
        members[member.name] = member
        spans.append(span)
    spans.sort()
    for (_, end), (begin, _) in zip(spans, [*spans[1:], (start, 0)], strict=True):
        if begin < end:
            raise CorruptFileError("it is damaged: the files in it lie over each other")
    return members


def _find_directory(data: memoryview) -> tuple[int, int, int]:
    """Return how many files there are, and size and place of the directory."""
    first = max(0, len(data) - _END.size - _COMMENT)
    place = bytes(data[first:]).rfind(b"PK\x05\x06")
    if place < 0 or first + place + _END.size > len(data):
        raise CorruptFileError("its end is missing: it is truncated")
    place += first
    _, _, _, _, count, size, start, _ = _END.unpack_from(data, place)
    locator = place - _LOCATOR_64.size
    if locator >= 0 and bytes(data[locator : locator + 4]) == b"PK\x06\x07":
        _, _, end, _ = _LOCATOR_64.unpack_from(data, locator)
        if end + _END_64.size > len(data) or bytes(data[end : end + 4]) != b"PK\x06\x06":
            raise CorruptFileError("it is damaged: its directory is not where it is told to be")
        *_, count, size, start = _END_64.unpack_from(data, end)
    return count, size, start


def _read_entry(data: memoryview, position: int, end: int) -> tuple[Member, tuple[int, int], int]:
    """Read one line of the directory: the file, from where to where it lies, and where the next line is."""
    if position + _ENTRY.size > end:
        raise CorruptFileError("it is damaged: its directory ends too early")
    fields = _ENTRY.unpack_from(data, position)
    (
        signature,
        _,
        _,
        flags,
        method,
        _,
        _,
        checksum,
        packed,
        size,
        name_size,
        extra_size,
        comment_size,
        _,
        _,
        _,
        place,
    ) = fields
    if signature != b"PK\x01\x02" or flags & _ENCRYPTED:
        raise CorruptFileError("it is damaged: its directory is none")
    names = position + _ENTRY.size
    following = names + name_size + extra_size + comment_size
    if following > end:
        raise CorruptFileError("it is damaged: its directory ends too early")
    name = _name(bytes(data[names : names + name_size]))
    extra = data[names + name_size : names + name_size + extra_size]
    size, packed, place = _wide(extra, size, packed, place)
    if method != 0 or size != packed:
        raise CorruptFileError(f"{printable(name)} in it is packed, which PyTorch never does")
    if place + _LOCAL.size > len(data):
        raise CorruptFileError("it is damaged: a file lies beyond its end")
    local, *_, local_name, local_extra = _LOCAL.unpack_from(data, place)
    begin = place + _LOCAL.size + local_name + local_extra
    if local != b"PK\x03\x04" or begin + size > len(data):
        raise CorruptFileError(f"{printable(name)} in it lies beyond its end: it is truncated or damaged")
    return Member(name, data[begin : begin + size], checksum), (place, begin + size), following


def _wide(extra: memoryview, *fields: int) -> tuple[int, ...]:
    """Return size, packed size and place, those that do not fit 32 bits from the entry's extra field."""
    position, wide = 0, memoryview(b"")
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        if kind == _SIZES_64:
            wide = extra[position + 4 : position + 4 + size]
        position += 4 + size
    found = []
    for field in fields:
        if field == 0xFFFFFFFF:
            if len(wide) < 8:
                raise CorruptFileError("it is damaged: the size of a file in it is missing")
            found.append(int.from_bytes(wide[:8], "little"))
            wide = wide[8:]
        else:
            found.append(field)
    return tuple(found)


def _name(raw: bytes) -> str:
    name = raw.decode("utf-8", "replace")
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or ".." in parts or name[:1] == "/" or name[1:2] == ":" or not name:
        raise CorruptFileError(
            f"it holds {printable(repr(name))}, which points out of its folder: it is made to do harm"
        )
    return name


ZIP_BEGINS_WITH = b"PK\x03\x04"
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


MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_BEGINS_WITH = b"\x80\x02\x8a\n" + MAGIC.to_bytes(10, "little")
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
