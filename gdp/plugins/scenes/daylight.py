"""The colours of the hour: sky, sun and the light on the land."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import ramp
from gdp.plugins.scenes.parameters import SceneParameters

_HOURS = (0.0, 0.3, 0.55, 0.8, 1.0)
"""Daytimes at which colours are given: dawn, morning, afternoon, evening, moonlight; between them they blend."""
_ZENITH = ((0.50, 0.58, 0.72), (0.33, 0.52, 0.78), (0.30, 0.50, 0.80), (0.44, 0.47, 0.62), (0.13, 0.17, 0.33))
_SKYLINE = ((0.88, 0.77, 0.73), (0.76, 0.84, 0.90), (0.78, 0.85, 0.88), (0.92, 0.70, 0.50), (0.38, 0.40, 0.54))
_LIGHT = ((0.86, 0.80, 0.80), (1.00, 1.00, 0.98), (1.02, 1.00, 0.95), (0.96, 0.80, 0.64), (0.42, 0.47, 0.62))
_SUN = ((1.00, 0.90, 0.78), (1.00, 0.97, 0.88), (1.00, 0.97, 0.86), (1.00, 0.85, 0.58), (0.93, 0.94, 0.90))


@dataclass(frozen=True)
class Daylight:
    """Colours (N, 3, 1, 1) in [0, 1] of the hour of N scenes; light is a factor and may be a little above 1."""

    zenith: Tensor
    skyline: Tensor
    light: Tensor
    sun: Tensor
    night: Tensor
    """(N, 1, 1): 0 by day to 1 by moonlight."""
    side: Tensor
    """(N, 1, 1): from which side the light comes, -1 (left) to 1 (right)."""


def daylight(scenes: SceneParameters) -> Daylight:
    """The colours of each scene's hour."""
    hour = scenes.number("daytime")
    zenith, skyline, light, sun = (_blend(hour, colours) for colours in (_ZENITH, _SKYLINE, _LIGHT, _SUN))
    side = ((scenes.number("sun_x") - 0.5) * 4.0).clamp(-1.0, 1.0)
    return Daylight(zenith, skyline, light, sun, ramp(hour, 0.82, 0.95), side)


def shades(red: float, green: float, blue: float) -> Tensor:
    """One colour as (1, 3, 1, 1)."""
    return torch.tensor([red, green, blue])[None, :, None, None]


def mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Blend colours (N, 3, H, W) with `share` (N, H, W) in [0, 1] of the second."""
    return first + (second - first) * share.unsqueeze(1)


def _blend(hour: Tensor, colours: tuple[tuple[float, float, float], ...]) -> Tensor:
    blended = shades(*colours[0])
    for number in range(1, len(_HOURS)):
        blended = mix(blended, shades(*colours[number]), ramp(hour, _HOURS[number - 1], _HOURS[number]))
    return blended
