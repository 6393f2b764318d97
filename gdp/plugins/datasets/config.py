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


class UnpairedFolderConfig(Config):
    """Settings of `unpaired-folder`."""

    folder: Path = Field(examples=["datasets/monet2photo"])
    """Folder that holds trainA, trainB, testA and testB; folders in those are searched, too."""
    resolution: int = Field(default=256, ge=8)
    """Height and width in pixels: pictures are cropped to the central square and resized (bicubic, antialiased)."""
    max_pictures: int | None = Field(default=None, ge=1)
    """At most so many pictures of each part, evenly spread over its file names; left out, all."""
    require_test_parts: bool = True
    """Whether testA and testB must be there; if not, a part that is missing counts 0 pictures."""
