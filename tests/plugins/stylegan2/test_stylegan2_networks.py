"""Shapes, truncation, noise and names of the networks."""

import pytest
import torch

from gdp.core.errors import ShapeError
from gdp.plugins.stylegan2.networks import Discriminator, Generator, channels_by_resolution


def tiny_generator(resolution: int = 16, **options: int) -> Generator:
    torch.manual_seed(0)
    generator = Generator(8, 12, resolution, channel_base=128, channel_max=8, mapping_layers=2, **options).eval()
    for name, parameter in generator.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    generator.mapping.w_avg.normal_()
    return generator


@pytest.mark.parametrize(("resolution", "num_ws"), [(8, 4), (32, 8), (128, 12)])
def test_sizes_fit(resolution: int, num_ws: int) -> None:
    generator = tiny_generator(resolution)
    ws = generator.mapping(torch.randn(2, 8))
    assert ws.shape == (2, num_ws, 12)
    images = generator.synthesis(ws)
    assert images.shape == (2, 3, resolution, resolution)
    assert images.dtype == torch.float32
    assert Discriminator(resolution, channel_base=128, channel_max=8)(images).shape == (2, 1)


def test_config_f_at_1024_has_18_ws_and_its_widths() -> None:
    with torch.device("meta"):
        generator = Generator(512, 512, 1024)
    assert generator.num_ws == 18
    assert channels_by_resolution(1024, 32768, 512)[1024] == 32
    assert sum(parameter.numel() for parameter in generator.parameters()) == 30_370_060


@pytest.mark.parametrize("resolution", [4, 48, 0])
def test_a_resolution_that_is_no_power_of_two_is_refused(resolution: int) -> None:
    with pytest.raises(ShapeError, match="power of two"):
        Generator(8, 8, resolution)


def test_names_are_those_of_the_ada_layout() -> None:
    names = set(tiny_generator(8).state_dict())
    assert {
        "mapping.fc0.weight",
        "mapping.w_avg",
        "synthesis.b4.const",
        "synthesis.b4.conv1.noise_const",
        "synthesis.b8.conv0.affine.weight",
        "synthesis.b8.conv0.noise_strength",
        "synthesis.b8.conv0.resample_filter",
        "synthesis.b8.torgb.weight",
    } <= names
    assert {"b8.fromrgb.weight", "b8.conv0.bias", "b8.skip.weight", "b4.conv.weight", "b4.out.bias"} <= set(
        Discriminator(8, channel_base=64).state_dict()
    )


def test_truncation_pulls_the_first_layers_towards_the_mean() -> None:
    mapping = tiny_generator().mapping
    z = torch.randn(3, 8)
    ws, mean = mapping(z), mapping.w_avg
    torch.testing.assert_close(mapping(z, 0), mean.expand_as(ws))
    torch.testing.assert_close(mapping(z, 0.5), mean + 0.5 * (ws - mean))
    cut = mapping(z, 0.5, 2)
    torch.testing.assert_close(cut[:, :2], mean + 0.5 * (ws[:, :2] - mean))
    assert torch.equal(cut[:, 2:], ws[:, 2:])


def test_scale_of_z_does_not_matter() -> None:
    mapping, z = tiny_generator().mapping, torch.randn(2, 8)
    torch.testing.assert_close(mapping(z), mapping(z * 7))


def test_the_mean_w_moves_in_training_mode_only() -> None:
    mapping, z = tiny_generator().mapping, torch.randn(4, 8)
    before = mapping.w_avg.clone()
    mapping(z)
    assert torch.equal(mapping.w_avg, before)
    w = mapping.train()(z)[:, 0]
    torch.testing.assert_close(mapping.w_avg, w.detach().mean(dim=0).lerp(before, 0.995))


def test_noise_modes() -> None:
    generator = tiny_generator()
    ws = generator.mapping(torch.randn(1, 8))
    assert torch.equal(generator.synthesis(ws, "const"), generator.synthesis(ws, "const"))
    assert not torch.equal(generator.synthesis(ws, "const"), generator.synthesis(ws, "none"))
    assert not torch.equal(generator.synthesis(ws, "random"), generator.synthesis(ws, "random"))
    sources = [torch.Generator().manual_seed(5) for _ in range(2)]
    assert torch.equal(*[generator.synthesis(ws, "random", random=source) for source in sources])


def test_bf16_convolutions_stay_near_float32() -> None:
    generator, discriminator = tiny_generator(), Discriminator(16, channel_base=128, channel_max=8)
    ws = generator.mapping(torch.randn(4, 8))
    exact, rough = (generator.synthesis(ws, "const", dtype) for dtype in (torch.float32, torch.bfloat16))
    assert rough.dtype == torch.float32
    assert (rough - exact).std() < 0.02 * exact.std()
    assert discriminator(exact, torch.bfloat16).dtype == torch.float32


def test_widths_that_leave_no_feature_map_are_refused() -> None:
    with pytest.raises(ShapeError, match="channel_base"):
        Generator(8, 8, 64, channel_base=32)


@torch.no_grad()
def test_features_are_clamped() -> None:
    generator = Generator(8, 8, 8, channel_base=64, conv_clamp=0.25).eval()
    seen = []
    generator.synthesis.b8.conv1.register_forward_hook(lambda module, inputs, output: seen.append(output.abs().max()))
    generator(torch.randn(2, 8))
    assert float(seen[0]) == 0.25
