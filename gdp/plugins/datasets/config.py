"""Settings of the datasets; imports no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gdp.core.config import Config


class ImageFolderConfig(Config):
    """Settings of `image-folder`."""

    folder: Path = Field(examples=["pictures"])
    """Folder of the pictures; folders in it are searched, too."""
    resolution: int = Field(ge=8, examples=[64])
    """Height and width in pixels: pictures are cropped to the central square and resized (bicubic, antialiased)."""
