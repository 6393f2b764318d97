"""The shipped teacher, judge and age direction belong together and do what their cards say."""

from __future__ import annotations

import torch

from gdp.core.interfaces.context import BuildContext
from gdp.plugins.directions.conversion import load_direction
from gdp.plugins.faces.cards import (
    area_under_curve,
    attribute_shares,
    discriminator_section,
    measure,
    measure_discriminator,
    nearest_pictures,
)
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.stylegan2 import StyleGAN2Config, weights_path
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher


def embedded_teacher() -> StyleGAN2Teacher:
    return StyleGAN2Teacher(StyleGAN2Config(weights="builtin:faces64"), BuildContext())


def test_samples_pass_for_faces_and_every_attribute_occurs() -> None:
    images, assessment = measure(embedded_teacher(), samples=160, truncation=0.7)
    assert images.shape == (160, 3, 64, 64)
    assert (assessment.face > 0.5).float().mean() >= 0.86
    assert min(attribute_shares(assessment).values()) > 0


def test_the_weights_are_small_enough_to_ship() -> None:
    assert weights_path("builtin:faces64").stat().st_size < 6_000_000


def test_the_age_direction_was_found_on_this_teacher_and_moves_the_judged_age() -> None:
    teacher, judge = embedded_teacher(), FaceJudge.load()
    direction = load_direction("builtin:age")
    assert direction.teacher == teacher.fingerprint
    assert direction.scale is not None
    ws = teacher.map(teacher.sample_z(5, range(64)), truncation=0.8)
    older = ws + direction.displacement(teacher, 1.0)
    shift = judge.assess(teacher.synthesize(older)).age - judge.assess(teacher.synthesize(ws)).age
    assert shift.mean() > 10


def test_the_discriminator_tells_renderings_from_samples_and_the_card_says_so() -> None:
    teacher = embedded_teacher()
    assert teacher.discriminator is not None
    rows = measure_discriminator(teacher, teacher.discriminator, count=48)
    assert rows[0][:2] == ("rendered faces", "samples, psi 1")
    assert rows[0][2] > 0.9
    section = discriminator_section("d.safetensors", 1.8, rows, count=48)
    assert all(f"| {ours} | {theirs} | {value:.2f} |" in section for ours, theirs, value in rows)


def test_the_area_under_the_curve_is_a_half_for_equal_kinds() -> None:
    numbers = torch.arange(5.0)
    assert area_under_curve(numbers, numbers) == 0.5
    assert area_under_curve(numbers + 5, numbers) == 1.0


def test_the_nearest_picture_of_a_picture_is_itself() -> None:
    pictures = torch.rand(5, 3, 64, 64) * 2 - 1
    found, distances = nearest_pictures(pictures[[3, 1]], pictures, 2)
    assert found[:, 0].tolist() == [3, 1]
    assert distances[:, 0].max() < 1e-3 < distances[:, 1].min()
