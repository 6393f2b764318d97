"""StyleGAN2: networks, losses, training and projection, and the teacher that they make."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.stylegan2.config import StyleGAN2Config
from gdp.plugins.stylegan2.training_settings import TrainingSettings


@hookimpl
def gdp_register_teachers(register: Register) -> None:
    """Register the StyleGAN2 teacher."""
    register(
        "stylegan2",
        config=StyleGAN2Config,
        implementation="gdp.plugins.stylegan2.teacher:StyleGAN2Teacher",
        summary="A StyleGAN2 generator of any size, from .safetensors weights or built in; can be trained here",
        training=TrainingSettings,
    )
