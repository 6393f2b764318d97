"""How numbers and texts stand in a pickle."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.machine import Machine
from gdp.support.foreign.values import INTEGER, TEXT


def integer(size: int) -> Callable[[Machine], object]:
    """Return a reader of an integer whose length stands before it in `size` bytes."""

    def make(machine: Machine) -> object:
        length = machine.number(size)
        if length > INTEGER:
            raise CorruptFileError(f"it holds an integer of {length:,} bytes, which no file of weights needs")
        return int.from_bytes(machine.take(length), "little", signed=True)

    return make


def _number_line(machine: Machine) -> str:
    return machine.line(INTEGER).decode("latin-1").removesuffix("L")


def integer_line(machine: Machine) -> object:
    """Read an integer, or a truth of the text protocol, on a line of its own."""
    line = _number_line(machine)
    if line in ("00", "01"):
        return line == "01"
    try:
        return int(line)
    except ValueError as error:
        raise CorruptFileError("it is damaged: a number is no number") from error


def float_line(machine: Machine) -> object:
    """Read a number on a line of its own."""
    try:
        return float(_number_line(machine))
    except ValueError as error:
        raise CorruptFileError("it is damaged: a number is no number") from error


def string_line(machine: Machine) -> object:
    """Read a text in quotes on a line of its own."""
    line = machine.line(TEXT)
    machine.budget.spend_text(len(line))
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise CorruptFileError("it is damaged: a text has no quotes")
    try:
        return codecs.escape_decode(line[1:-1])[0].decode("latin-1")
    except ValueError as error:
        raise CorruptFileError("it is damaged: a text is no text") from error


def unicode_line(machine: Machine) -> object:
    """Read a text on a line of its own."""
    line = machine.line(TEXT)
    machine.budget.spend_text(len(line))
    try:
        return str(line, "raw-unicode-escape")
    except UnicodeDecodeError as error:
        raise CorruptFileError("it is damaged: a text is no text") from error


def old_text(size: int) -> Callable[[Machine], object]:
    """Return a reader of a text of Python 2, which may hold the bytes of an array."""
    return lambda machine: machine.text(machine.number(size), "latin-1", "strict")


def unpacked(layout: str, size: int) -> Callable[[Machine], object]:
    """Return a reader of a number of `size` bytes in the layout of struct."""
    return lambda machine: struct.unpack(layout, machine.take(size))[0]
