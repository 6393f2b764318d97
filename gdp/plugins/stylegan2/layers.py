"""Layers of StyleGAN2 with equalised learning rates; parameter names follow the ada-pytorch layout.

Convolutions of StyleGAN2: up- and down-sampling with the low-pass filter, and weight modulation.

Written for speed on a processor as well as on a GPU. Weights are never modulated per sample: with one shared weight
W, (s·W) * x = W * (s·x), so the style scales the input and the demodulation coefficient scales the output. A grouped
convolution with N different weights gives the same numbers and is several times slower.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdp.plugins.stylegan2.low_pass import downsample, filter_channels, low_pass_filter
from gdp.plugins.stylegan2.twice import LEAKY_SLOPE, activate, convolve, convolve_transposed, scale_and_shift

ACTIVATION_GAIN = 2.0**0.5
"""Keeps the variance of a leaky ReLU's output near that of its input."""


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, k, k), k odd, to (N, O, H, W), in the data type of x."""
    weight = weight.to(x.dtype)
    bias = None if bias is None else bias.to(x.dtype)
    if weight.shape[-1] == 1:
        # A product of matrices: torch's own 1x1 convolution leaves channels_last on one thread.
        return functional.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
    return convolve(x, weight, bias, padding=weight.shape[-1] // 2)


def upsampling_convolution(x: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, 3, 3) while doubling its size, to (N, O, 2H, 2W).

    A transposed convolution skips the inserted zeros, and the low-pass filter runs on its output. Measured against
    one composed 6x6 kernel and against a polyphase 3x3 kernel with pixel shuffle, which need four times the
    multiplications, this is two to four times faster on a processor, forward and backward.
    """
    spread = convolve_transposed(x, weight.to(x.dtype).transpose(0, 1), stride=2)  # (N, O, 2H + 1, 2W + 1)
    return filter_channels(spread, kernel * 4, stride=1, padding=1)


def downsampling_convolution(x: Tensor, weight: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, 3, 3) or (O, I, 1, 1) while halving its size, to (N, O, H/2, W/2)."""
    if weight.shape[-1] == 1:
        return convolution(downsample(x, kernel), weight, bias)
    smooth = filter_channels(x, kernel, stride=1, padding=2)  # (N, I, H + 1, W + 1)
    return convolve(smooth, weight.to(x.dtype), None if bias is None else bias.to(x.dtype), stride=2)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """Return the coefficients (N, O) that give each modulated output filter norm 1 (StyleGAN2, equation 3).

    sigma_o = sqrt(sum_i,k (s_i w_oik)^2 + 1e-8); the sum over k does not depend on the sample, so it is a product of
    two small matrices.

    Args:
        weight: (O, I, k, k).
        style: (N, I).
    """
    energy = weight.square().sum(dim=(2, 3))  # (O, I)
    return (style.square() @ energy.t() + 1e-8).rsqrt()


def modulated_convolution(x: Tensor, weight: Tensor, style: Tensor, upsampling_kernel: Tensor | None = None) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, k, k) scaled by each sample's style (N, I) (StyleGAN2, equation 1).

    The output is not demodulated: multiply it by `demodulation`. With `upsampling_kernel` (4, 4) its size is doubled.
    """
    if weight.shape[-1] == 1:
        return _modulated_product(x, weight[:, :, 0, 0], style)
    x = x * style.to(x.dtype)[:, :, None, None]
    if upsampling_kernel is not None:
        return upsampling_convolution(x, weight, upsampling_kernel)
    return convolution(x, weight)


def within_float16(weight: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Return a weight and styles so small that what comes out of their convolution stays below float16's 65,504.

    Demodulation takes the factors out again: each output feature's, and each sample's (as stylegan2-ada-pytorch does).

    Args:
        weight: (O, I, k, k).
        style: (N, I).
    """
    fan_in = weight[0].numel()
    weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * fan_in**0.5)
    return weight, style / style.abs().amax(dim=1, keepdim=True)


def _modulated_product(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    """Multiply x (N, I, H, W) by weight (O, I), scaled by each sample's style (N, I), to (N, O, H, W).

    Here it is the weights that are scaled: they are few, and the features are read once and not written.
    """
    weights, rows = (weight * style[:, None]).to(x.dtype), x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, O, I), (N, HW, I)
    tracked = torch.is_grad_enabled() and (weights.requires_grad or rows.requires_grad)
    product: Tensor = _Product.apply(weights, rows) if tracked else torch.bmm(weights, rows.transpose(1, 2))
    return product.view(*product.shape[:2], *x.shape[2:])


class _Product(torch.autograd.Function):
    """weights (N, O, I) times rows (N, P, I): (N, O, P), with a gradient for the rows that is laid out as they are.

    torch's own has its numbers in the order (N, I, P), and adding it to other gradients of channels_last features
    takes seven times as long.
    """

    @staticmethod
    def forward(ctx: Any, weights: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(weights, rows)
        return torch.bmm(weights, rows.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        g, (weights, rows) = gradients[0], ctx.saved_tensors
        for_weights, for_rows = ctx.needs_input_grad
        of_weights = torch.bmm(g, rows) if for_weights else None
        return of_weights, torch.bmm(g.transpose(1, 2), weights) if for_rows else None


def leaky_relu(x: Tensor, clamp: float | None = None) -> Tensor:
    """Apply the leaky ReLU of slope 0.2, then clamp to [-clamp, clamp].

    Its gain of sqrt 2 is applied by the caller to what comes in, where it costs nothing: the leaky ReLU of a scaled
    number is the scaled leaky ReLU. The numbers of x are overwritten, unless it is a view.
    """
    x = activate(x)
    if clamp is None:
        return x
    return x.clamp(-clamp, clamp) if x.requires_grad else x.clamp_(-clamp, clamp)


def minibatch_standard_deviation(x: Tensor, group_size: int, channels: int) -> Tensor:
    """Append `channels` maps with the standard deviation over a group of samples (Progressive GAN, section 3).

    Sample i is in group i mod (N / group_size); the deviation is averaged over the pixels and over each of `channels`
    equal parts of the feature maps.

    Args:
        x: (N, C, H, W), N divisible by min(group_size, N).
        group_size: samples in a group.
        channels: number of maps to append.

    Returns:
        (N, C + channels, H, W).
    """
    samples, features, height, width = x.shape
    group = min(group_size, samples)
    groups = x.reshape(group, samples // group, channels, features // channels, height, width)
    variance = (groups - groups.mean(dim=0)).square().mean(dim=0)
    deviation = (variance + 1e-8).sqrt().mean(dim=(2, 3, 4))  # (N / group, channels)
    maps = deviation[:, :, None, None].repeat(group, 1, height, width)
    return torch.cat([x, maps], dim=1)


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
        weight: Tensor = self.weight
        style: Tensor = self.affine(w)  # (N, in)
        if x.dtype == torch.float16:
            weight, style = within_float16(weight, style)
        scale = demodulation(weight, style) * ACTIVATION_GAIN  # (N, out)
        y = modulated_convolution(x, weight, style, self.resample_filter if self.up else None)
        offset = (self.bias * ACTIVATION_GAIN).to(y.dtype)[:, None, None]
        y = scale_and_shift(y, scale.to(y.dtype)[:, :, None, None], offset)
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
