"""Settings of the face plugins; imports no torch."""

from __future__ import annotations

from pydantic import Field

from gdp.core.config import Config


class RenderedFacesConfig(Config):
    """Settings of `rendered-faces`."""

    count: int = Field(default=50_000, ge=1)
    """How many different faces there are. Rendered ones stay in memory: 12 KB a face at 64 pixels."""
    seed: int = 0
    """Which faces they are."""
    resolution: int = Field(default=64, ge=16, le=1024)
    """Height and width in pixels."""
