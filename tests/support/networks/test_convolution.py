"""The convolutions that train fast: the numbers of torch's own, and only where they are meant to be taken."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdp.core.training.precision import FEWEST_STEPS, compilation, find_compiler
from gdp.support.networks.convolution import Convolution, TransposedConvolution

WINOGRAD, MATRIX = "WinogradConvolutionBackward", "MatrixConvolutionBackward"


def trained(layer: nn.Module, pictures: Tensor, layout: torch.memory_format) -> tuple[str, list[Tensor]]:
    """Return the name of what computed, and the output, the input's gradient and the parameters' gradients."""
    layer = layer.to(memory_format=layout)
    x = pictures.to(memory_format=layout, copy=True).requires_grad_()
    y = layer(x)
    torch.manual_seed(1)
    y.backward(torch.randn(y.shape).to(memory_format=layout))
    gradients = [tensor.grad for tensor in (x, *layer.parameters())]
    assert all(gradient is not None for gradient in gradients)
    return y.grad_fn.name(), [y.detach(), *[gradient for gradient in gradients if gradient is not None]]


def assert_same(layer: nn.Module, plain: nn.Module, pictures: Tensor) -> str:
    """Hold a layer against torch's own with the same weights; return the name of what computed."""
    plain.load_state_dict(layer.state_dict())
    name, ours = trained(layer, pictures, torch.channels_last)
    _, theirs = trained(plain, pictures, torch.contiguous_format)
    for got, want in zip(ours, theirs, strict=True):
        assert got.shape == want.shape
        torch.testing.assert_close(got, want, rtol=1e-4, atol=3e-5 * float(want.abs().max()))
    return name


@pytest.mark.parametrize("size", [(32, 32), (29, 35)], ids=["whole tiles", "broken tiles"])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_winograd_gives_the_numbers_of_the_direct_sum(size: tuple[int, int], padding: int, bias: bool) -> None:
    torch.manual_seed(0)
    arguments: Any = {"kernel_size": 3, "padding": padding, "bias": bias}
    name = assert_same(Convolution(128, 144, **arguments), nn.Conv2d(128, 144, **arguments), torch.randn(2, 128, *size))
    assert name == WINOGRAD


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 0), (3, 1, 1), (3, 2, 1), (4, 2, 2)])
def test_a_product_of_matrices_gives_the_numbers_of_the_direct_sum(kernel: int, stride: int, padding: int) -> None:
    torch.manual_seed(0)
    arguments: Any = {"kernel_size": kernel, "stride": stride, "padding": padding}
    name = assert_same(Convolution(384, 320, **arguments), nn.Conv2d(384, 320, **arguments), torch.randn(2, 384, 9, 12))
    assert name == MATRIX


@pytest.mark.parametrize("output_padding", [0, 1])
def test_a_transposed_product_gives_the_numbers_of_the_direct_sum(output_padding: int) -> None:
    torch.manual_seed(0)
    arguments: Any = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": output_padding}
    layer = TransposedConvolution(384, 320, **arguments)
    name = assert_same(layer, nn.ConvTranspose2d(384, 320, **arguments), torch.randn(2, 384, 7, 9))
    assert name == "AddBackward0"  # the bias, after the product


def test_frozen_input_or_weights_get_no_gradient() -> None:
    torch.manual_seed(0)
    layer = Convolution(128, 128, 3).to(memory_format=torch.channels_last)
    pictures = torch.randn(1, 128, 34, 34).to(memory_format=torch.channels_last)
    output = layer(pictures)
    assert output.grad_fn.name() == WINOGRAD
    output.sum().backward()
    assert layer.weight.grad is not None
    layer.requires_grad_(False)
    assert layer(pictures.clone().requires_grad_()).grad_fn.name() != WINOGRAD


def test_only_training_takes_other_kernels_than_torch() -> None:
    torch.manual_seed(0)
    layer = Convolution(128, 128, 3).to(memory_format=torch.channels_last)
    plain = nn.Conv2d(128, 128, 3).to(memory_format=torch.channels_last)
    plain.load_state_dict(layer.state_dict())
    pictures = torch.randn(1, 128, 34, 34).to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.equal(layer(pictures), plain(pictures))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(pictures).grad_fn.name() != WINOGRAD
    assert layer.to(memory_format=torch.contiguous_format)(pictures).grad_fn.name() != WINOGRAD


def test_small_layers_stay_with_torch() -> None:
    layer = Convolution(32, 32, 3).to(memory_format=torch.channels_last)
    pictures = torch.randn(1, 32, 34, 34).to(memory_format=torch.channels_last)
    assert layer(pictures).grad_fn.name() == "ConvolutionBackward0"


@pytest.mark.process
def test_compiled_transforms_give_the_numbers_of_the_others() -> None:
    torch.manual_seed(0)
    layer = Convolution(128, 128, 3)
    pictures = torch.randn(1, 128, 34, 34)
    name, plain = trained(copy.deepcopy(layer), pictures, torch.channels_last)
    with compilation("auto", FEWEST_STEPS):
        compiled_name, compiled = trained(copy.deepcopy(layer), pictures, torch.channels_last)
    assert name == compiled_name == WINOGRAD
    for got, want in zip(compiled, plain, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=3e-5 * float(want.abs().max()))
    differ = any(not torch.equal(got, want) for got, want in zip(compiled, plain, strict=True))
    assert differ == (find_compiler() is not None)
