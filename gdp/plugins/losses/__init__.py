"""Loss terms of a student's objective."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.losses.config import FeatureL2Config, NoSettings, PerceptualVGGConfig


@hookimpl
def gdp_register_losses(register: Register) -> None:
    """Register the built-in losses."""
    register(
        "lsgan",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:LSGANLoss",
        summary="Adversarial, least squares (pix2pixHD's and CycleGAN's)",
    )
    register(
        "hinge",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:HingeLoss",
        summary="Adversarial, hinge",
    )
    register(
        "non-saturating",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:NonSaturatingLoss",
        summary="Adversarial, logistic non-saturating",
    )
    register(
        "feature-matching",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:FeatureMatchingLoss",
        summary="L1 between the discriminator's features of prediction and target; beside an adversarial loss",
    )
    register(
        "perceptual-vgg",
        config=PerceptualVGGConfig,
        implementation="gdp.plugins.losses.terms:PerceptualVGGLoss",
        summary="L1 between VGG19's activations of prediction and target",
        licence="Apache-2.0; VGG19's ImageNet weights are the user's own copy of torchvision's",
    )
    register(
        "l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.terms:L1Loss",
        summary="Mean absolute difference of prediction and target",
    )
    register(
        "feature-l2",
        config=FeatureL2Config,
        implementation="gdp.plugins.losses.translation:FeatureL2Loss",
        summary="Mean squared difference of hidden states of student and teacher, 1x1 adapters where channels differ",
    )
    register(
        "output-l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.translation:OutputL1Loss",
        summary="L1 between the student's picture and the teacher's",
    )
    register(
        "cycle-l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.translation:CycleL1Loss",
        summary="L1 between a picture and itself after the way there and back",
    )
    register(
        "identity-l1",
        config=NoSettings,
        implementation="gdp.plugins.losses.translation:IdentityL1Loss",
        summary="L1 between real pictures of the target's domain and what the generator makes of them",
    )
