"""Directions are found on a teacher whose pictures show known numbers of w."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.plugins.directions.files import load_direction
from gdp.plugins.directions.find import main
from gdp.plugins.directions.finding import METHODS, Method, ScoredSamples, find_direction, score_samples
from gdp.plugins.faces.judge import FaceJudge, JudgeNetwork
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher

AGE_NORMAL = torch.zeros(24, dtype=torch.float64)
AGE_NORMAL[[0, 1]] = torch.tensor([0.8, 0.6], dtype=torch.float64)
SMILE_NORMAL = torch.zeros(24, dtype=torch.float64)
SMILE_NORMAL[[1, 2]] = torch.tensor([0.6, -0.8], dtype=torch.float64)


@pytest.fixture(scope="module")
def samples() -> ScoredSamples:
    """Latents with correlated, unequal spreads; age and smile are linear in them up to noise."""
    random = torch.Generator().manual_seed(0)
    mixing = torch.eye(24, dtype=torch.float64) + 0.2 * torch.randn(24, 24, generator=random, dtype=torch.float64)
    w = torch.randn(4000, 24, generator=random, dtype=torch.float64) @ mixing
    noise = torch.randn(2, 4000, generator=random, dtype=torch.float64)
    age = 45 + 10 * (w @ AGE_NORMAL) + 2 * noise[0]
    smile = torch.sigmoid(2 * (w @ SMILE_NORMAL) + 0.2 * noise[1])
    return ScoredSamples(w, {"age": age, "smile": smile, "still": torch.ones(4000, dtype=torch.float64)})


@pytest.mark.parametrize("method", METHODS)
def test_the_found_direction_moves_the_score(
    method: Method, samples: ScoredSamples, tiny_teacher: StyleGAN2Teacher
) -> None:
    direction = find_direction(tiny_teacher, samples, "age", method=method)
    vector = direction.vectors[0].double()
    assert vector.norm() == pytest.approx(1.0)
    assert vector @ AGE_NORMAL > 0.5
    if method == "regression":
        assert vector @ AGE_NORMAL > 0.99
    assert direction.teacher == tiny_teacher.fingerprint
    assert direction.scale is not None
    assert direction.scale > 0


@pytest.mark.parametrize("method", METHODS)
def test_held_attributes_stay_while_the_score_moves(
    method: Method, samples: ScoredSamples, tiny_teacher: StyleGAN2Teacher
) -> None:
    free = find_direction(tiny_teacher, samples, "age", method=method).vectors[0].double()
    held = find_direction(tiny_teacher, samples, "age", ["smile"], method).vectors[0].double()
    assert abs(held @ SMILE_NORMAL) < 0.03 < abs(free @ SMILE_NORMAL)
    assert held @ AGE_NORMAL > 0.5


def test_what_cannot_be_found_is_said(samples: ScoredSamples, tiny_teacher: StyleGAN2Teacher) -> None:
    with pytest.raises(ShapeError, match="'still' hardly varies"):
        find_direction(tiny_teacher, samples, "still")
    with pytest.raises(ShapeError, match="there are age, smile, still"):
        find_direction(tiny_teacher, samples, "hat")
    few = ScoredSamples(samples.w[:40], {"age": samples.scores["age"][:40]})
    with pytest.raises(ShapeError, match="too few"):
        find_direction(tiny_teacher, few, "age")


def test_samples_that_the_judge_does_not_keep_are_left_out(tiny_teacher: StyleGAN2Teacher) -> None:
    def scorer(images: Tensor) -> Mapping[str, Tensor]:
        brightness = images.mean(dim=(1, 2, 3))
        return {"brightness": brightness, "keep": (brightness > 0).float()}

    samples = score_samples(tiny_teacher, scorer, 50, seed=1, batch=16)
    images = tiny_teacher.synthesize(tiny_teacher.map(tiny_teacher.sample_z(1, range(50)))).clamp(-1, 1)
    bright = images.mean(dim=(1, 2, 3)) > 0
    assert 0 < bright.sum() < 50
    assert list(samples.scores) == ["brightness"]
    assert len(samples.w) == len(samples.scores["brightness"]) == bright.sum()


def test_a_brightness_direction_brightens_the_teachers_pictures(tiny_teacher: StyleGAN2Teacher) -> None:
    def scorer(images: Tensor) -> Mapping[str, Tensor]:
        return {"brightness": images.mean(dim=(1, 2, 3))}

    samples = score_samples(tiny_teacher, scorer, 400, seed=0)
    direction = find_direction(tiny_teacher, samples, "brightness")
    ws = tiny_teacher.map(tiny_teacher.sample_z(9, range(32)))
    means = [
        float(tiny_teacher.synthesize(ws + direction.displacement(tiny_teacher, strength)).clamp(-1, 1).mean())
        for strength in (-2.0, 0.0, 2.0)
    ]
    assert means[0] < means[1] < means[2]


def test_the_command_writes_direction_table_and_strip(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = JudgeNetwork()
        with torch.no_grad():
            network.head[-1].bias[1] = 10.0  # type: ignore[union-attr] # of this untrained judge everything is a face
    monkeypatch.setattr(FaceJudge, "load", classmethod(lambda cls: FaceJudge(network)))
    output, strip = tmp_path / "age.safetensors", tmp_path / "age.png"
    options = ["--samples", "160", "--measured", "8", "--rows", "2", "--layers", "0", "1", "--hold", "smile"]
    code = main(["--weights", str(tiny_weights), *options, "--output", str(output), "--strip", str(strip)])
    assert code == 0, capsys.readouterr().err
    direction = load_direction(output)
    assert (direction.name, direction.layers) == ("age", (0, 1))
    assert direction.found["orthogonal_to"] == ["smile"]
    effects = direction.found["effects"]
    assert [effect["strength"] for effect in effects] == [-3, -2, -1, 0, 1, 2, 3]
    assert effects[3]["age_shift"] == 0
    assert effects[0]["age_shift"] < 0 < effects[-1]["age_shift"]
    with Image.open(strip) as picture:
        assert picture.size == (7 * 16, 2 * 16)
    assert "strength    age" in capsys.readouterr().out


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "nowhere.safetensors"
    assert main(["--weights", str(missing), "--output", str(tmp_path / "age.safetensors")]) == 1
    assert "nowhere.safetensors: there are no such weights" in capsys.readouterr().err
    assert main(["--weights", str(tmp_path / "g.pkl"), "--output", str(tmp_path / "age.safetensors")]) == 1
    assert "only converted .safetensors" in capsys.readouterr().err
