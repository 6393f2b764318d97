import pytest
import torch

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.plugins.pix2pixhd.networks import GlobalGenerator, LocalEnhancer, halve


def small(**settings):
    torch.manual_seed(0)
    return GlobalGenerator(**{"width": 4, "downsamplings": 2, "blocks": 1, **settings})


def test_the_published_global_generator_has_its_published_size_and_arithmetic():
    with torch.device("meta"):
        generator = GlobalGenerator()
    assert count_parameters(generator) == 182_443_267
    assert count_macs(generator, torch.empty(1, 3, 512, 512, device="meta")) / 1e9 == pytest.approx(217.5, abs=0.05)
    assert count_macs(generator, torch.empty(1, 3, 1024, 1024, device="meta")) / 1e9 == pytest.approx(870, abs=0.5)


def test_predicting_a_change_starts_at_the_unchanged_source():
    x = torch.rand(2, 3, 16, 24) * 2 - 1
    torch.testing.assert_close(small(predicts="change")(x), x)


def test_predicting_a_change_adds_to_the_first_channels_of_several_inputs():
    x = torch.rand(1, 6, 16, 16) * 2 - 1
    torch.testing.assert_close(small(predicts="change", in_channels=6)(x), x[:, :3])


def test_predicting_a_change_needs_channels_to_add_to():
    with pytest.raises(ValueError, match=r'predicts="change" adds 3 output channels .* has only 1'):
        small(predicts="change", in_channels=1)


def test_a_change_reaches_from_black_to_white_and_is_clamped_only_in_evaluation():
    generator = small(predicts="change")
    torch.nn.init.constant_(generator.model[-2].bias, 100.0)
    black, white = torch.full((1, 3, 8, 8), -1.0), torch.full((1, 3, 8, 8), 1.0)
    torch.testing.assert_close(generator(black), white)
    torch.testing.assert_close(generator(white), white + 2)
    torch.testing.assert_close(generator.eval()(white), white)


def test_both_predictions_share_the_published_state_dict():
    assert list(small().state_dict()) == list(small(predicts="change").state_dict())
    assert "model.10.conv_block.1.weight" in small().state_dict()


@pytest.mark.parametrize("settings", [{"upsample": "resize"}, {"padding": "zero"}, {"padding": "replicate"}])
def test_every_setting_gives_a_picture_of_the_input_size(settings):
    picture = small(**settings)(torch.randn(1, 3, 16, 24))
    assert picture.shape == (1, 3, 16, 24)
    assert picture.abs().max() <= 1


def test_a_size_that_does_not_divide_is_refused_with_the_multiple():
    with pytest.raises(ValueError, match="30x16 pixels, but both must be multiples of 4"):
        small()(torch.randn(1, 3, 16, 30))


@pytest.mark.parametrize("predicts", ["image", "change"])
def test_channels_last_gives_the_same_picture_and_gradients(predicts):
    generator = small(predicts=predicts)
    torch.nn.init.normal_(generator.model[-2].weight, std=0.1)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        generator.to(memory_format=layout).zero_grad()
        picture = generator(x.contiguous(memory_format=layout))
        picture.square().sum().backward()
        results.append((picture.detach(), {name: p.grad.clone() for name, p in generator.named_parameters()}))
    torch.testing.assert_close(results[0][0], results[1][0], atol=1e-5, rtol=1e-5)
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(results[1][1][name], gradient, atol=1e-3, rtol=1e-3, msg=name)


def test_bfloat16_autocast_trains_and_stays_near_float32():
    generator = small(predicts="image").to(memory_format=torch.channels_last)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    exact = generator(x)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = generator(x)
    rounded.float().abs().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())
    assert (rounded.float() - exact).abs().mean() < 0.03


def test_a_trained_global_generator_loads_into_the_enhancers_coarse_part():
    trained = small(width=8)
    enhancer = LocalEnhancer(width=4, downsamplings=2, blocks=1, enhancers=1, enhancer_blocks=1)
    missing, unexpected = enhancer.load_state_dict(trained.state_dict(), strict=False)
    assert all(name.startswith("model1_") for name in missing)
    assert set(unexpected) == {"model.18.weight", "model.18.bias"}


@pytest.mark.parametrize("enhancers", [1, 2])
def test_the_enhancer_makes_full_pictures_and_coarse_ones(enhancers):
    generator = LocalEnhancer(
        width=4, downsamplings=1, blocks=1, enhancers=enhancers, enhancer_blocks=1, predicts="change", coarse_head=True
    )
    x = torch.rand(1, 3, 32, 16) * 2 - 1
    coarse = x
    for _ in range(enhancers):
        coarse = halve(coarse)
    torch.testing.assert_close(generator(x), x)
    torch.testing.assert_close(generator.generate_coarse(coarse), coarse)


def test_an_enhancer_without_coarse_head_says_so():
    generator = LocalEnhancer(width=4, downsamplings=1, blocks=1, enhancer_blocks=1)
    with pytest.raises(ValueError, match="built without coarse_head"):
        generator.generate_coarse(torch.zeros(1, 3, 16, 16))


def test_the_export_has_the_published_arithmetic_and_the_same_picture():
    generator = small().eval()
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    exported = torch.export.export(generator, (x,))
    operators = [str(node.target) for node in exported.graph.nodes]
    assert not any("pixel_shuffle" in operator or "bmm" in operator for operator in operators)
    torch.testing.assert_close(exported.module()(x), generator(x), atol=1e-5, rtol=1e-5)
