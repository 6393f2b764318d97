"""A picture inside of a page."""

from __future__ import annotations

from dataclasses import dataclass

PIXELATED_UP_TO = 160
"""Pictures up to this width in pixels are enlarged without smoothing, so that what is seen is what was made."""


@dataclass(frozen=True)
class EmbeddedPicture:
    """One picture as a data URI; width and height in pixels."""

    label: str
    uri: str
    width: int
    height: int

    @property
    def pixelated(self) -> bool:
        """Say whether it is small enough to be enlarged without smoothing."""
        return self.width <= PIXELATED_UP_TO
