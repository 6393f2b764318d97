import pytest
import torch
import torch.nn.functional as F

from gdp.support.networks.layers import InstanceNorm

LAYOUTS = [torch.contiguous_format, torch.channels_last]
SHAPES = [(1, 4, 64, 64), (3, 8, 5, 7), (2, 1, 16, 16), (2, 64, 1, 9)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("input_layout", LAYOUTS)
@pytest.mark.parametrize("gradient_layout", LAYOUTS)
def test_instance_norm_equals_the_definition_in_double_precision_whatever_the_layout(
    shape, input_layout, gradient_layout
):
    """Also for one picture with a channels_last gradient, where torch's own CPU kernel is wrong."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator) * 2 + 3
    gradient = torch.randn(shape, generator=generator)
    exact = x.double().requires_grad_()
    deviation = (exact.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    wanted = (exact - exact.mean((2, 3), keepdim=True)) / deviation
    wanted.backward(gradient.double())

    ours = x.clone(memory_format=input_layout).requires_grad_()
    got = InstanceNorm()(ours)
    got.backward(gradient.clone(memory_format=gradient_layout))

    torch.testing.assert_close(got.double(), wanted, atol=5e-6, rtol=0)
    torch.testing.assert_close(ours.grad.double(), exact.grad, atol=5e-6, rtol=0)


def test_instance_norm_keeps_channels_last_and_the_data_type():
    x = torch.randn(2, 8, 9, 7).bfloat16().contiguous(memory_format=torch.channels_last)
    got = InstanceNorm()(x)
    assert got.dtype == torch.bfloat16
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(got.float(), F.instance_norm(x.float()), atol=0.05, rtol=0)


def test_instance_norm_in_bfloat16_has_a_gradient_near_the_exact_one():
    x = torch.randn(2, 8, 9, 7)
    gradient = torch.randn(2, 8, 9, 7)
    exact = x.clone().requires_grad_()
    F.instance_norm(exact).backward(gradient)
    ours = x.bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    InstanceNorm()(ours).backward(gradient.bfloat16().contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(ours.grad.float(), exact.grad, atol=0.05, rtol=0.02)
