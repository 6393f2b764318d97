"""The slow route finds the w of a picture."""

from pathlib import Path

import pytest
import torch

from gdp.core.errors import ShapeError
from gdp.core.interfaces.teachers import Projection
from gdp.plugins.stylegan2.networks import Generator
from gdp.plugins.stylegan2.projection import (
    VGG_DISTANCE,
    noise_autocorrelation,
    project,
    pyramid_features,
    vgg_features,
)

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    generator = Generator(16, 16, 16, channel_base=128, channel_max=16, mapping_layers=2).eval()
    return generator.requires_grad_(False)


def test_a_known_picture_is_found(generator: Generator) -> None:
    w = generator.mapping(torch.randn(2, 16, generator=torch.Generator().manual_seed(3)))
    wanted = generator.synthesis(w, "const")
    found = project(generator, wanted, steps=150)
    assert isinstance(found, Projection)
    assert found.history.shape == (150, 2)
    assert bool((found.history[-1] < 0.02 * found.history[0]).all())
    assert float((found.images - wanted).square().mean()) < 0.02 * float(wanted.var())
    assert torch.equal(found.ws, found.w[:, None].expand_as(found.ws))
    torch.testing.assert_close(found.images, generator.synthesis(found.ws, "const"))


def test_pictures_do_not_touch_each_other(generator: Generator) -> None:
    pictures = generator(torch.randn(2, 16))
    other = torch.stack([pictures[0], -pictures[1]])
    first, second = (project(generator, batch, steps=5).w[0] for batch in (pictures, other))
    torch.testing.assert_close(first, second)


def test_the_generator_is_left_as_it_was(generator: Generator) -> None:
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    project(generator, torch.zeros(1, 3, 16, 16), steps=3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def test_features_are_pluggable(generator: Generator) -> None:
    target = torch.rand(1, 3, 16, 16)
    found = project(generator, target, 4, features=lambda images: [images.mean(dim=(2, 3))], distance="mean colour")
    start = generator.synthesis(generator.mapping(torch.randn(1, 16)), "const").mean(dim=(2, 3))
    assert found.distance == "mean colour"
    assert float(found.history[0]) < float((start - target.mean(dim=(2, 3))).square().sum()) + 10
    assert found.steps == 4


def test_pyramid_distance_is_a_mean_over_pixels_at_every_scale() -> None:
    zero, half = torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), 0.5)
    parts = [(a - b).square().sum() for a, b in zip(pyramid_features(zero), pyramid_features(half), strict=True)]
    assert len(parts) == 9
    assert sum(parts) == pytest.approx(3 * 0.25)


def test_autocorrelated_noise_is_penalised() -> None:
    white = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(white[:, :, ::4, ::4], scale_factor=4)
    assert float(noise_autocorrelation([smooth])) > 20 * float(noise_autocorrelation([white]))


def test_pictures_of_another_size_are_refused(generator: Generator) -> None:
    with pytest.raises(ShapeError, match="16, 16"):
        project(generator, torch.zeros(1, 3, 32, 32))


def test_vgg19_weights_at_hand_are_what_a_projection_compares_with(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from torchvision.models import vgg19

    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in vgg19(weights=None).features.state_dict().items()}
    weights = {f"features.{name}": torch.randn(shape) * 0.03 for name, shape in shapes.items()}
    save_file(weights, tmp_path / "vgg19.safetensors")
    features = vgg_features(tmp_path / "vgg19.safetensors", torch.device("cpu"))
    torch.manual_seed(0)
    generator = Generator(16, 16, 32, channel_base=128, channel_max=8, mapping_layers=2).eval()
    image = generator(torch.randn(1, 16), noise_mode="const").detach().clamp(-1, 1)
    found = project(generator, image, steps=3, features=features, distance=VGG_DISTANCE)
    assert len(features(image)) == 5
    assert found.distance == VGG_DISTANCE
    assert torch.isfinite(found.history).all()
