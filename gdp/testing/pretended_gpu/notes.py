"""What work on the pretended GPU is found to do: where it waits, and how many kernels it launches. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Wait:
    """A place where the processor waits until the GPU has done all that it was given."""

    what: str
    """`item`, `copy to the processor`, `copy to the GPU`, `mask`, `nonzero`, `synchronize` and the like."""
    function: str
    """The innermost function that is neither torch's nor Python's own, as `package.module:Class.method`."""
    line: int
    """The line in that function's file."""
    callers: tuple[str, ...]
    """The functions around it, the nearest first, written alike."""

    def within(self, *functions: str) -> bool:
        """Say whether it happens in one of these functions or in what they call."""
        return any(place in functions for place in (self.function, *self.callers))

    def __str__(self) -> str:
        around = "".join(f"\n    called by {caller}" for caller in self.callers)
        return f"{self.what} in {self.function}, line {self.line}{around}"


@dataclass
class Notes:
    """What was noted while some work ran."""

    waits: Counter[Wait] = field(default_factory=Counter)
    """How often it waited, by place."""
    kernels: Counter[str] = field(default_factory=Counter)
    """How many kernels it launched, by torch's operator."""
    types: Counter[str] = field(default_factory=Counter)
    """The same by the type of what they made, such as `bfloat16`."""

    def waits_within(self, functions: Sequence[str], *, but_not_within: Sequence[str] = ()) -> list[Wait]:
        """Return the waits in what is called by some functions, without those in what others call.

        Args:
            functions: such as `gdp.core.training.loop:_Training._train`.
            but_not_within: those that may wait.
        """
        return [wait for wait in self.waits if wait.within(*functions) and not wait.within(*but_not_within)]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        waits = [{**asdict(wait), "count": count} for wait, count in self.waits.items()]
        return {"waits": waits, "kernels": self.kernels, "types": self.types}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Notes:
        """Return what `as_json` was made of."""
        waits: Counter[Wait] = Counter()
        for each in content["waits"]:
            waits[Wait(each["what"], each["function"], each["line"], tuple(each["callers"]))] = each["count"]
        return cls(waits, Counter(content["kernels"]), Counter(content["types"]))
