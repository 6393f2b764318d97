"""An interpreter of pickles that can do nothing but build values.

Python's own unpickler imports what a file names and calls it. This one knows a list of names (see
`gdp.support.foreign.names`), each with a function of ours that builds a plain value or a tensor; every other name ends
the reading with an error that says the name. Lengths that a file states are compared with what is there before anything
is read or made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.arrays import build_from_state
from gdp.support.foreign.values import (
    LINE,
    Budget,
    Builder,
    ForeignArray,
    ForeignDtype,
    ForeignName,
    ForeignObject,
    printable,
)

Names = Mapping[ForeignName, Builder | None]
"""The names that are known; None for those that may stand in a file but are never called."""
Persistent = Callable[[object], object]
"""Builds what a persistent id stands for."""
Operation = Callable[["Machine"], None]

Key = str | int | bool | None

_LARGEST_KEY = 2**60
"""Larger integers can be chosen so that all fall on one place of a dictionary, which then takes forever."""
_STOP = ord(".")


class Machine:
    """Runs the pickles in one buffer, each from where the last one ended."""

    def __init__(
        self,
        data: memoryview,
        operations: Mapping[int, Operation],
        names: Names,
        budget: Budget,
        persistent: Persistent | None = None,
    ) -> None:
        self.data = data
        self.position = 0
        self.budget = budget
        self.persistent = persistent
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self._operations = operations
        self._names = names

    def run(self) -> object:
        """Read one pickle and return its value.

        Raises:
            CorruptFileError: it is damaged, or asks for something that a file of weights does not need.
        """
        self.stack, self.marks, self.memo = [], [], {}
        size, budget, operations = len(self.data), self.budget, self._operations
        while True:
            if self.position >= size:
                raise CorruptFileError("it ends in the middle: it is truncated")
            code = self.data[self.position]
            self.position += 1
            budget.operations -= 1
            if budget.operations < 0:
                raise CorruptFileError("it has more pickle operations than any file of weights")
            if code == _STOP:
                return self.pop()
            operation = operations.get(code)
            if operation is None:
                raise CorruptFileError(f"it is damaged: there is no pickle operation {code:#04x}")
            operation(self)

    # ------------------------------------------------------------------ bytes

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes without a copy."""
        end = self.position + size
        if size < 0 or end > len(self.data):
            raise CorruptFileError(f"it states {size:,} bytes where fewer are left: it is truncated or damaged")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, size: int) -> int:
        """Return the next `size` bytes as an unsigned integer."""
        return int.from_bytes(self.take(size), "little")

    def line(self, longest: int = LINE) -> bytes:
        """Return the rest of the line."""
        window = 64
        while True:  # a small window first: most lines are short, and many may follow
            window = min(window * 8, longest + 1)
            head = bytes(self.data[self.position : self.position + window])
            end = head.find(b"\n")
            if end >= 0:
                self.position += end + 1
                return head[:end]
            if window > longest or len(head) < window:
                raise CorruptFileError("it is damaged: a line does not end")

    def text(self, size: int, encoding: str = "utf-8", errors: str = "surrogatepass") -> str:
        """Return the next `size` bytes as text."""
        taken = self.take(size)
        self.budget.spend_text(size)
        try:
            return str(taken, encoding, errors)
        except UnicodeDecodeError as error:
            raise CorruptFileError("it is damaged: a text is no text") from error

    # ------------------------------------------------------------------ stack

    def pop(self) -> object:
        """Take the top of the stack."""
        if not self.stack:
            raise CorruptFileError("it is damaged: a value is missing")
        return self.stack.pop()

    def top(self) -> object:
        """Look at the top of the stack."""
        if not self.stack:
            raise CorruptFileError("it is damaged: a value is missing")
        return self.stack[-1]

    def pop_mark(self) -> list[object]:
        """Take what stands above the last mark."""
        if not self.marks:
            raise CorruptFileError("it is damaged: a mark is missing")
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def recall(self, index: int) -> None:
        """Push a value that was kept."""
        if index not in self.memo:
            raise CorruptFileError("it is damaged: it refers to a value that is not there")
        self.stack.append(self.memo[index])

    # ------------------------------------------------------------------ what other unpicklers would run

    def find(self, module: str, name: str) -> ForeignName:
        """Return a known name.

        Raises:
            CorruptFileError: it is not known; whatever it means is neither looked for nor run.
        """
        found = ForeignName(module, name)
        if found not in self._names:
            raise CorruptFileError(f"it names {found}, which no file of weights needs")
        return found

    def call(self, function: object, arguments: object) -> object:
        """Build what a call stands for."""
        if not isinstance(function, ForeignName):
            raise CorruptFileError("it is damaged: it calls something that has no name")
        if not isinstance(arguments, tuple):
            raise CorruptFileError(f"it is damaged: it calls {function} without a list of arguments")
        builder = self._names.get(function)
        if builder is None:
            raise CorruptFileError(f"it calls {function}, which no file of weights does")
        return builder(arguments)

    def build(self, target: object, state: object) -> None:
        """Give an object the state that the file tells of it."""
        if isinstance(state, tuple) and len(state) == 2 and state[1] is None and isinstance(state[0], dict):
            state = state[0]
        if isinstance(target, ForeignObject) and isinstance(state, dict):
            target.state = state
        elif isinstance(target, ForeignArray | ForeignDtype):
            build_from_state(target, state)
        elif not (isinstance(target, dict) and isinstance(state, dict)):  # PyTorch hangs versions on its dictionaries
            raise CorruptFileError(f"it gives a {printable(type(target).__name__)} a state that it cannot have")


def checked_key(key: object) -> Key:
    """Return a key of a dictionary or an element of a set.

    Raises:
        CorruptFileError: it is of a kind that could make dictionaries slow or endless.
    """
    if isinstance(key, str | bool | None) or (isinstance(key, int) and abs(key) < _LARGEST_KEY):
        return key
    raise CorruptFileError(f"it has a {type(key).__name__} as a key, which no file of weights has")


def set_pairs(target: object, items: list[object]) -> None:
    """Put keys and values that follow each other into a dictionary."""
    if not isinstance(target, dict):
        raise CorruptFileError(f"it is damaged: it puts items into a {type(target).__name__}")
    if len(items) % 2:
        raise CorruptFileError("it is damaged: a key has no value")
    for index in range(0, len(items), 2):
        target[checked_key(items[index])] = items[index + 1]
