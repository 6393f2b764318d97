import pytest
import torch
from torch import nn

from gdp.support.networks.layers import (
    FewChannelConvolution,
    ResidualBlock,
    ResizeConvolution,
    initialise_weights,
    normalisation,
)

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(14, 20), (13, 20), (14, 19)])
@pytest.mark.parametrize("bias", [True, False])
def test_few_channel_convolution_is_an_ordinary_convolution_in_value_and_gradient(layout, size, bias):
    fast = FewChannelConvolution(6, 3, kernel_size=7, bias=bias)
    plain = nn.Conv2d(6, 3, kernel_size=7, bias=bias)
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(2, 6, *size).contiguous(memory_format=layout)
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    outputs = [network.to(memory_format=layout)(given) for network, given in zip((fast, plain), inputs, strict=True)]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    direction = torch.randn_like(outputs[1])
    for output in outputs:
        output.backward(direction)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-5, rtol=1e-4)
    for ours, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-4)


def test_resize_convolution_makes_no_checkerboard_of_a_constant_picture():
    upsampled = ResizeConvolution(4, 2)(torch.ones(1, 4, 6, 6))
    inner = upsampled[..., 1:-1, 1:-1]
    assert upsampled.shape == (1, 2, 12, 12)
    torch.testing.assert_close(inner, inner[..., :1, :1].expand_as(inner))


@pytest.mark.parametrize(("padding", "keys"), [("reflect", (1, 5)), ("replicate", (1, 5)), ("zero", (0, 3))])
def test_residual_block_keeps_the_size_and_has_the_published_keys_in_every_padding(padding, keys):
    block = ResidualBlock(4, normalisation("instance"), padding)
    assert block(torch.randn(1, 4, 5, 6)).shape == (1, 4, 5, 6)
    expected = [f"conv_block.{key}.{name}" for key in keys for name in ("weight", "bias")]
    assert list(block.state_dict()) == expected


def test_initial_weights_have_the_published_spread():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(1000))
    initialise_weights(network)
    assert network[0].weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert network[1].weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert network[1].weight.mean().item() == pytest.approx(1, abs=0.01)
