"""What a recipe says of directions: strengths in two units, where a direction belongs, and what the records keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from pydantic import ValidationError

from gdp.core.errors import ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import SilentProgress
from gdp.plugins.pair_sources import LatentDirectionConfig
from gdp.plugins.pair_sources.latents import LatentDirectionSource
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.support.directions import Direction, measure_scale, normalised, save_direction

NORM = 0.731


class Listening(SilentProgress):
    said: tuple[str, ...] = ()

    def message(self, text: str) -> None:
        self.said = (*self.said, text)


def at_random(seed: int = 7) -> torch.Tensor:
    """A row of norm 0.731 that knows nothing of the tiny teacher."""
    row = torch.randn(1, 24, generator=torch.Generator().manual_seed(seed))
    return NORM * row / row.norm()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    numpy.save(tmp_path / "age.npy", at_random().numpy())
    numpy.save(tmp_path / "whole.npy", at_random(8).expand(6, 24).numpy())
    save_direction(Direction("tilt", normalised(at_random(9)), 0.5), tmp_path / "tilt.safetensors")
    return tmp_path


def source_of(folder: Path, teacher: StyleGAN2Teacher, **settings: Any) -> LatentDirectionSource:
    settings = {"space": "w", "direction": str(folder / "age.npy"), **settings}
    context = BuildContext(seed=11, teacher=teacher, progress=Listening())
    return LatentDirectionSource(LatentDirectionConfig.model_validate(settings), context)


def moved(source: LatentDirectionSource) -> torch.Tensor:
    ws = source.edit(torch.zeros(1, 6, 24))
    assert ws is not None
    return ws[0]


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_published_strength_adds_the_file_as_it_is(
    symmetric: bool, folder: Path, tiny_teacher: StyleGAN2Teacher
) -> None:
    source = source_of(folder, tiny_teacher, strength={"published": 3}, layers=[1, 4], symmetric=symmetric)
    expected = torch.zeros(6, 24)
    expected[[1, 4]] = 3 * at_random()
    torch.testing.assert_close(moved(source), (2 if symmetric else 1) * expected)


def test_units_mix_in_several_directions(folder: Path, tiny_teacher: StyleGAN2Teacher) -> None:
    more = [
        {"direction": str(folder / "whole.npy"), "strength": {"published": -2}, "layers": [0]},
        {"direction": str(folder / "tilt.safetensors"), "strength": 1.5},
    ]
    both = moved(source_of(folder, tiny_teacher, strength=1.0, more_directions=more))
    alone = [
        moved(source_of(folder, tiny_teacher, strength=1.0)),
        *(moved(source_of(folder, tiny_teacher, **settings)) for settings in more),
    ]
    torch.testing.assert_close(both, alone[0] + alone[1] + alone[2])


def test_the_records_keep_both_units_and_the_scale(folder: Path, tiny_teacher: StyleGAN2Teacher) -> None:
    scale = measure_scale(tiny_teacher, normalised(at_random()))
    for strength in ({"published": 3}, 3 * NORM / scale):
        source = source_of(folder, tiny_teacher, strength=strength, layers=[1, 4])
        [told] = source.make([0]).records[0].edit["directions"]
        assert told["direction"] == "age"
        assert told["strength"] == pytest.approx(3 * NORM / scale, rel=1e-4)
        assert told["published"] == pytest.approx(3.0, rel=1e-4)
        assert told["scale"] == told["deviation"] == pytest.approx(scale, rel=1e-4)
        assert told["file_norm"] == pytest.approx(NORM, rel=1e-5)
        assert told["length"] == pytest.approx(3 * NORM, rel=1e-4)
        assert (told["moved"], told["layers"]) == (2, [1, 4])
        json.dumps(told, allow_nan=False)


def test_the_preflights_remark_tells_how_far_and_where_it_belongs(folder: Path, tiny_teacher: StyleGAN2Teacher) -> None:
    more = [{"direction": str(folder / "tilt.safetensors"), "strength": 1.0}]
    remark = source_of(folder, tiny_teacher, strength={"published": 3}, more_directions=more).check()
    assert "published 3 (times the file's vector), moves 6 of 6 w's by 2.19 each" in remark
    assert "says neither w nor z" in remark
    assert "tilt: strength 1," in remark
    assert "its file says w and no generator" in remark


def test_settings_without_space_are_written_as_before_there_was_one() -> None:
    """What is written of them is part of the content key, so runs of an older gdp go on."""
    step = {"direction": "builtin:smile", "strength": 1.0, "layers": None}
    assert LatentDirectionConfig.model_validate({"more_directions": [step]}).model_dump() == {
        "truncation": 0.7,
        "truncation_cutoff": None,
        "direction": "builtin:age",
        "strength": 2.0,
        "layers": None,
        "more_directions": (step,),
        "symmetric": False,
    }
    said = LatentDirectionConfig.model_validate({"space": "w", "strength": {"published": 3}}).model_dump()
    assert (said["space"], said["strength"]) == ("w", {"published": 3.0})


@pytest.mark.parametrize(
    "strength", ["much", {"published": "much"}, {"publishd": 3}, {}, [3], {"published": 3, "sigma": 2}, float("inf")]
)
def test_a_strength_is_a_number_or_a_published_factor(strength: object) -> None:
    with pytest.raises(ValidationError, match="strength"):
        LatentDirectionConfig.model_validate({"strength": strength})


def test_a_row_of_unknown_origin_is_asked_about_by_the_setting_that_answers(
    folder: Path, tiny_teacher: StyleGAN2Teacher
) -> None:
    source = source_of(folder, tiny_teacher, space=None)
    for ask in (source.check, lambda: source.make([0])):
        with pytest.raises(
            ShapeError, match=r"direction age: its file says neither w nor z .* by pairs\.space = \"w\""
        ):
            ask()
    more = [{"direction": str(folder / "age.npy"), "strength": 1.0}]
    source = source_of(folder, tiny_teacher, direction=str(folder / "tilt.safetensors"), more_directions=more)
    with pytest.raises(ShapeError, match=r"--set pairs\.more_directions\[0\]\.space=w"):
        source.make([0])
    source_of(folder, tiny_teacher, more_directions=[{**more[0], "space": "w"}]).make([0])


@pytest.mark.parametrize("name", ["tilt.safetensors", "whole.npy"])
def test_gdps_own_files_and_those_with_a_row_for_each_w_need_no_ceremony(
    name: str, folder: Path, tiny_teacher: StyleGAN2Teacher
) -> None:
    source = source_of(folder, tiny_teacher, direction=str(folder / name), space=None)
    assert source.make([0]).source.shape == (1, 3, 16, 16)
    assert source.context.progress.said == ()  # type: ignore[attr-defined] # a Listening


def test_a_boundary_in_z_is_refused_by_its_name(folder: Path, tiny_teacher: StyleGAN2Teacher) -> None:
    named = (folder / "age.npy").rename(folder / "pggan_celebahq_age_boundary.npy")
    with pytest.raises(ShapeError, match="belongs to a progressive GAN, which has no w: it is a boundary in z"):
        source_of(folder, tiny_teacher, direction=str(named), space=None).make([0])


def test_a_direction_of_another_teacher_is_asked_about_and_remarked(
    tiny_teacher: StyleGAN2Teacher, tmp_path: Path
) -> None:
    save_direction(
        Direction("age", normalised(torch.ones(1, 24)), 1.0, teacher="ab" * 32), tmp_path / "age.safetensors"
    )
    settings = {"direction": str(tmp_path / "age.safetensors"), "space": None}
    with pytest.raises(ShapeError, match="it was found on another teacher"):
        source_of(tmp_path, tiny_teacher, **settings).make([0])
    source = source_of(tmp_path, tiny_teacher, **{**settings, "space": "w"})
    source.make([0])
    source.make([1])
    [remark] = source.context.progress.said  # type: ignore[attr-defined] # a Listening
    assert "found on another teacher" in remark
