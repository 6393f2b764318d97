"""The official projector's step on the plain StyleGAN2 network: everything anew, separate operators, torch's Adam.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", appendix D. The distance and the noise's
regulariser are gdp's: they are small beside the network, and both must look for the same w.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from gdp.plugins.stylegan2.projection import (
    LARGEST_SIDE,
    LEARNING_RATE,
    NOISE_REGULARISATION,
    RAMP_DOWN,
    RAMP_UP,
    W_NOISE,
    W_NOISE_RAMP,
    noise_autocorrelation,
    pyramid_features,
)
from plain.stylegan2 import SynthesisLayer, SynthesisNetwork, biased_leaky_relu, modulated_convolution, upfirdn2d


def noise_maps(network: SynthesisNetwork) -> dict[str, Tensor]:
    """Return the stored noise (R, R) of each layer by its buffer's name."""
    return {name: buffer for name, buffer in network.named_buffers() if name.endswith("noise_const")}


def synthesize(network: SynthesisNetwork, ws: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
    """Map ws (N, num_ws, w_dim) to pictures (N, 3, R, R) with given noise, (R, R) or (N, 1, R, R) by buffer's name."""
    x = image = None
    start = 0
    for size in network.sizes:
        block = network.get_submodule(f"b{size}")
        names = ["conv1"] if x is None else ["conv0", "conv1"]
        if x is None:
            x = block.const[None].repeat(len(ws), 1, 1, 1)
        for name in names:
            x = _layer(block.get_submodule(name), x, ws[:, start], noise[f"b{size}.{name}.noise_const"])
            start += 1
        rgb = block.torgb(x, ws[:, start])
        image = rgb if image is None else upfirdn2d(image, block.resample_filter, up=2, padding=(2, 1)) + rgb
    assert isinstance(image, Tensor)
    return image


def _layer(layer: SynthesisLayer, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    x = modulated_convolution(x, layer.weight, layer.affine(w), True, layer.resample_filter if layer.up else None)
    return biased_leaky_relu(x + noise * layer.noise_strength, layer.bias)


class PlainProjection:
    """The search for the w of pictures.

    Args:
        network: its weights get no gradient.
        target: (N, 3, R, R) in [-1, 1].
        w: (N, w_dim) to begin with.
        noise: (N, 1, R, R) to begin with, by buffer's name.
        deviation: root of the mean squared distance of w from its mean.
        steps: of the whole search.
        random: source of the noise added to w.
    """

    def __init__(
        self,
        network: SynthesisNetwork,
        target: Tensor,
        w: Tensor,
        noise: Mapping[str, Tensor],
        deviation: float,
        steps: int,
        random: torch.Generator,
    ) -> None:
        self.network = network.requires_grad_(False)
        self.target = pyramid_features(_reduced(target))
        self.w = w.detach().clone().requires_grad_()
        self.noise = {name: values.detach().clone().requires_grad_() for name, values in noise.items()}
        self.deviation, self.steps, self.random = deviation, steps, random
        self.optimizer = torch.optim.Adam([self.w, *self.noise.values()], lr=LEARNING_RATE, betas=(0.9, 0.999))

    def advance(self, step: int) -> Tensor:
        """Do step `step`, counted from 0, and return the distance of each picture before it, (N,)."""
        time = step / self.steps
        falling = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - time) / RAMP_DOWN))
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * falling * min(1.0, time / RAMP_UP)
        spread = self.deviation * W_NOISE * max(0.0, 1 - time / W_NOISE_RAMP) ** 2
        w = self.w + torch.randn(self.w.shape, generator=self.random, device=self.w.device) * spread
        images = synthesize(self.network, w[:, None].repeat(1, self.network.num_ws, 1), self.noise)
        distances = torch.zeros(len(w), device=w.device)
        for got, want in zip(pyramid_features(_reduced(images)), self.target, strict=True):
            distances = distances + (got - want).square().sum(dim=[1, 2, 3])
        loss = distances.sum() + NOISE_REGULARISATION * noise_autocorrelation([*self.noise.values()])
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        with torch.no_grad():
            for noise in self.noise.values():
                noise.sub_(noise.mean(dim=[1, 2, 3], keepdim=True))
                noise.mul_(noise.square().mean(dim=[1, 2, 3], keepdim=True).rsqrt())
        return distances.detach()


def _reduced(images: Tensor) -> Tensor:
    """Bring pictures to at most the side that the projector compares at."""
    return F.interpolate(images, size=(LARGEST_SIDE,) * 2, mode="area") if images.shape[-1] > LARGEST_SIDE else images
