from __future__ import annotations

import io

import numpy
import pytest
import torch
from PIL import Image

from gdp.core.errors import PairStoreError
from gdp.core.pictures import encode_png, from_array, from_levels, reduced_to_side, storable_levels, to_array, to_levels
from gdp.support.interfaces.picture_network import PictureNetwork

ALL_LEVELS = torch.arange(256, dtype=torch.uint8)
BEYOND = torch.tensor([-torch.inf, -2.0, -1.0, -1 + 0.5 / 127.5, 0.0, 1.0, 1.5, torch.inf])


def test_all_levels_survive_a_round_trip() -> None:
    values = from_levels(ALL_LEVELS)
    assert values.dtype == torch.float32
    assert (float(values[0]), float(values[-1])) == (-1.0, 1.0)
    assert torch.equal(to_levels(values), ALL_LEVELS)
    assert torch.equal(storable_levels(values), ALL_LEVELS)
    assert torch.equal(ALL_LEVELS, torch.arange(256, dtype=torch.uint8)), "the levels are left as they were"


def test_halves_go_to_the_even_level_and_what_lies_beyond_is_clamped() -> None:
    assert to_levels(BEYOND).tolist() == [0, 0, 0, 0, 128, 255, 255, 255]
    assert to_levels(BEYOND[1:-1].double()).tolist() == [0, 0, 0, 128, 255, 255]


def test_levels_are_those_of_numpy_in_float32() -> None:
    values = torch.rand(20_000, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    expected = numpy.rint((values.numpy() + numpy.float32(1)) * numpy.float32(127.5)).clip(0, 255)
    assert numpy.array_equal(to_levels(values).numpy(), expected.astype(numpy.uint8))
    assert torch.equal(from_levels(ALL_LEVELS), ALL_LEVELS.float().div_(127.5).sub_(1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_has_no_level_is_not_stored(value: float) -> None:
    with pytest.raises(PairStoreError, match="NaN or infinite"):
        storable_levels(torch.tensor([0.0, value]))


def test_arrays_have_their_colours_last() -> None:
    levels = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    array = to_array(levels)
    assert array.shape == (2, 4, 5, 3)
    assert array.flags.c_contiguous
    assert numpy.array_equal(array[1, 2, 3], levels[1, :, 2, 3].numpy())
    assert torch.equal(from_array(array), levels)
    assert torch.equal(from_array(array[0]), levels[0])


def test_a_png_holds_the_levels() -> None:
    picture = torch.rand(3, 6, 7) * 2.2 - 1.1
    decoded = numpy.asarray(Image.open(io.BytesIO(encode_png(picture.requires_grad_()))))
    assert torch.equal(from_array(decoded), to_levels(picture.detach()))


def test_a_network_takes_and_gives_levels_with_colours_last() -> None:
    levels = torch.randint(0, 256, (2, 4, 5, 6), dtype=torch.uint8)
    network = PictureNetwork(torch.nn.Conv2d(6, 3, 1).requires_grad_(False))
    expected = to_levels(network.generator(from_levels(levels.permute(0, 3, 1, 2))))
    assert torch.equal(network(levels), expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize("shape", [(2, 3, 100, 70), (1, 3, 257, 256), (1, 1, 64, 640), (1, 3, 128, 64)])
def test_reduced_pictures_keep_their_mean_aspect_and_type(shape: tuple[int, ...]) -> None:
    pictures = torch.rand(shape, generator=torch.Generator().manual_seed(1)).to(torch.float32)
    reduced = reduced_to_side(pictures, 32)
    assert min(reduced.shape[-2:]) == 32
    assert reduced.shape[-2] / reduced.shape[-1] == pytest.approx(shape[-2] / shape[-1], rel=0.02)
    assert reduced.dtype == torch.float32
    assert torch.allclose(reduced.mean(dim=(-2, -1)), pictures.mean(dim=(-2, -1)), atol=0.01)


def test_pictures_that_are_no_larger_come_back_as_they_are() -> None:
    pictures = torch.rand(1, 3, 64, 96)
    assert reduced_to_side(pictures, 64) is pictures
    assert reduced_to_side(pictures, 256) is pictures


def test_what_is_finer_than_the_new_size_is_not_folded_into_it() -> None:
    cells = torch.arange(256)
    board = ((cells[:, None] + cells) % 2).float()[None, None] * 2 - 1
    assert float(reduced_to_side(board, 96).abs().max()) < 0.05


@pytest.mark.parametrize("size", [1000, 640, 300, 270])
def test_a_picture_is_as_sharp_from_every_size(size: int) -> None:
    positions = torch.arange(1024) / 1024 * torch.pi * 2
    waves = torch.sin(40 * positions)[:, None] * torch.sin(52 * positions)  # 5 pixels a wave at 256
    direct = reduced_to_side(waves[None, None], 256)
    twice = reduced_to_side(reduced_to_side(waves[None, None], size), 256)
    assert float(twice.std() / direct.std()) == pytest.approx(1, abs=0.12)
