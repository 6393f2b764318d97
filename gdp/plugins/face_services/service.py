"""What the engine asks of a service, and how a service answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from gdp.core.pairs.records import Json

Kind = Literal["answered", "unusable", "unknown", "busy", "failed"]


@dataclass(frozen=True)
class Reply:
    """What came of one call."""

    kind: Kind
    """answered; charged, and of no use (garbage); unknown whether charged (the connection broke); too many calls, not
    charged; or not charged for another reason (5xx, 408, no connection)."""
    answer: Json = None
    """What is kept: {"faces": [...]}, or {"problem": words} for a picture that the service refuses."""
    reason: str = ""
    """Why there is no answer, in words."""
    wait: float | None = None
    """Seconds that the service asks to wait; None where it says nothing."""


@dataclass(frozen=True)
class Limits:
    """What pictures a service takes."""

    least_bytes: int
    most_bytes: int


class Service(Protocol):
    """A face service that is asked one question about many pictures; `ask` is called from many threads."""

    name: str
    """Name of the service in the book of answers and whose budget it is."""
    scope: str
    """Whose rate limit it is: the service at one address."""
    question: Json
    """All that the answer depends on beside the picture."""
    limits: Limits

    def covers(self, other: Json) -> bool:
        """Say whether the answer to another question holds all that is needed of the answer to this one."""

    def ask(self, picture: bytes, sending: Callable[[], None]) -> Reply:
        """Send one picture and return what came of it; `sending` is called at the moment when it goes out.

        Raises:
            GdpError: the service refuses all such calls (wrong key, retired attribute); nothing was charged.
        """

    def close(self) -> None:
        """Close the connections."""
