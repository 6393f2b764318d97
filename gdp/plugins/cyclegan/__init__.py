"""CycleGAN (Zhu et al., ICCV 2017): unpaired translation as the teacher, with its training."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register, RegisterConverter
from gdp.plugins.cyclegan.config import CycleGANConfig, CycleGANTraining


@hookimpl
def gdp_register_teachers(register: Register) -> None:
    """Register the CycleGAN teacher."""
    register(
        "cyclegan",
        config=CycleGANConfig,
        implementation="gdp.plugins.cyclegan.teacher:CycleGANTeacher",
        summary="A CycleGAN generator of any width and number of blocks, built in or published; can be trained here",
        training=CycleGANTraining,
    )


@hookimpl
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register CycleGAN's published checkpoints."""
    register(
        "cyclegan",
        implementation="gdp.plugins.cyclegan.conversion:CycleGANConverter",
        summary="CycleGAN as a .pth state dict of one generator or discriminator, of any age",
    )
