"""Layers of StyleGAN2 with equalised learning rates; parameter names follow the ada-pytorch layout."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdp.plugins.stylegan2.operators import (
    ACTIVATION_GAIN,
    LEAKY_SLOPE,
    convolution,
    demodulation,
    downsampling_convolution,
    leaky_relu,
    low_pass_filter,
    modulated_convolution,
)

NoiseMode = Literal["none", "const", "random"]
"""Noise added to the features: none, the stored maps, or fresh normal numbers for each sample."""


class FullyConnectedLayer(nn.Module):
    """A linear layer whose weight is scaled at run time to unit variance (equalised learning rate)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activate: bool = False,
        learning_rate_multiplier: float = 1.0,
        initial_bias: float = 0.0,
    ) -> None:
        super().__init__()
        self.activate = activate
        self.weight_gain = learning_rate_multiplier / in_features**0.5
        self.bias_gain = learning_rate_multiplier
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / learning_rate_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), initial_bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (N, in) to (N, out), followed by a leaky ReLU with gain sqrt 2 where `activate` is set."""
        y = torch.addmm(self.bias * self.bias_gain, x, (self.weight * self.weight_gain).t())
        return functional.leaky_relu(y, LEAKY_SLOPE) * ACTIVATION_GAIN if self.activate else y


class ConvolutionLayer(nn.Module):
    """A convolution of the discriminator: equalised learning rate, optional halving, bias, leaky ReLU, clamp."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        down: bool = False,
        activate: bool = True,
        bias: bool = True,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.down = down
        self.activate = activate
        self.conv_clamp = conv_clamp
        self.weight_gain = 1 / (in_channels * kernel_size**2) ** 0.5
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("resample_filter", low_pass_filter())

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """Convolve x (N, in, H, W) to (N, out, H, W), or to half the size with `down`; the output is times `gain`."""
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        # The gains go into the weight and the bias, which are small, and not into the feature maps.
        gain = gain * ACTIVATION_GAIN if self.activate else gain
        weight = self.weight * (self.weight_gain * gain)
        bias = None if self.bias is None else self.bias * gain
        if self.down:
            y = downsampling_convolution(x, weight, self.resample_filter, bias)
        else:
            y = convolution(x, weight, bias)
        if self.activate:
            return leaky_relu(y, clamp)
        return y if clamp is None else y.clamp(-clamp, clamp)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution with demodulation, noise, bias and leaky ReLU (StyleGAN2, figure 2c)."""

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool = False,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.up = up
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, initial_bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", low_pass_filter())

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: NoiseMode = "random", random: torch.Generator | None = None
    ) -> Tensor:
        """Map x (N, in, H, W) and w (N, w_dim) to (N, out, R, R), R being the layer's resolution.

        `random` is the source of the random noise.
        """
        style = self.affine(w)  # (N, in)
        scale = demodulation(self.weight, style) * ACTIVATION_GAIN  # (N, out)
        y = modulated_convolution(x, self.weight, style, self.resample_filter if self.up else None)
        offset = (self.bias * ACTIVATION_GAIN).to(y.dtype)[:, None, None]
        y = torch.addcmul(offset, y, scale.to(y.dtype)[:, :, None, None])
        noise = self._noise(y, noise_mode, random)
        if noise is not None:
            y = y.add_(noise)
        return leaky_relu(y, self.conv_clamp)

    def _noise(self, y: Tensor, mode: NoiseMode, random: torch.Generator | None) -> Tensor | None:
        if mode == "none":
            return None
        strength = self.noise_strength * ACTIVATION_GAIN
        if mode == "const":
            return (self.noise_const * strength).to(y.dtype)  # (R, R)
        shape = (y.shape[0], 1, self.resolution, self.resolution)
        return (torch.randn(shape, device=y.device, generator=random) * strength).to(y.dtype)


class ToRgbLayer(nn.Module):
    """Modulated 1x1 convolution without demodulation: features to a picture (StyleGAN2, figure 7b)."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, *, conv_clamp: float | None = None) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.weight_gain = 1 / in_channels**0.5
        self.affine = FullyConnectedLayer(w_dim, in_channels, initial_bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x (N, in, H, W) and w (N, w_dim) to a float32 picture (N, out, H, W)."""
        style = self.affine(w) * self.weight_gain
        y = modulated_convolution(x, self.weight, style).float() + self.bias[:, None, None]
        return y if self.conv_clamp is None else y.clamp(-self.conv_clamp, self.conv_clamp)
