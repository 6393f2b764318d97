"""x"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Mapping

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.machine import Machine, Operation, checked_key, set_pairs
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


_HIGHEST_PROTOCOL = 5


def _push(make: Callable[[Machine], object]) -> Operation:
    def operation(machine: Machine) -> None:
        value = make(machine)  # first: it may change which stack is the current one
        machine.stack.append(value)

    return operation


def _refuse(what: str) -> Operation:
    def operation(machine: Machine) -> None:
        raise CorruptFileError(f"it holds {what}, which no file of weights needs")

    return operation


def _protocol(machine: Machine) -> None:
    protocol = machine.number(1)
    if protocol > _HIGHEST_PROTOCOL:
        raise CorruptFileError(f"it is a pickle of protocol {protocol}, and {_HIGHEST_PROTOCOL} is the newest known")


def _frame(machine: Machine) -> None:
    size = machine.number(8)
    if size > len(machine.data) - machine.position:
        raise CorruptFileError(f"it states a frame of {size:,} bytes where fewer are left: it is truncated or damaged")


# ---------------------------------------------------------------------- containers


def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _tuple(size: int) -> Operation:
    def operation(machine: Machine) -> None:
        items = [machine.pop() for _ in range(size)]
        machine.stack.append(tuple(reversed(items)))

    return operation


def _dictionary(machine: Machine) -> object:
    made: dict[object, object] = {}
    set_pairs(made, machine.pop_mark())
    return made


def _append(machine: Machine) -> None:
    _extend(machine, [machine.pop()])


def _appends(machine: Machine) -> None:
    _extend(machine, machine.pop_mark())


def _extend(machine: Machine, items: list[object]) -> None:
    target = machine.top()
    if not isinstance(target, list):
        raise CorruptFileError(f"it is damaged: it appends to a {type(target).__name__}")
    target.extend(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    set_pairs(machine.top(), [key, value])


def _set_items(machine: Machine) -> None:
    items = machine.pop_mark()
    set_pairs(machine.top(), items)


def _add_items(machine: Machine) -> None:
    items, target = machine.pop_mark(), machine.top()
    if not isinstance(target, set):
        raise CorruptFileError(f"it is damaged: it adds to a {type(target).__name__}")
    target.update(checked_key(item) for item in items)


# ---------------------------------------------------------------------- memory


def _keep(index: Callable[[Machine], object]) -> Operation:
    def operation(machine: Machine) -> None:
        place = index(machine)
        if not isinstance(place, int):
            raise CorruptFileError("it is damaged: a place is no number")
        machine.memo[place] = machine.top()

    return operation


def _recall(index: Callable[[Machine], object]) -> Operation:
    def operation(machine: Machine) -> None:
        place = index(machine)
        if not isinstance(place, int):
            raise CorruptFileError("it is damaged: a place is no number")
        machine.recall(place)

    return operation


# ---------------------------------------------------------------------- names, calls, states


def _name_lines(machine: Machine) -> object:
    module, name = (machine.line().decode("utf-8", "replace") for _ in range(2))
    return machine.find(module, name)


def _name_of_stack(machine: Machine) -> object:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise CorruptFileError("it is damaged: a name is no text")
    return machine.find(module, name)


def _call(machine: Machine) -> object:
    arguments, function = machine.pop(), machine.pop()
    return machine.call(function, arguments)


def _call_with_keywords(machine: Machine) -> object:
    keywords, arguments, function = machine.pop(), machine.pop(), machine.pop()
    if keywords != {}:
        raise CorruptFileError(f"it makes a {function} in a way that no file of weights does")
    return machine.call(function, arguments)


def _call_of_mark(machine: Machine) -> object:
    function, *arguments = machine.pop_mark() or [None]
    return machine.call(function, tuple(arguments))


def _call_of_lines(machine: Machine) -> object:
    function = _name_lines(machine)
    return machine.call(function, tuple(machine.pop_mark()))


def _build(machine: Machine) -> None:
    state = machine.pop()
    machine.build(machine.top(), state)


def _persistent(machine: Machine) -> object:
    if machine.persistent is None:
        raise CorruptFileError("it holds a persistent id outside of a PyTorch file, which no file of weights needs")
    return machine.persistent(machine.pop())


OPERATIONS: Mapping[int, Operation] = {
    0x80: _protocol,
    0x95: _frame,
    ord("("): _mark,
    ord("0"): _pop,
    ord("1"): lambda machine: machine.pop_mark().clear(),
    ord("2"): _push(Machine.top),
    ord("N"): _push(lambda machine: None),
    0x88: _push(lambda machine: True),
    0x89: _push(lambda machine: False),
    ord("I"): _push(integer_line),
    ord("L"): _push(integer_line),
    ord("J"): _push(unpacked("<i", 4)),
    ord("K"): _push(lambda machine: machine.number(1)),
    ord("M"): _push(lambda machine: machine.number(2)),
    0x8A: _push(integer(1)),
    0x8B: _push(integer(4)),
    ord("F"): _push(float_line),
    ord("G"): _push(unpacked(">d", 8)),
    ord("S"): _push(string_line),
    ord("T"): _push(old_text(4)),
    ord("U"): _push(old_text(1)),
    ord("V"): _push(unicode_line),
    ord("X"): _push(lambda machine: machine.text(machine.number(4))),
    0x8C: _push(lambda machine: machine.text(machine.number(1))),
    0x8D: _push(lambda machine: machine.text(machine.number(8))),
    ord("B"): _push(lambda machine: machine.take(machine.number(4))),
    ord("C"): _push(lambda machine: machine.take(machine.number(1))),
    0x8E: _push(lambda machine: machine.take(machine.number(8))),
    0x96: _push(lambda machine: machine.take(machine.number(8))),
    ord(")"): _push(lambda machine: ()),
    ord("t"): _push(lambda machine: tuple(machine.pop_mark())),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("]"): _push(lambda machine: []),
    ord("l"): _push(Machine.pop_mark),
    ord("a"): _append,
    ord("e"): _appends,
    ord("}"): _push(lambda machine: {}),
    ord("d"): _push(_dictionary),
    ord("s"): _set_item,
    ord("u"): _set_items,
    0x8F: _push(lambda machine: set()),
    0x90: _add_items,
    0x91: _push(lambda machine: frozenset(checked_key(item) for item in machine.pop_mark())),
    ord("p"): _keep(integer_line),
    ord("q"): _keep(lambda machine: machine.number(1)),
    ord("r"): _keep(lambda machine: machine.number(4)),
    0x94: _keep(lambda machine: len(machine.memo)),
    ord("g"): _recall(integer_line),
    ord("h"): _recall(lambda machine: machine.number(1)),
    ord("j"): _recall(lambda machine: machine.number(4)),
    ord("c"): _push(_name_lines),
    0x93: _push(_name_of_stack),
    ord("R"): _push(_call),
    0x81: _push(_call),
    0x92: _push(_call_with_keywords),
    ord("i"): _push(_call_of_lines),
    ord("o"): _push(_call_of_mark),
    ord("b"): _build,
    ord("Q"): _push(_persistent),
    ord("P"): _refuse("a persistent id as text"),
    0x82: _refuse("a name by its extension number"),
    0x83: _refuse("a name by its extension number"),
    0x84: _refuse("a name by its extension number"),
    0x97: _refuse("a buffer outside of itself"),
    0x98: _refuse("a buffer outside of itself"),
}
"""By their code; STOP is the machine's own."""
