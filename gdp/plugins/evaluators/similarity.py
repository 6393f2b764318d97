"""How alike pictures are: a number for each picture of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchmetrics
from torch import Tensor
from torch.nn.functional import conv2d, pad
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

MAX_PSNR_DB = 100.0
"""What pictures that agree exactly count: their PSNR is infinite, which no mean and no JSON can hold."""

PSNR_PROTOCOL = (
    f"PSNR of each picture over its RGB values with data range 2 ([-1, 1]), then the mean over pictures; at most "
    f"{MAX_PSNR_DB:.0f} dB a picture; torchmetrics {torchmetrics.__version__}"
)
SSIM_PROTOCOL = (
    f"SSIM (Wang et al. 2004: Gaussian window 11 with sigma 1.5, data range 2, RGB channels alike) of each picture, "
    f"then the mean over pictures; torchmetrics {torchmetrics.__version__}"
)


def psnr_db(images: Tensor, references: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each picture, (N,), at most `MAX_PSNR_DB`.

    Args:
        images: (N, 3, H, W) in [-1, 1].
        references: (N, 3, H, W) in [-1, 1].
    """
    values: Tensor = peak_signal_noise_ratio(images, references, data_range=2.0, reduction="none", dim=(1, 2, 3))
    return values.clamp(max=MAX_PSNR_DB)


def ssim(images: Tensor, references: Tensor) -> Tensor:
    """Structural similarity in [-1, 1] of each picture, (N,).

    Args:
        images: (N, 3, H, W) in [-1, 1], at least 11 pixels high and wide.
        references: (N, 3, H, W) in [-1, 1].
    """
    values = structural_similarity_index_measure(images, references, data_range=2.0, reduction="none")
    assert isinstance(values, Tensor)  # it returns a tuple only when asked for the full map
    return values.reshape(len(images))


def l1(images: Tensor, references: Tensor) -> Tensor:
    """Mean absolute difference of each picture, (N,), in units of the range [-1, 1] (so between 0 and 2)."""
    return (images - references).abs().mean(dim=(1, 2, 3))


def laplacian_variance(images: Tensor) -> Tensor:
    """Variance of the Laplacian of the luminance of each picture, (N,): the usual measure of sharpness.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy"; 4-neighbour Laplacian, edges repeated,
    luminance by ITU-R BT.601.

    Args:
        images: (N, 3, H, W) in [-1, 1].
    """
    weights = images.new_tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    luminance = (images * weights).sum(dim=1, keepdim=True)  # (N, 1, H, W)
    kernel = images.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).reshape(1, 1, 3, 3)
    edges = conv2d(pad(luminance, (1, 1, 1, 1), mode="replicate"), kernel)
    return torch.var(edges, dim=(1, 2, 3), correction=0)


@dataclass(frozen=True)
class Measure:
    """One way to compare pictures with what they ought to be."""

    of: Callable[[Tensor, Tensor], Tensor]
    """Pictures and references, each (N, 3, H, W) in [-1, 1], to a number for each picture, (N,)."""
    protocol: str
    unit: str
    better: str


MEASURES = {
    "psnr_db": Measure(psnr_db, PSNR_PROTOCOL, "dB", "higher"),
    "ssim": Measure(ssim, SSIM_PROTOCOL, "", "higher"),
    "l1": Measure(l1, "Mean absolute difference of RGB values in units of the range [-1, 1]", "", "lower"),
}
"""What pictures are compared by wherever it is known what they ought to be."""
