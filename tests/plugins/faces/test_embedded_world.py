"""The shipped teacher, judge and age direction belong together and do what their cards say."""

from __future__ import annotations

import torch

from gdp.core.interfaces.context import BuildContext
from gdp.plugins.directions.files import load_direction
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.faces.teacher_card import attribute_shares, measure, nearest_pictures
from gdp.plugins.stylegan2.config import StyleGAN2Config, weights_path
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


def test_the_nearest_picture_of_a_picture_is_itself() -> None:
    pictures = torch.rand(5, 3, 64, 64) * 2 - 1
    found, distances = nearest_pictures(pictures[[3, 1]], pictures, 2)
    assert found[:, 0].tolist() == [3, 1]
    assert distances[:, 0].max() < 1e-3 < distances[:, 1].min()
