"""What a teacher's samples are held against renderings with, and the card that tells it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import torch
from attribute_network import CLASSES, WEIGHTS, AttributeNetwork, held_out_figures
from embedded_teacher import (
    RESULT,
    Renderings,
    kernel_distance,
    load_teacher,
    look_at,
    nearest_pictures,
    reconstructions,
    reduced_renderings,
)
from PIL import Image
from sheets import LINE, labelled_columns, labelled_rows
from teacher_card import area_under_curve, card_text, discriminator_section, held_against, measure_discriminator

from gdp.core.progress import SilentProgress
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.faces.renderer import degrade, render
from gdp.toolbox import file_sha256, from_array

QUIET = SilentProgress()


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return render(sample_attributes(77, range(240)))


def test_the_network_tells_attributes_of_faces_that_it_never_saw() -> None:
    figures = held_out_figures(AttributeNetwork.load(), seed=123, count=200)
    assert min(figures["right"][name] for name in ("glasses", "hair_length", "skin")) > 0.95
    assert figures["age_error_years"] < 5
    assert min(figures["explained"][name] for name in ("yaw", "smile", "background_hue")) > 0.9
    told = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert set(told["right"]) == set(CLASSES)


def test_renderings_are_near_renderings_and_blurred_or_ghostly_ones_are_not(faces: torch.Tensor) -> None:
    network = AttributeNetwork.load()
    mine, theirs = faces[:120], faces[120:]
    floor = kernel_distance(network.features(mine), network.features(theirs))["mean"]
    blurred = torch.nn.functional.avg_pool2d(mine, 5, 1, 2, count_include_pad=False)
    ghosts = (mine + mine.roll(1, dims=0)) / 2
    for spoilt in (blurred, ghosts):
        assert kernel_distance(network.features(spoilt), network.features(theirs))["mean"] > floor + 0.01
    again = kernel_distance(network.features(mine), network.features(theirs))["mean"]
    assert again == floor, "the blocks are drawn by a seed"


def test_random_features_are_those_of_their_seed_and_leave_the_random_state_alone(faces: torch.Tensor) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (AttributeNetwork.random(seed, faces[:64]).features(faces[:8]) for seed in (4, 4, 5))
    assert torch.equal(first, second)
    assert not torch.allclose(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_renderings_have_clear_glasses_and_ghosts_have_not(faces: torch.Tensor) -> None:
    judge = FaceJudge.load()
    assert look_at(faces, judge)["unclear_glasses"] == 0
    found = look_at(degrade(faces, torch.Generator().manual_seed(0), strength=2.0), judge)
    assert found["sharpness"][1] < look_at(faces, judge)["sharpness"][1]
    assert set(found["attributes"]) >= {"glasses", "hair long", "skin dark", "60 and older"}


def test_reconstructions_are_nearer_to_their_own_rendering_than_to_others() -> None:
    made, truth = reconstructions(load_teacher(None), 12, QUIET)
    distances = torch.cdist(made.flatten(1), truth.flatten(1))
    assert distances.argmin(dim=1).tolist() == list(range(12))


def test_the_nearest_picture_of_a_training_picture_is_itself() -> None:
    reductions = reduced_renderings(6, QUIET)
    found, distances = nearest_pictures(render(sample_attributes(0, torch.tensor([3, 1]))), reductions, 2)
    assert found[:, 0].tolist() == [3, 1]
    assert distances[:, 0].max() < 1e-3 < distances[:, 1].min()


def test_the_discriminator_tells_renderings_from_samples_and_the_card_says_so() -> None:
    teacher = load_teacher(None)
    assert teacher.discriminator is not None
    rows = measure_discriminator(teacher, teacher.discriminator, count=32)
    assert rows[0][:2] == ("rendered faces", "samples, psi 1")
    section = discriminator_section("d.safetensors", 1.8, rows, count=32)
    assert all(f"| {ours} | {theirs} | {value:.2f} |" in section for ours, theirs, value in rows)


def test_the_area_under_the_curve_is_a_half_for_equal_kinds() -> None:
    numbers = torch.arange(5.0)
    assert area_under_curve(numbers, numbers) == 0.5
    assert area_under_curve(numbers + 5, numbers) == 1.0


def test_sheets_are_enlarged_by_whole_pixels(faces: torch.Tensor) -> None:
    sheet = labelled_columns([("samples", faces[:4]), ("renderings", faces[4:8])], across=2, factor=3)
    rows = labelled_rows([("one", [*faces[:3]]), ("other", [*faces[3:6]])], ["a", "b", "c"], factor=2, together=2)
    with Image.open(io.BytesIO(sheet)) as picture:
        assert picture.size == (2 * 2 * 64 * 3 + 16, 2 * 64 * 3 + LINE)
        cell = from_array(_array(picture.crop((0, LINE, 192, LINE + 192))))
    assert torch.equal(cell[:, ::3, ::3], cell[:, 1::3, 2::3]), "no pixel is blurred"
    with Image.open(io.BytesIO(rows)) as picture:
        assert picture.size == (130 + 3 * 128, LINE + 2 * 128)


def _array(picture: Image.Image) -> Any:
    import numpy

    return numpy.asarray(picture.convert("RGB"))


def test_the_committed_figures_are_those_of_the_committed_network() -> None:
    results = json.loads(RESULT.read_text())
    assert results["network"]["sha256"] == file_sha256(WEIGHTS)
    assert results["teachers"]["before"]["network"] == results["network"]["sha256"]
    assert results["renderings"]["unclear_glasses"] < 0.001


def test_a_card_tells_what_is_missed() -> None:
    results = json.loads(RESULT.read_text())
    entry = {
        **results["teachers"]["before"],
        "megabytes": {"generator": 1.9, "discriminator": 1.8},
        "discriminator": [["rendered faces", "samples, psi 1", 0.99]],
    }
    results["teachers"]["shipped"] = entry
    rows = {words: met for words, _, _, met in held_against(entry, results)}
    assert rows["KID at psi 0.7, attributes features"] is False, "the same teacher is not three times better"
    text = card_text(results, "shipped", "faces64")
    assert "**no**" in text
    for line in text.splitlines():
        assert line.count("|") in (0, 4, 5, 7), line


def test_few_renderings_suffice_to_measure() -> None:
    real = Renderings(24, QUIET)
    assert real.figures()["kid"]["random"]["block"] == 12
