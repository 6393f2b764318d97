"""The fast operators give the numbers of the slow, explicit ones."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.stylegan2 import TrainingSettings, training_step, twice
from gdp.plugins.stylegan2 import layers as operators
from gdp.plugins.stylegan2.layers import SynthesisLayer
from gdp.plugins.stylegan2.low_pass import downsample, filter_channels, low_pass_filter, upsample

KERNEL = low_pass_filter()


def explicit_resample(x: Tensor, up: int, down: int, before: int, after: int, gain: float) -> Tensor:
    """Insert zeros, pad, filter, drop: the definition."""
    samples, channels, height, width = x.shape
    spread = x.new_zeros(samples, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    spread = functional.pad(spread.reshape(samples, channels, height * up, width * up), [before, after] * 2)
    weight = (KERNEL * gain).flip((0, 1)).expand(channels, 1, 4, 4)
    return functional.conv2d(spread, weight, groups=channels)[:, :, ::down, ::down]


def test_upsample_inserts_zeros_and_filters() -> None:
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(upsample(x, KERNEL), explicit_resample(x, 2, 1, 2, 1, 4))


def test_upsample_keeps_a_constant_picture_inside() -> None:
    y = upsample(torch.ones(1, 1, 8, 8), KERNEL)
    torch.testing.assert_close(y[:, :, 1:-1, 1:-1], torch.ones(1, 1, 14, 14))


def test_downsample_filters_and_drops() -> None:
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(downsample(x, KERNEL), explicit_resample(x, 1, 2, 1, 1, 1))


def test_upsampling_convolution_is_a_filter_then_a_convolution_at_full_size() -> None:
    x, weight = torch.randn(2, 3, 6, 6), torch.randn(5, 3, 3, 3)
    smooth = explicit_resample(x, 2, 1, 3, 2, 4)
    expected = functional.conv2d(smooth, weight.flip((2, 3)))  # a transposed convolution flips its kernel
    torch.testing.assert_close(operators.upsampling_convolution(x, weight, KERNEL), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 3])
def test_downsampling_convolution_is_a_filter_then_a_strided_convolution(size: int) -> None:
    x, weight, bias = torch.randn(2, 3, 8, 8), torch.randn(5, 3, size, size), torch.randn(5)
    smooth = explicit_resample(x, 1, 1, 2 if size == 3 else 1, 2 if size == 3 else 1, 1)
    expected = functional.conv2d(smooth, weight, bias, stride=2)
    got = operators.downsampling_convolution(x, weight, KERNEL, bias)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def explicit_modulation(x: Tensor, weight: Tensor, style: Tensor, kernel: Tensor | None) -> Tensor:
    """Each sample with a weight of its own (StyleGAN2, equations 1 and 3)."""
    rows = []
    for sample, scale in zip(x, style, strict=True):
        own = weight * scale[None, :, None, None]
        own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if kernel is None:
            rows.append(functional.conv2d(sample[None], own, padding=1))
        else:
            rows.append(operators.upsampling_convolution(sample[None], own, kernel))
    return torch.cat(rows)


@pytest.mark.parametrize("kernel", [None, KERNEL], ids=["plain", "up"])
def test_scaling_activations_equals_a_weight_per_sample_with_gradients(kernel: Tensor | None) -> None:
    x = torch.randn(3, 4, 6, 6, requires_grad=True)
    weight = torch.randn(5, 4, 3, 3, requires_grad=True)
    style = (torch.randn(3, 4) + 1).requires_grad_()
    fast = operators.modulated_convolution(x, weight, style, kernel)
    fast = fast * operators.demodulation(weight, style)[:, :, None, None]
    slow = explicit_modulation(x, weight, style, kernel)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)
    noise = torch.randn_like(slow)
    inputs = (x, weight, style)
    for got, want in zip(
        torch.autograd.grad((fast * noise).sum(), inputs),
        torch.autograd.grad((slow * noise).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_a_pictures_convolution_equals_one_of_scaled_features_with_derivatives_of_second_order() -> None:
    x = torch.randn(2, 4, 3, 5, dtype=torch.double).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(3, 4, 1, 1, dtype=torch.double, requires_grad=True)
    style = torch.randn(2, 4, dtype=torch.double, requires_grad=True)
    picture = operators.modulated_convolution(x, weight, style)
    torch.testing.assert_close(picture, functional.conv2d(x * style[:, :, None, None], weight))
    with torch.no_grad():
        assert torch.equal(picture, operators.modulated_convolution(x, weight, style)), (
            "training and inference draw alike"
        )
    (gradient,) = torch.autograd.grad(picture.square().sum(), x, retain_graph=True)
    assert gradient.is_contiguous(memory_format=torch.channels_last), "as what it is added to"
    assert torch.autograd.gradgradcheck(operators.modulated_convolution, (x, weight, style))


def test_a_leaky_relu_overwrites_what_is_no_view() -> None:
    x = torch.randn(2, 3, 4, 4)
    expected = functional.leaky_relu(x, 0.2).clamp(-0.5, 0.5)
    kept = operators.leaky_relu(x[:], 0.5)
    assert torch.equal(kept, expected)
    assert not torch.equal(x, expected)
    assert operators.leaky_relu(x, 0.5).data_ptr() == x.data_ptr()
    assert torch.equal(x, expected)


def test_synthesis_layer_has_second_derivatives() -> None:
    torch.manual_seed(0)
    layer = SynthesisLayer(2, 2, 2, 4, up=True).double()
    layer.noise_strength.data.fill_(0.3)
    layer.noise_const = layer.noise_const.double()
    x = torch.randn(1, 2, 2, 2, dtype=torch.double, requires_grad=True)
    w = torch.randn(1, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x, w: layer(x, w, "const"), (x, w))


def test_samples_are_grouped_with_a_stride() -> None:
    x = torch.zeros(4, 2, 2, 2)
    x[0], x[2] = 1.0, -1.0  # group 0 holds the samples 0 and 2, group 1 the samples 1 and 3
    y = operators.minibatch_standard_deviation(x, group_size=2, channels=1)
    assert y.shape == (4, 3, 2, 2)
    torch.testing.assert_close(y[:, 2, 0, 0], torch.tensor([1.0, 1e-4, 1.0, 1e-4]))


def test_a_convolution_of_one_pixel_equals_the_general_one() -> None:
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(6, 3, 1, 1), torch.randn(6)
    got = operators.convolution(x, weight, bias)
    torch.testing.assert_close(got, functional.conv2d(x, weight, bias), atol=1e-6, rtol=1e-5)
    assert got.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(4, 4), (5, 6)], ids=["even", "odd"])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (1, 2), (2, 1)])
def test_the_low_pass_filter_has_right_derivatives_of_first_and_second_order(
    size: tuple[int, int], stride: int, padding: int
) -> None:
    x = torch.randn(2, 2, *size, dtype=torch.double, requires_grad=True)
    skewed = torch.rand(4, 4, dtype=torch.double)  # of no symmetry: a kernel that is not flipped back is seen

    def filtered(x: Tensor) -> Tensor:
        return filter_channels(x, skewed, stride, padding)

    assert torch.autograd.gradcheck(filtered, x)
    assert torch.autograd.gradgradcheck(filtered, x)
    assert torch.equal(filtered(x), filtered(x.detach())), "training and inference draw the same"


def test_upsampling_has_right_derivatives_of_first_and_second_order() -> None:
    x = torch.randn(2, 2, 3, 5, dtype=torch.double, requires_grad=True)
    skewed = torch.rand(4, 4, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: upsample(x, skewed), x)
    assert torch.autograd.gradgradcheck(lambda x: upsample(x, skewed), x)
    assert torch.equal(upsample(x, skewed), upsample(x.detach(), skewed))


def test_the_second_derivative_of_the_filter_is_a_filter_and_no_loop_over_channels() -> None:
    x = torch.randn(1, 16, 8, 8, requires_grad=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watched:
        y = upsample(downsample(x, KERNEL), KERNEL).square().sum()
        (gradient,) = torch.autograd.grad(y, x, create_graph=True)
        torch.autograd.grad(gradient.square().sum(), x)
    calls = {event.key: event.count for event in watched.key_averages()}
    assert "aten::convolution_backward" not in calls
    assert calls["aten::conv2d"] + calls["aten::conv_transpose2d"] == 8  # two filters: there, back, there and back


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (1, 1, 0)])
@pytest.mark.parametrize("height", [5, 6], ids=["odd", "even"])
def test_convolutions_have_right_derivatives_of_first_and_second_order(
    kernel: int, stride: int, padding: int, height: int
) -> None:
    x = torch.randn(2, 2, height, 5, dtype=torch.double, requires_grad=True)
    weight = torch.randn(3, 2, kernel, kernel, dtype=torch.double, requires_grad=True)
    bias = torch.randn(3, dtype=torch.double, requires_grad=True)

    def convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with twice.differentiated_twice():
            return twice.convolve(x, weight, bias, stride, padding)

    def spread(x: Tensor, weight: Tensor) -> Tensor:
        with twice.differentiated_twice():
            return twice.convolve_transposed(x, weight, stride)

    for function, inputs in ((convolved, (x, weight, bias)), (spread, (x, weight.detach()[:2].requires_grad_()))):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)
        assert torch.equal(function(*inputs), function(*(each.detach() for each in inputs)))


def test_no_gradient_of_weights_is_computed_where_none_is_asked_for() -> None:
    x, weight = torch.randn(1, 4, 8, 8, requires_grad=True), torch.randn(4, 4, 3, 3, requires_grad=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watched:
        with twice.differentiated_twice():
            y = twice.convolve(twice.convolve_transposed(x, weight, 2), weight, padding=1)
        (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        assert "aten::convolution_backward" not in {event.key for event in watched.key_averages()}
        (of_weight,) = torch.autograd.grad(gradient.square().sum(), weight)
    assert of_weight.abs().sum() > 0


@pytest.mark.training
@pytest.mark.parametrize("size", [16, 32])
def test_regularisers_gradients_are_those_of_torchs_own_derivatives(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(batch=4, shards=1, z_dim=8, w_dim=8, channel_base=256, channel_max=16, noise=True)
    real = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))

    def gradients() -> dict[str, Tensor]:
        step = training_step.AdversarialStep(settings, size)
        step.run(real, 0)
        step.close()
        networks = {"generator": step.generator, "discriminator": step.discriminator}
        return {
            f"{name}.{parameter}": tensor.grad
            for name, network in networks.items()
            for parameter, tensor in network.named_parameters()
            if tensor.grad is not None
        }

    ours = gradients()  # those of the path length and of R1, which are the last in a step
    monkeypatch.setattr(training_step, "differentiated_twice", nullcontext)
    for name, theirs in gradients().items():
        assert (ours[name] - theirs).abs().max() <= 1e-4 * theirs.abs().max().clamp(min=1e-6), name
