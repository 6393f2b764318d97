"""The ResNet student: CycleGAN's generator with fewer residual blocks, and what distils a translator into it."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.resnet.config import ResnetConfig


@hookimpl
def gdp_register_students(register: Register) -> None:
    """Register the student."""
    register(
        "resnet",
        config=ResnetConfig,
        implementation="gdp.plugins.resnet.student:ResnetStudent",
        summary="CycleGAN's generator with 3 residual blocks by default, layers copied from its teacher",
    )
