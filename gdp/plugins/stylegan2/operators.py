"""Convolutions of StyleGAN2: up- and down-sampling with the low-pass filter, and weight modulation.

Written for speed on a processor as well as on a GPU. Weights are never modulated per sample: with one shared weight
W, (s·W) * x = W * (s·x), so the style scales the input and the demodulation coefficient scales the output. A grouped
convolution with N different weights gives the same numbers and is several times slower.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LEAKY_SLOPE = 0.2
ACTIVATION_GAIN = 2.0**0.5
"""Keeps the variance of a leaky ReLU's output near that of its input."""


def low_pass_filter() -> Tensor:
    """Return the separable binomial filter [1, 3, 3, 1] as (4, 4) with sum 1 (StyleGAN, section 2)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def _filter_channels(x: Tensor, kernel: Tensor, stride: int, padding: int) -> Tensor:
    """Filter every channel of x (N, C, H, W) with one kernel (k, k), by convolution (kernel flipped)."""
    channels = x.shape[1]
    weight = kernel.flip((0, 1)).to(x.dtype).expand(channels, 1, *kernel.shape)
    return functional.conv2d(x, weight, stride=stride, padding=padding, groups=channels)


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, k, k), k odd, to (N, O, H, W), in the data type of x."""
    weight = weight.to(x.dtype)
    bias = None if bias is None else bias.to(x.dtype)
    if weight.shape[-1] == 1:
        # A product of matrices: torch's own 1x1 convolution leaves channels_last on one thread.
        return functional.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
    return functional.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Double the size of x (N, C, H, W): zeros inserted, then the low-pass filter `kernel` (4, 4) with gain 4."""
    channels = x.shape[1]
    weight = (kernel * 4).to(x.dtype).expand(channels, 1, *kernel.shape)
    return functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


def downsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Halve the size of x (N, C, H, W) after the low-pass filter `kernel` (4, 4)."""
    return _filter_channels(x, kernel, stride=2, padding=1)


def upsampling_convolution(x: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, 3, 3) while doubling its size, to (N, O, 2H, 2W).

    A transposed convolution skips the inserted zeros, and the low-pass filter runs on its output. Measured against
    one composed 6x6 kernel and against a polyphase 3x3 kernel with pixel shuffle, which need four times the
    multiplications, this is two to four times faster on a processor, forward and backward.
    """
    spread = functional.conv_transpose2d(x, weight.to(x.dtype).transpose(0, 1), stride=2)  # (N, O, 2H + 1, 2W + 1)
    return _filter_channels(spread, kernel * 4, stride=1, padding=1)


def downsampling_convolution(x: Tensor, weight: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve x (N, I, H, W) with weight (O, I, 3, 3) or (O, I, 1, 1) while halving its size, to (N, O, H/2, W/2)."""
    if weight.shape[-1] == 1:
        return convolution(downsample(x, kernel), weight, bias)
    smooth = _filter_channels(x, kernel, stride=1, padding=2)  # (N, I, H + 1, W + 1)
    return functional.conv2d(smooth, weight.to(x.dtype), None if bias is None else bias.to(x.dtype), stride=2)


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
    x = x * style.to(x.dtype)[:, :, None, None]
    if upsampling_kernel is not None:
        return upsampling_convolution(x, weight, upsampling_kernel)
    return convolution(x, weight)


def leaky_relu(x: Tensor, clamp: float | None = None) -> Tensor:
    """Apply the leaky ReLU of slope 0.2, then clamp to [-clamp, clamp].

    Its gain of sqrt 2 is applied by the caller to what comes in, where it costs nothing: the leaky ReLU of a scaled
    number is the scaled leaky ReLU.
    """
    # In place it would spoil the memory layout of the gradients of a 1x1 convolution, whose result is a view.
    x = functional.leaky_relu(x, LEAKY_SLOPE)
    return x if clamp is None else x.clamp(-clamp, clamp)


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
