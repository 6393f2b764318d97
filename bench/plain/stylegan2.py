"""StyleGAN2's networks (Karras et al., CVPR 2020) in reference operators, as published without its fused kernels.

Weights are modulated and demodulated for each sample and convolved in one grouped convolution; the low-pass filter
runs over pictures with zeros inserted. No class conditioning, no clamping.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GAIN = math.sqrt(2)


def low_pass_filter() -> Tensor:
    """Return the filter [1, 3, 3, 1] in two dimensions (4, 4), with sum 1."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = taps[:, None] * taps[None, :]
    return kernel / kernel.sum()


def upfirdn2d(x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Insert zeros, pad, filter and thin out every channel of x (N, C, H, W); the filter's gain is `up` squared.

    Of the two published reference forms this is the one that is ten times faster on a processor: a convolution with a
    group for each channel, and not one of N * C pictures of one channel.
    """
    n, channels, height, width = x.shape
    x = x.reshape(n, channels, height, 1, width, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1])
    x = x.reshape(n, channels, height * up, width * up)
    x = F.pad(x, [padding[0], padding[1], padding[0], padding[1]])
    weight = (kernel * up**2).flip([0, 1])[None, None].repeat(channels, 1, 1, 1)
    return F.conv2d(x, weight, groups=channels)[:, :, ::down, ::down]


def biased_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """Add a bias (C,) to x (N, C, ...), apply the leaky ReLU of slope 0.2 and its gain."""
    x = x + bias.reshape(1, -1, *[1] * (x.ndim - 2))
    x = F.leaky_relu(x, 0.2)
    return x * GAIN


def modulated_convolution(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, blur: Tensor | None) -> Tensor:
    """Convolve x (N, I, H, W) with a weight (O, I, k, k) of its own for each sample; with `blur` the size doubles.

    StyleGAN2, equations 1 and 3: the weight is scaled by the sample's style (N, I), then to norm 1.
    """
    samples, channels, height, width = x.shape
    weights = weight[None] * style.reshape(samples, 1, channels, 1, 1)  # (N, O, I, k, k)
    if demodulate:
        scale = torch.rsqrt(weights.square().sum(dim=[2, 3, 4]) + 1e-8)
        weights = weights * scale.reshape(samples, -1, 1, 1, 1)
    x = x.reshape(1, samples * channels, height, width)
    if blur is None:
        x = F.conv2d(x, weights.flatten(0, 1), padding=weight.shape[2] // 2, groups=samples)
        return x.reshape(samples, -1, *x.shape[2:])
    weights = weights.transpose(1, 2).flatten(0, 1)  # (N * I, O, k, k)
    x = F.conv_transpose2d(x, weights, stride=2, groups=samples)
    x = x.reshape(samples, -1, *x.shape[2:])
    return upfirdn2d(x, blur * 4, padding=(1, 1))


class Linear(nn.Module):
    """A linear layer with an equalised learning rate, and a leaky ReLU where `activate` is set."""

    def __init__(
        self, inputs: int, outputs: int, *, activate: bool = False, multiplier: float = 1.0, bias: float = 0.0
    ) -> None:
        super().__init__()
        self.activate = activate
        self.multiplier = multiplier
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / multiplier)
        self.bias = nn.Parameter(torch.full([outputs], bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, inputs) to (N, outputs)."""
        weight = self.weight * (self.multiplier / math.sqrt(x.shape[1]))
        bias = self.bias * self.multiplier
        return biased_leaky_relu(F.linear(x, weight), bias) if self.activate else F.linear(x, weight, bias)


class MappingNetwork(nn.Module):
    """z -> w, the same for every layer; keeps the moving mean of w."""

    w_avg: Tensor

    def __init__(self, z_dim: int, w_dim: int, num_ws: int, layers: int, multiplier: float) -> None:
        super().__init__()
        self.num_ws = num_ws
        self.layers = layers
        for index in range(layers):
            inputs = z_dim if index == 0 else w_dim
            self.add_module(f"fc{index}", Linear(inputs, w_dim, activate=True, multiplier=multiplier))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor) -> Tensor:
        """Map z (N, z_dim) to ws (N, num_ws, w_dim)."""
        w = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for index in range(self.layers):
            w = self.get_submodule(f"fc{index}")(w)
        if self.training:
            self.w_avg.copy_(w.detach().mean(dim=0).lerp(self.w_avg, 0.995))
        return w[:, None].repeat(1, self.num_ws, 1)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", low_pass_filter())

    def forward(self, x: Tensor, w: Tensor, noise: bool) -> Tensor:
        """Map x (N, inputs, H, W) and w (N, w_dim) to (N, outputs, R, R), with fresh noise where it is asked for."""
        x = modulated_convolution(x, self.weight, self.affine(w), True, self.resample_filter if self.up else None)
        if noise:
            x = x + torch.randn(len(x), 1, *x.shape[2:], device=x.device) * self.noise_strength
        return biased_leaky_relu(x, self.bias)


class ToRgbLayer(nn.Module):
    """Modulated 1x1 convolution to a picture."""

    def __init__(self, inputs: int, w_dim: int) -> None:
        super().__init__()
        self.affine = Linear(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x (N, inputs, H, W) and w (N, w_dim) to (N, 3, H, W)."""
        style = self.affine(w) * (1 / math.sqrt(x.shape[1]))
        x = modulated_convolution(x, self.weight, style, False, None)
        return x + self.bias.reshape(1, -1, 1, 1)


class SynthesisBlock(nn.Module):
    """One resolution: the features and the picture of the block before, enlarged and refined."""

    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, w_dim: int, resolution: int) -> None:
        super().__init__()
        self.register_buffer("resample_filter", low_pass_filter())
        self.is_first = inputs == 0
        if self.is_first:
            self.const = nn.Parameter(torch.randn(outputs, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(inputs, outputs, w_dim, resolution, up=True)
        self.conv1 = SynthesisLayer(outputs, outputs, w_dim, resolution, up=False)
        self.torgb = ToRgbLayer(outputs, w_dim)

    def forward(self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: bool) -> tuple[Tensor, Tensor]:
        """Return features (N, outputs, R, R) and picture (N, 3, R, R); `ws` (N, 3, w_dim), in the first block 2."""
        if x is None or image is None:
            x = self.conv1(self.const[None].repeat(len(ws), 1, 1, 1), ws[:, 0], noise)
            return x, self.torgb(x, ws[:, 1])
        x = self.conv0(x, ws[:, 0], noise)
        x = self.conv1(x, ws[:, 1], noise)
        image = upfirdn2d(image, self.resample_filter, up=2, padding=(2, 1))
        return x, image + self.torgb(x, ws[:, 2])


class SynthesisNetwork(nn.Module):
    """ws -> picture, with skip connections to RGB."""

    def __init__(self, w_dim: int, channels: Mapping[int, int]) -> None:
        super().__init__()
        self.sizes = sorted(channels)
        self.num_ws = 2 * len(self.sizes)
        for size in self.sizes:
            inputs = 0 if size == 4 else channels[size // 2]
            self.add_module(f"b{size}", SynthesisBlock(inputs, channels[size], w_dim, size))

    def forward(self, ws: Tensor, noise: bool) -> Tensor:
        """Map ws (N, num_ws, w_dim) to pictures (N, 3, R, R)."""
        x = image = None
        start = 0
        for size in self.sizes:
            count = 1 if size == 4 else 2
            x, image = self.get_submodule(f"b{size}")(x, image, ws[:, start : start + count + 1], noise)
            start += count
        assert isinstance(image, Tensor)
        return image


class Generator(nn.Module):
    """z -> w -> picture; `channels` gives the feature maps at 4, 8, ... R pixels."""

    def __init__(self, z_dim: int, w_dim: int, channels: Mapping[int, int], layers: int, multiplier: float) -> None:
        super().__init__()
        self.synthesis = SynthesisNetwork(w_dim, channels)
        self.mapping = MappingNetwork(z_dim, w_dim, self.synthesis.num_ws, layers, multiplier)


class ConvolutionLayer(nn.Module):
    """A convolution of the discriminator, with bias and leaky ReLU where `activate` is set; halves with `down`."""

    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, size: int, *, down: bool = False, activate: bool = True) -> None:
        super().__init__()
        self.down = down
        self.gain = 1 / math.sqrt(inputs * size**2)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if activate else None
        self.register_buffer("resample_filter", low_pass_filter())

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, inputs, H, W) to (N, outputs, H, W), or to half the size."""
        weight = self.weight * self.gain
        if not self.down:
            x = F.conv2d(x, weight, padding=weight.shape[2] // 2)
        elif weight.shape[2] == 1:
            x = F.conv2d(upfirdn2d(x, self.resample_filter, down=2, padding=(1, 1)), weight)
        else:
            x = F.conv2d(upfirdn2d(x, self.resample_filter, padding=(2, 2)), weight, stride=2)
        return x if self.bias is None else biased_leaky_relu(x, self.bias)


class DiscriminatorBlock(nn.Module):
    """One resolution of the residual discriminator; the first one reads the picture."""

    resample_filter: Tensor

    def __init__(self, inputs: int, outputs: int, first: bool) -> None:
        super().__init__()
        self.register_buffer("resample_filter", low_pass_filter())
        self.fromrgb = ConvolutionLayer(3, inputs, 1) if first else None
        self.conv0 = ConvolutionLayer(inputs, inputs, 3)
        self.conv1 = ConvolutionLayer(inputs, outputs, 3, down=True)
        self.skip = ConvolutionLayer(inputs, outputs, 1, down=True, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, R, R), or the picture, to (N, outputs, R/2, R/2)."""
        if self.fromrgb is not None:
            x = self.fromrgb(x)
        total: Tensor = self.skip(x) + self.conv1(self.conv0(x))
        return total / GAIN


class DiscriminatorEnd(nn.Module):
    """The standard deviation over a group of samples, a convolution and two linear layers."""

    def __init__(self, channels: int, group: int) -> None:
        super().__init__()
        self.group = group
        self.conv = ConvolutionLayer(channels + 1, channels, 3)
        self.fc = Linear(channels * 16, channels, activate=True)
        self.out = Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, 4, 4) to logits (N, 1)."""
        samples, channels, height, width = x.shape
        group = min(self.group, samples)
        deviation = x.reshape(group, -1, channels, height, width)
        deviation = torch.sqrt(deviation.var(dim=0, unbiased=False) + 1e-8).mean(dim=[1, 2, 3])
        maps = deviation.reshape(-1, 1, 1, 1).repeat(group, 1, height, width)
        x = self.conv(torch.cat([x, maps], dim=1))
        logits: Tensor = self.out(self.fc(x.flatten(1)))
        return logits


class Discriminator(nn.Module):
    """Picture -> logit, positive for real."""

    def __init__(self, channels: Mapping[int, int], group: int) -> None:
        super().__init__()
        self.sizes = sorted(channels, reverse=True)[:-1]
        for size in self.sizes:
            block = DiscriminatorBlock(channels[size], channels[size // 2], first=size == self.sizes[0])
            self.add_module(f"b{size}", block)
        self.b4 = DiscriminatorEnd(channels[4], group)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (N, 3, R, R) to logits (N, 1)."""
        for size in self.sizes:
            x = self.get_submodule(f"b{size}")(x)
        logits: Tensor = self.b4(x)
        return logits
