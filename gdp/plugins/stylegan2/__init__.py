"""StyleGAN2: networks, losses, training and projection, and the teacher that they make."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register, RegisterConverter
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


@hookimpl
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register the foreign layouts of StyleGAN2's weights."""
    register(
        "stylegan2-ada",
        implementation="gdp.plugins.stylegan2.conversion.ada:AdaConverter",
        summary="StyleGAN2 as a pickle of NVIDIA's stylegan2-ada-pytorch (G_ema and D)",
    )
    register(
        "stylegan2-tensorflow",
        implementation="gdp.plugins.stylegan2.conversion.tensorflow:TensorFlowConverter",
        summary="StyleGAN2 as a pickle of NVIDIA's TensorFlow programs (G, D, Gs)",
    )
    register(
        "stylegan2-rosinality",
        implementation="gdp.plugins.stylegan2.conversion.rosinality:RosinalityConverter",
        summary="StyleGAN2 as a .pt file of rosinality/stylegan2-pytorch, converted or from training (g_ema and d)",
    )
