"""System B from start to end, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import gdp_command, succeed
from tiny_translation import make_tiny_teacher_recipe, make_tiny_translation

import gdp


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = make_tiny_translation(tmp_path_factory.mktemp("finished"))
    outcome = succeed("run", recipe, "--json", cwd=recipe.parent)
    assert json.loads(outcome)["state"] == "finished"
    return recipe


def test_distillation_runs_from_recipe_to_report(finished: Path) -> None:
    folder = finished.parent / "runs" / "tiny"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["pairs"] == {"made": 48, "kept": 48}
    assert 0 < metrics["quality"]["held_out"]["l1_to_teacher"] < 2
    assert "<html" in (folder / "report.html").read_text()
    (training,) = (folder / "train").iterdir()
    distances = [json.loads(line) for line in (training / "held_out.jsonl").read_text().splitlines()]
    assert [line["step"] for line in distances] == [0, 5, 10]
    assert distances[-1]["held_out_l1"] < distances[0]["held_out_l1"]
    lines = [json.loads(line) for line in (training / "statistics.jsonl").read_text().splitlines()]
    for term in ("lsgan", "cycle-l1", "identity-l1", "feature-l2", "output-l1"):
        assert f"generator.{term}" in lines[-1]
    layers = json.loads((training / "initialisation.json").read_text())["student"]["layers"]
    assert layers, "the table says what became of every layer"
    assert {path.name for path in training.glob("*.safetensors")} == {
        "student.safetensors",
        "opposite.safetensors",
        "losses.safetensors",
    }


def test_the_student_takes_pictures_of_any_size(finished: Path) -> None:
    import torch

    student = gdp.load(finished.parent / "runs" / "tiny")
    assert student(torch.rand(1, 3, 45, 38) * 2 - 1).shape == (1, 3, 45, 38)


def test_any_student_can_learn_from_stored_translations(finished: Path) -> None:
    sets = {
        "student": '{ plugin = "pix2pixhd", width = 4, downsamplings = 1, blocks = 1, discriminator_width = 4 }',
        "losses": '[{ plugin = "lsgan" }, { plugin = "l1", weight = 10 }]',
        "pairs.live": "false",
    }
    arguments = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    succeed("run", finished, "--folder", "materialised", *arguments, cwd=finished.parent)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        (
            'losses[3].modules={"model.99"="model.10"}',
            "loss feature-l2 (gdp-distill): the teacher has no module 'model.99'; the",
        ),
        ("pairs.live=false", "feature-l2 compares hidden states of the teacher, and no teacher runs"),
        ("student.opposite=none", "the losses cycle-l1 need a generator of the way back"),
        ("losses[3].blocks=[[7, 0]]", "the teacher has 5 residual blocks and the student 2"),
    ],
)
def test_the_pre_flight_tells_what_cannot_be_distilled(tmp_path: Path, override: str, complaint: str) -> None:
    recipe = make_tiny_translation(tmp_path)
    finished = gdp_command("run", recipe, "--dry-run", "--set", override, cwd=tmp_path)
    assert finished.exit_code == 1
    assert complaint in finished.stdout
    assert "Traceback" not in finished.stderr


def test_a_teacher_wants_two_domains(tmp_path: Path) -> None:
    recipe = make_tiny_teacher_recipe(tmp_path)
    text = (
        recipe.read_text()
        .replace("rendered-scenes", "rendered-faces")
        .replace("train_count = 20\ntest_count = 4", "count = 8")
    )
    recipe.write_text(text)
    finished = gdp_command("train-teacher", recipe, cwd=tmp_path)
    assert finished.exit_code == 1
    assert "the teacher cyclegan is trained on pictures of two domains" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_teachers_training_goes_where_and_as_far_as_the_command_says(tmp_path: Path) -> None:
    recipe = make_tiny_teacher_recipe(tmp_path)
    recipe.write_text(recipe.read_text() + '\n[limits]\nmemory = "64MB"\n')
    told = json.loads(succeed("train-teacher", recipe, "--device", "cpu", "--json", cwd=tmp_path))
    assert told["state"] == "finished"
    assert Path(told["weights"]).is_file()
    resolved = (tmp_path / "runs" / "tiny-teacher" / "recipe.toml").read_text()
    assert 'device = "cpu"' in resolved
    assert 'memory = "64MB"' in resolved
    for device in ("gpu", "cuda:0,1"):
        refused = gdp_command("train-teacher", recipe, "--set", f"train.device={device}", cwd=tmp_path)
        assert refused.exit_code == 2
        assert "train.device: there is no such device; there is auto, cpu" in refused.stderr


def test_one_recipe_trains_the_teacher_and_then_the_student(tmp_path: Path) -> None:
    recipe = make_tiny_translation(tmp_path)
    training = (
        "[teacher.train]\nsteps = 3\nbatch = 2\nwidth = 3\nblocks = 3\ndiscriminator_width = 2\n"
        'discriminator_layers = 2\nprecision = "float32"\n'
    )
    recipe.write_text(recipe.read_text().replace('weights = "teacher.safetensors"\n', training))
    (tmp_path / "teacher.safetensors").unlink()
    assert "will be trained first" in succeed("run", recipe, "--dry-run", cwd=tmp_path)
    assert not (tmp_path / "runs").exists()

    succeed("run", recipe, "--json", "--until", "train", cwd=tmp_path)
    (teacher,) = (tmp_path / "runs" / "tiny" / "teacher").glob("*/teacher.safetensors")
    assert teacher.stat().st_size > 0
    again = succeed("run", recipe, "--json", "--until", "train", cwd=tmp_path)
    assert json.loads(again)["done"] == []
    student = succeed("run", recipe, "--json", "--until", "train", "--set", "student.width=5", cwd=tmp_path)
    assert json.loads(student)["done"] == ["train"], "the teacher is trained once"


def test_settings_of_the_teachers_training_are_checked_with_the_recipe(tmp_path: Path) -> None:
    recipe = make_tiny_translation(tmp_path)
    recipe.write_text(recipe.read_text().replace("[dataset]", "[teacher.train]\nblokcs = 3\n\n[dataset]"))
    finished = gdp_command("validate", recipe, cwd=tmp_path)
    assert finished.exit_code == 2
    assert "teacher.train.blokcs: unknown key, did you mean blocks?" in finished.stdout + finished.stderr
