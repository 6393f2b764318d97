"""How fast this machine is: the mission's student, measured by the layer that does most of its work."""

from __future__ import annotations

from statistics import median

import torch
from torch.nn import functional

from gdp.support.timing import time_once

CHANNELS, SIDE = 1024, 32
"""Of the 18 convolutions of pix2pixHD's residual blocks at 512 px."""
LAYER_MACS = CHANNELS * CHANNELS * 9 * SIDE * SIDE
NETWORK_MACS = 217.5e9
"""Of the whole generator for a picture of 512 px; the 18 layers are 80 % of it."""
REPEATS = 5


@torch.no_grad()
def reference_seconds(device: torch.device) -> float:
    """Return the seconds that the full-width pix2pixHD generator takes here for 512 px in float32, extrapolated."""
    picture = torch.randn(1, CHANNELS, SIDE, SIDE, device=device)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device)
    times = [time_once(lambda: functional.conv2d(picture, weight, padding=1), device) for _ in range(REPEATS + 1)]
    return median(times[1:]) / 1000 * NETWORK_MACS / LAYER_MACS
