"""Settings of the losses; imports no torch."""

from __future__ import annotations

from pathlib import Path

from gdp.core.config import Config


class NoSettings(Config):
    """A loss without settings of its own; its `weight` is core's."""


class PerceptualVGGConfig(Config):
    """Settings of `perceptual-vgg`."""

    weights: Path | None = None
    """VGG19's ImageNet weights as torchvision has them (.pth or .safetensors); left out, torchvision's cached file."""
    imagenet_normalisation: bool = False
    """Normalise pictures as VGG19 was trained on; the published pix2pixHD does not."""
