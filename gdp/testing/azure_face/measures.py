"""Simple measures of a picture's quality, on the scales of the service: each a number in [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

_LUMINANCE = numpy.array([0.299, 0.587, 0.114], dtype=numpy.float32)
_HALF_BLURRED = 0.06
"""Laplacian variance over luminance variance at which the blur is 0.5: a face of 64 px blurred by 1 px."""
_ALL_NOISE = 30.0
"""Standard deviation of noise, in levels of 0 to 255, at which the noise is 1."""


@dataclass(frozen=True)
class Quality:
    """Blur (larger is blurrier), exposure (larger is brighter) and noise (larger is noisier), each in [0, 1]."""

    blur: float
    exposure: float
    noise: float

    @property
    def blur_level(self) -> str:
        """Low below 0.25, high from 0.75 on: the service's bounds."""
        return _level(self.blur, (0.25, 0.75), ("low", "medium", "high"))

    @property
    def exposure_level(self) -> str:
        """Under-exposed below 0.25, over-exposed from 0.75 on: the service's bounds."""
        return _level(self.exposure, (0.25, 0.75), ("underExposure", "goodExposure", "overExposure"))

    @property
    def noise_level(self) -> str:
        """Low below 0.3, high from 0.7 on: the service's bounds."""
        return _level(self.noise, (0.3, 0.7), ("low", "medium", "high"))


def measure(picture: NDArray[numpy.uint8]) -> Quality:
    """Measure a picture of a face, (H, W, 3) uint8 RGB, at least 3 x 3; scaled to 64 px the numbers compare.

    Blur is 1 / (1 + (r / 0.06)^0.8) with r the variance of the 4-neighbour Laplacian over that of the luminance
    (Pech-Pacheco and others, "Diatom autofocusing in brightfield microscopy" (2000), made independent of contrast).
    Exposure is the mean luminance (Rec. 601). Noise is the standard deviation by Immerkaer, "Fast noise variance
    estimation" (1996), equation 4, with the median in place of the mean, so that edges count little; over 30 levels.
    """
    grey = picture.astype(numpy.float32) @ _LUMINANCE  # (H, W), 0 to 255
    middle = grey[1:-1, 1:-1]
    sides = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    corners = grey[:-2, :-2] + grey[:-2, 2:] + grey[2:, :-2] + grey[2:, 2:]
    sharpness = float((sides - 4.0 * middle).var()) / max(float(grey.var()), 1e-6)
    deviation = float(numpy.median(numpy.abs(corners - 2.0 * sides + 4.0 * middle))) / (6.0 * 0.6745)
    return Quality(
        blur=1.0 / (1.0 + math.pow(sharpness / _HALF_BLURRED, 0.8)),
        exposure=float(grey.mean()) / 255.0,
        noise=min(1.0, deviation / _ALL_NOISE),
    )


def _level(value: float, bounds: tuple[float, float], names: tuple[str, str, str]) -> str:
    return names[sum(value >= bound for bound in bounds)]
