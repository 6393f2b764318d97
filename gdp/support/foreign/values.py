"""What a foreign file's pickle becomes: plain Python values, tensors, and the inert things of this module.

How much a foreign file may ask for: enough for the largest known checkpoint, little enough to answer at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from gdp.core.errors import CorruptFileError

OPERATIONS = 400_000
"""Pickle operations in a file, the pickles within it included; a StyleGAN2 pickle takes about 50,000."""
TEXT = 16 * 2**20
"""Bytes of one piece of text; embedded source is below 100 kB."""
ALL_TEXT = 128 * 2**20
"""Bytes of all text together."""
LINE = 4096
"""Bytes of a line of the text protocol, but for texts."""
INTEGER = 64
"""Bytes of an integer."""
DIMENSIONS = 16
"""Of a tensor."""
SHARED = 2
"""Tensors may share memory so often: bytes of all tensors for each byte of the file."""
TENSORS = 10_000
"""Tensors in a file; networks are built from their number before anything is compared."""
FREE = 16 * 2**20
"""Bytes of tensors that any file may hold."""


class Budget:
    """What is left of the limits while one file is read."""

    def __init__(self, size: int) -> None:
        """Begin.

        Args:
            size: bytes of the file.
        """
        self.operations = OPERATIONS
        self._text = ALL_TEXT
        self._count = TENSORS
        self._tensors = FREE + SHARED * size

    def spend_text(self, size: int) -> None:
        """Take so many bytes of text.

        Raises:
            CorruptFileError: it is too much.
        """
        self._text -= size
        if size > TEXT or self._text < 0:
            raise CorruptFileError("it holds more text than any file of weights")

    def spend_tensor(self, size: int) -> None:
        """Take one tensor of so many bytes.

        Raises:
            CorruptFileError: it is more than the file can hold.
        """
        self._count -= 1
        if self._count < 0:
            raise CorruptFileError(f"it holds more than {TENSORS:,} tensors")
        self._tensors -= size
        if self._tensors < 0:
            raise CorruptFileError("its tensors together would be far larger than the file")


Builder = Callable[[tuple[object, ...]], object]
"""Builds the value that a call in the file stands for, from the call's arguments."""

_SHOWN = 80


@dataclass(frozen=True)
class ForeignName:
    """The name of a class or function. It stands for nothing: what is called so is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return printable(f"{self.module}.{self.name}")


@dataclass(eq=False)
class ForeignObject:
    """An object of a class that a file names: what the file says of it, and no behaviour.

    Attributes:
        name: Of its class, such as `SynthesisNetwork` or `argparse.Namespace`.
        arguments: What it was called with.
        state: Its attributes by name.
    """

    name: str
    arguments: tuple[object, ...] = ()
    state: dict[object, object] = field(default_factory=dict)


@dataclass(eq=False)
class ForeignArray:
    """A numpy array of the file, as a tensor."""

    value: Tensor | None = None
    """None until the file has told its shape and numbers."""


@dataclass(eq=False)
class ForeignDtype:
    """A numpy data type of the file."""

    code: str
    """Such as `f4`."""
    order: str = "|"
    """`<`, `>`, or `|` where it does not matter."""


def as_tensor(value: object) -> Tensor | None:
    """Return the tensor that a value of a file is or holds; None for anything else."""
    if isinstance(value, ForeignArray):
        return value.value
    return value if isinstance(value, Tensor) else None


def printable(text: str) -> str:
    """Return text of a foreign file as an error message may show it: short, and without control characters."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_SHOWN])
    return shown if len(text) <= _SHOWN else f"{shown}..."
