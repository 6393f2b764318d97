"""Settings of the teacher and of the evaluator; imports no torch, for every gdp command reads this module."""

import gdp
from pydantic import Field


class SmoothingConfig(gdp.Config):
    """Settings of the teacher `smoothing`."""

    resolution: int = Field(default=64, ge=8)
    """Height and width of the pictures, in pixels; that of the dataset whose pictures are translated."""
    steps: int = Field(default=60, ge=1)
    """Steps of diffusion; each takes time and smooths more."""
    edge: float = Field(default=0.15, gt=0, le=2)
    """Differences of neighbouring pixels well above it are edges and stay; in the units of [-1, 1]."""
    rate: float = Field(default=0.2, gt=0, le=0.25)
    """Share of a difference that flows in one step to each of the 4 neighbours; above 0.25 it would not be stable."""


class EdgesConfig(gdp.Config):
    """Settings of the evaluator `edges`."""

    strong: float = Field(default=0.3, gt=0, le=2)
    """Differences of neighbouring pixels of the source that count as an edge; in the units of [-1, 1]."""
    batch: int = Field(default=16, ge=1)
    """Pairs that are measured at once."""
