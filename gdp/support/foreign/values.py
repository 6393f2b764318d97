"""What a foreign file's pickle becomes: plain Python values, tensors, and the inert things of this module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

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
    """An object of a class that a file names: what the file says of it, and no behaviour."""

    name: str
    """Of its class, such as `SynthesisNetwork` or `argparse.Namespace`."""
    arguments: tuple[object, ...] = ()
    state: dict[object, object] = field(default_factory=dict)
    """Its attributes by name."""


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
