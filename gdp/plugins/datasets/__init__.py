"""Datasets of picture files, and the public sets that can be downloaded for them."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register, RegisterDownload
from gdp.plugins.datasets.config import ImageFolderConfig, UnpairedFolderConfig
from gdp.plugins.datasets.public_sets import register_public_sets


@hookimpl
def gdp_register_datasets(register: Register) -> None:
    """Register the built-in datasets of picture files."""
    register(
        "image-folder",
        config=ImageFolderConfig,
        implementation="gdp.plugins.datasets.folders:ImageFolder",
        summary="The pictures of a folder, cropped to squares of one size",
    )
    register(
        "unpaired-folder",
        config=UnpairedFolderConfig,
        implementation="gdp.plugins.datasets.folders:UnpairedFolder",
        summary="Pictures of two domains in the folders trainA, trainB, testA and testB, as gdp fetch-data leaves them",
    )


@hookimpl
def gdp_register_downloads(register: RegisterDownload) -> None:
    """Register the public sets of CycleGAN."""
    register_public_sets(register)
