"""The slow route: find the w of given pictures by backpropagation, as the official projector does.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", appendix D, with the defaults of the official
stylegan2-ada-pytorch projector. Its feature distance is LPIPS on VGG16; where such weights are not at hand, a
multi-scale distance that needs none stands in (see `pyramid_features`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from gdp import Progress, Projection, ShapeError, SilentProgress
from gdp.plugins.losses.perceptual import PerceptualLoss, load_vgg19_features
from gdp.plugins.stylegan2.networks import Generator
from gdp.toolbox import counter_generator

STEPS = 1000
W_SAMPLES = 10_000
LEARNING_RATE = 0.1
RAMP_UP = 0.05
RAMP_DOWN = 0.25
W_NOISE = 0.05
W_NOISE_RAMP = 0.75
NOISE_REGULARISATION = 1e5
LARGEST_SIDE = 256
SHOWN_EVERY = 25
"""Steps from one look at the distance, for the display, to the next."""

Features = Callable[[Tensor], Sequence[Tensor]]
"""Pictures (N, 3, S, S) in [-1, 1] to feature tensors (N, ...); the sum of squared differences is the distance."""


@dataclass(frozen=True)
class TracedProjection(Projection):
    """A projection with the one w of each picture and the way there."""

    w: Tensor
    """(N, w_dim); every row of `ws` repeats it."""
    history: Tensor
    """Feature distance of each picture at each step, (steps, N)."""


def pyramid_features(images: Tensor) -> list[Tensor]:
    """Return pictures and their horizontal and vertical differences at every scale from full size down to 8 px.

    Each tensor is divided by the root of its size, so that the squared difference is a mean over pixels; the scales
    count alike. Low scales give a smooth way from afar, differences keep edges sharp.
    """
    features = []
    while True:
        for part in (images, images.diff(dim=2), images.diff(dim=3)):
            features.append(part / part[0].numel() ** 0.5)
        if images.shape[-1] < 16:
            return features
        images = functional.avg_pool2d(images, 2)


PYRAMID_DISTANCE = "squared differences of pictures and of their gradients over an area pyramid down to 8 px"


VGG_DISTANCE = "squared differences of five VGG19 activations (weights of the file that the settings name)"


def vgg_features(weights: Path, device: torch.device) -> Features:
    """Return VGG19's relu1_1 ... relu5_1 as features, each divided by the root of its size.

    Raises:
        MissingResourceError, CorruptFileError: the weights are not there, or are no VGG19's.
    """
    network = PerceptualLoss(load_vgg19_features(weights).to(device), imagenet_normalisation=True)

    def features(images: Tensor) -> list[Tensor]:
        return [part / part[0].numel() ** 0.5 for part in network.activations(images)]

    return features


def project(
    generator: Generator,
    images: Tensor,
    steps: int | None = None,
    progress: Progress | None = None,
    features: Features = pyramid_features,
    distance: str = PYRAMID_DISTANCE,
    seed: int = 0,
) -> TracedProjection:
    """Find one w for each picture whose synthesis looks like it.

    The pictures are optimised side by side and do not touch each other. The noise maps are optimised too, and thrown
    away at the end: the returned pictures have the stored noise, as those of every other w.

    Args:
        generator: in evaluation mode.
        images: (N, 3, R, R) in [-1, 1].
        steps: optimisation steps; None for 1000.
        progress: gets one unit a step.
        features: what is compared, on pictures of at most 256 px (larger ones are reduced by area).
        distance: `features` in one line, for the protocol.
        seed: of the noise added to w and the first noise maps.

    Raises:
        ShapeError: the pictures are not of the generator's size.
    """
    size = generator.resolution
    if images.ndim != 4 or images.shape[1:] != (3, size, size):
        raise ShapeError(f"Pictures to project must be (N, 3, {size}, {size}), not {tuple(images.shape)}.")
    search = _Search(generator, images, features, steps or STEPS, seed)
    history = []
    with (progress or SilentProgress()).task("projection", search.steps, "steps") as task:
        for step in range(search.steps):
            distances = search.advance(step)
            history.append(distances)
            # To look at a number is to wait for the GPU: not after each step.
            task.advance(1, **({} if step % SHOWN_EVERY else {"distance": float(distances.mean())}))
    w = search.w.detach()
    with torch.no_grad():
        ws = w[:, None].repeat(1, generator.num_ws, 1)
        pictures = generator.synthesis(ws, "const")
    return TracedProjection(ws, pictures, search.steps, distance, w, torch.stack(history))


class _Search:
    def __init__(self, generator: Generator, images: Tensor, features: Features, steps: int, seed: int) -> None:
        self.synthesis = generator.synthesis
        self.features = features
        self.steps = steps
        self.num_ws = generator.num_ws
        self.random = counter_generator(seed, "projection", 0, images.device)
        with torch.no_grad():
            self.target = [feature.detach() for feature in features(_reduced(images))]
            mean, self.deviation = _w_statistics(generator, seed)
        self.w = mean.repeat(len(images), 1).requires_grad_()  # (N, w_dim)
        self.noise = {
            name: self._normal(len(images), 1, *buffer.shape).requires_grad_()
            for name, buffer in generator.synthesis.named_buffers()
            if name.endswith("noise_const")
        }
        self.variables = [self.w, *self.noise.values()]
        self.optimizer = torch.optim.Adam(self.variables, lr=LEARNING_RATE, betas=(0.9, 0.999))

    def advance(self, step: int) -> Tensor:
        """Do one step and return the feature distance of each picture before it, (N,)."""
        time = step / self.steps
        self.optimizer.param_groups[0]["lr"] = LEARNING_RATE * _learning_rate_factor(time)
        spread = self.deviation * W_NOISE * max(0.0, 1 - time / W_NOISE_RAMP) ** 2
        w = self.w + self._normal(*self.w.shape) * spread
        ws = w[:, None].repeat(1, self.num_ws, 1)
        images = functional_call(self.synthesis, self.noise, (ws, "const"))
        distances = _squared_difference(self.features(_reduced(images)), self.target)
        loss = distances.sum() + NOISE_REGULARISATION * noise_autocorrelation(list(self.noise.values()))
        for variable, gradient in zip(self.variables, torch.autograd.grad(loss, self.variables), strict=True):
            variable.grad = gradient
        self.optimizer.step()
        _renormalise(list(self.noise.values()))
        return distances.detach()

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random, device=self.random.device)


def noise_autocorrelation(maps: Sequence[Tensor]) -> Tensor:
    """Sum over pictures, maps and scales of the squared correlation of noise with itself one pixel on, a scalar.

    StyleGAN2, appendix D, equation 10: each map is halved by averaging down to 8 px.

    Args:
        maps: (N, 1, R, R) each.
    """
    total = maps[0].new_zeros(())
    for noise in maps:
        while True:
            for axis in (2, 3):
                total = total + (noise * noise.roll(1, axis)).mean(dim=(1, 2, 3)).square().sum()
            if noise.shape[-1] <= 8:
                break
            noise = functional.avg_pool2d(noise, 2)  # noqa: PLW2901 # the next scale of the same map
    return total


@torch.no_grad()
def _w_statistics(generator: Generator, seed: int) -> tuple[Tensor, float]:
    """Return the mean w (w_dim,) and the root of the mean squared distance from it, over 10,000 samples."""
    device = generator.mapping.w_avg.device
    z = torch.randn(W_SAMPLES, generator.z_dim, generator=counter_generator(seed, "w statistics", 0)).to(device)
    w = generator.mapping(z)[:, 0]  # (W_SAMPLES, w_dim)
    mean = w.mean(dim=0)
    return mean, float((w - mean).square().sum(dim=1).mean().sqrt())


def _learning_rate_factor(time: float) -> float:
    """Rise linearly over the first 5 %, fall as a cosine over the last 25 %; `time` runs from 0 to 1."""
    falling = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - time) / RAMP_DOWN))
    return falling * min(1.0, time / RAMP_UP)


def _reduced(images: Tensor) -> Tensor:
    if images.shape[-1] <= LARGEST_SIDE:
        return images
    return functional.interpolate(images, size=(LARGEST_SIDE, LARGEST_SIDE), mode="area")


def _squared_difference(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    parts = [(got - want).square().flatten(1).sum(dim=1) for got, want in zip(features, target, strict=True)]
    return torch.stack(parts).sum(dim=0)  # (N,)


@torch.no_grad()
def _renormalise(maps: Sequence[Tensor]) -> None:
    for noise in maps:
        noise.sub_(noise.mean(dim=(1, 2, 3), keepdim=True))
        noise.mul_(noise.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt())
