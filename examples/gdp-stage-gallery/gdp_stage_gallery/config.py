"""Settings of the stage; imports no torch, for every gdp command reads this module."""

from pathlib import Path

import gdp
from pydantic import Field


class GalleryConfig(gdp.Config):
    """Settings of the stage `gallery`."""

    pictures: Path
    """Folder of pictures; each that stands in it is translated."""
    longest_side: int = Field(default=512, ge=16)
    """Pixels of the longer side, at most: larger pictures are made smaller first."""
