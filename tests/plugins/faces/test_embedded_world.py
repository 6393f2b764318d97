"""The shipped teacher, judge and age direction belong together and do what their cards say."""

from __future__ import annotations

from gdp.core.interfaces.context import BuildContext
from gdp.plugins.directions.conversion import load_direction
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.stylegan2 import StyleGAN2Config, weights_path
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher


def embedded_teacher() -> StyleGAN2Teacher:
    return StyleGAN2Teacher(StyleGAN2Config(weights="builtin:faces64"), BuildContext())


def test_samples_pass_for_faces_and_every_attribute_occurs() -> None:
    teacher = embedded_teacher()
    seen = FaceJudge.load().assess(teacher.synthesize(teacher.map(teacher.sample_z(5, range(160)), 0.7)).clamp(-1, 1))
    assert (seen.face > 0.5).float().mean() >= 0.86
    assert 0 < (seen.glasses > 0.5).float().mean() < 1
    assert 0 < (seen.smile > 0.5).float().mean() < 1
    assert (seen.age < 25).any()
    assert (seen.age > 60).any()
    for classes in (seen.hair_length, seen.skin):
        assert len(classes.argmax(dim=1).unique()) == classes.shape[1]


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
