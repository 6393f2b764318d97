"""Datasets of picture files."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.datasets.config import ImageFolderConfig


@hookimpl
def gdp_register_datasets(register: Register) -> None:
    """Register the built-in datasets of picture files."""
    register(
        "image-folder",
        config=ImageFolderConfig,
        implementation="gdp.plugins.datasets.image_folder:ImageFolder",
        summary="The pictures of a folder, cropped to squares of one size",
    )
