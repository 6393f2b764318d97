"""pix2pixHD (Wang et al., CVPR 2018): a feed-forward image-to-image student."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register, RegisterConverter
from gdp.plugins.pix2pixhd.config import Pix2PixHDConfig


@hookimpl
def gdp_register_students(register: Register) -> None:
    """Register the student."""
    register(
        "pix2pixhd",
        config=Pix2PixHDConfig,
        implementation="gdp.plugins.pix2pixhd.student:Pix2PixHDStudent",
        summary="pix2pixHD's coarse-to-fine generator with a multi-scale patch discriminator",
    )


@hookimpl
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register pix2pixHD's published checkpoints."""
    register(
        "pix2pixhd",
        implementation="gdp.plugins.pix2pixhd.conversion:Pix2PixHDConverter",
        summary="pix2pixHD as a .pth state dict: global generator, local enhancer or discriminator",
    )
