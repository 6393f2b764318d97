"""pix2pixHD's inputs and encoder for labelled scenes with instance maps (Wang et al., CVPR 2018, 3.3 and 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gdp.support.networks.layers import (
    NormalisationName,
    downsampling,
    initialise_weights,
    normalisation,
    stem,
    upsampling,
)


def one_hot_labels(labels: Tensor, classes: int) -> Tensor:
    """Turn a label map (N, 1, H, W; whole numbers 0 ... classes - 1) into planes (N, classes, H, W) of 0 and 1."""
    planes = torch.zeros(labels.shape[0], classes, *labels.shape[2:], device=labels.device)
    return planes.scatter_(1, labels.long(), 1.0)


def instance_edges(instances: Tensor) -> Tensor:
    """Mark with 1 each pixel of (N, 1, H, W) whose right, left, lower or upper neighbour is another instance."""
    edges = torch.zeros(instances.shape, dtype=torch.bool, device=instances.device)
    horizontal = instances[..., :, 1:] != instances[..., :, :-1]
    vertical = instances[..., 1:, :] != instances[..., :-1, :]
    edges[..., :, 1:] |= horizontal
    edges[..., :, :-1] |= horizontal
    edges[..., 1:, :] |= vertical
    edges[..., :-1, :] |= vertical
    return edges.float()


def instance_means(features: Tensor, instances: Tensor) -> Tensor:
    """Replace each pixel of `features` (N, C, H, W) by its channel's mean over its instance in its picture.

    `instances` (N, 1, H, W) holds whole numbers that name the instances.
    """
    n, c, h, w = features.shape
    names, index = torch.unique(instances.reshape(n, -1), return_inverse=True)  # index (N, H*W)
    index = index[:, None].expand(n, c, h * w)
    flat = features.reshape(n, c, h * w)
    sums = flat.new_zeros(n, c, len(names)).scatter_add(2, index, flat)
    counts = flat.new_zeros(n, c, len(names)).scatter_add(2, index, torch.ones_like(flat))
    return (sums / counts.clamp(min=1)).gather(2, index).reshape(n, c, h, w)


class Encoder(nn.Module):
    """Encode a picture to a low-dimensional feature map that is constant over each instance (section 3.4)."""

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 32,
        downsamplings: int = 4,
        norm: NormalisationName = "instance",
    ) -> None:
        super().__init__()
        make_norm = normalisation(norm)
        layers = stem(in_channels, width, make_norm)
        for level in range(downsamplings):
            layers += downsampling(width * 2**level, make_norm)
        for level in range(downsamplings, 0, -1):
            layers += upsampling(width * 2**level, make_norm)
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7), nn.Tanh())
        initialise_weights(self)

    def forward(self, x: Tensor, instances: Tensor) -> Tensor:
        """Encode `x` (N, in_channels, H, W; [-1, 1]) by `instances` (N, 1, H, W) to (N, out_channels, H, W)."""
        return instance_means(self.model(x), instances)
