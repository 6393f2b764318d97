"""The tree of an expression: what each part is, and its value for one pair. None stands for unknown throughout."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from typing import Literal as OneOf

from gdp.core.errors import GdpError

Value = float | str | bool | None
"""A number, a word, a truth value, or None for what is not known."""

Kind = OneOf["number", "word", "truth", "any"]
"""What a part can be, as far as its text tells; the kind of a score is only known when it is looked up."""

Look = Callable[[str], Value]
"""Returns the score of a name as it is written in the expression."""


class Node(Protocol):
    """A part of an expression."""

    @property
    def column(self) -> int:
        """Where it begins in the text, counted from 1."""

    @property
    def kind(self) -> Kind:
        """What it can be."""

    def evaluate(self, look: Look) -> Value:
        """Return its value for one pair.

        Raises:
            GdpError: a score is of the wrong kind for what is done with it.
        """


@dataclass(frozen=True)
class Literal:
    """A number, a word, true or false."""

    value: float | str | bool
    column: int

    @property
    def kind(self) -> Kind:
        """What it is."""
        return kind_of(self.value)

    def evaluate(self, look: Look) -> Value:
        """Return it."""
        return self.value


@dataclass(frozen=True)
class Reference:
    """A score by its name."""

    name: str
    column: int
    kind: Kind = "any"

    def evaluate(self, look: Look) -> Value:
        """Look it up; whole numbers become floating-point numbers, those without an end unknown."""
        value = look(self.name)
        if value is None or isinstance(value, bool | str):
            return value
        return _finite(lambda: float(value))


@dataclass(frozen=True)
class Calculation:
    """An operator or a function of numbers."""

    name: str
    """`+`, `-`, `*`, `/`, `negative`, `abs`, `min` or `max`."""
    operands: tuple[Node, ...]
    column: int
    kind: Kind = "number"

    def evaluate(self, look: Look) -> Value:
        """Calculate; unknown where an operand is, and where there is no finite result."""
        values = [operand.evaluate(look) for operand in self.operands]
        if any(value is None for value in values):
            return None
        numbers = [_number(value, operand) for value, operand in zip(values, self.operands, strict=True)]
        return _finite(lambda: CALCULATIONS[self.name](*numbers))


@dataclass(frozen=True)
class Link:
    """One comparison of a chain: `left operator right`; with `in` and `not in` there are several on the right."""

    operator: str
    left: Node
    right: tuple[Node, ...]

    def evaluate(self, look: Look) -> bool | None:
        """Compare."""
        left = self.left.evaluate(look)
        if self.operator in ("in", "not in"):
            found = any_of(self._same("==", left, right, look) for right in self.right)
            return found if self.operator == "in" else opposite(found)
        return self._same(self.operator, left, self.right[0], look)

    def _same(self, sign: str, left: Value, right: Node, look: Look) -> bool | None:
        value = right.evaluate(look)
        if left is None or value is None:
            return None
        if kind_of(left) != kind_of(value) or (kind_of(left) == "truth" and sign not in ("==", "!=")):
            raise GdpError(
                f"column {self.left.column}: {_shown(left)} {sign} {_shown(value)} cannot be compared; numbers go with "
                f"numbers, words in quotes with words, and true and false only with == and !="
            )
        return bool(COMPARISONS[sign](left, value))


@dataclass(frozen=True)
class Comparison:
    """A chain of comparisons, all of which must hold."""

    links: tuple[Link, ...]
    column: int
    kind: Kind = "truth"

    def evaluate(self, look: Look) -> bool | None:
        """Compare from left to right."""
        return all_of(link.evaluate(look) for link in self.links)


@dataclass(frozen=True)
class Combination:
    """Conditions joined by `and` or `or`."""

    name: OneOf["and", "or"]
    parts: tuple[Node, ...]
    column: int
    kind: Kind = "truth"

    def evaluate(self, look: Look) -> bool | None:
        """Join by Kleene's logic."""
        values = (truth(part.evaluate(look), part) for part in self.parts)
        return all_of(values) if self.name == "and" else any_of(values)


@dataclass(frozen=True)
class Negation:
    """`not` and a condition."""

    operand: Node
    column: int
    kind: Kind = "truth"

    def evaluate(self, look: Look) -> bool | None:
        """Turn it round."""
        return opposite(truth(self.operand.evaluate(look), self.operand))


CALCULATIONS: Mapping[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "negative": operator.neg,
    "abs": abs,
    "min": min,
    "max": max,
}
COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def all_of(values: Iterable[bool | None]) -> bool | None:
    """Join by and: false as soon as one is, else unknown if one is."""
    outcome: bool | None = True
    for value in values:
        if value is False:
            return False
        if value is None:
            outcome = None
    return outcome


def any_of(values: Iterable[bool | None]) -> bool | None:
    """Join by or: true as soon as one is, else unknown if one is."""
    return opposite(all_of(opposite(value) for value in values))


def opposite(value: bool | None) -> bool | None:
    """Negate; the unknown stays unknown."""
    return None if value is None else not value


def truth(value: Value, node: Node) -> bool | None:
    """Return a truth value as it is.

    Raises:
        GdpError: it is a number or a word.
    """
    if value is None or isinstance(value, bool):
        return value
    raise GdpError(
        f"column {node.column}: {_shown(value)} stands where true or false belongs; compare it with something"
    )


def kind_of(value: float | str | bool) -> Kind:
    """Tell numbers, words and truth values apart."""
    if isinstance(value, bool):
        return "truth"
    return "word" if isinstance(value, str) else "number"


def _number(value: Value, node: Node) -> float:
    if isinstance(value, bool | str) or value is None:
        raise GdpError(f"column {node.column}: {_shown(value)} is no number, and only numbers can be calculated with")
    return value


def _finite(calculate: Callable[[], float]) -> float | None:
    try:
        value = calculate()
    except (ZeroDivisionError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value[:40]}"' if isinstance(value, str) else f"{value:g}" if value is not None else "unknown"
