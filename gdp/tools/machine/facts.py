"""What is told of an installation, a line each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Fact:
    """One thing that was found."""

    name: str
    """A word or two."""
    value: str
    """What was found, in words."""
    problem: bool = False
    """Whether something that is installed cannot work."""
    mend: str = ""
    """What to do about it, or what would bring more; empty where nothing is to be done."""

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)
