"""gdp as people use it in Python and in notebooks: names, overrides, pictures in kind, what a run shows of itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

import gdp


@pytest.fixture
def world(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a finished run's recipe and its `runs/tiny` lie; the present one."""
    place = Path(shutil.copytree(finished_run.parents[1], tmp_path / "world"))
    monkeypatch.chdir(place)
    return place


def test_a_run_is_opened_by_its_name_for_torch_as_for_every_engine(world: Path) -> None:
    by_name, by_path = gdp.load("tiny"), gdp.load(world / "runs" / "tiny" / "student")
    assert by_name.weights_sha256 == by_path.weights_sha256
    assert gdp.deploy("tiny", engine="torch").resolution == by_name.resolution
    for opened in (gdp.load, gdp.deploy):
        with pytest.raises(gdp.MissingResourceError, match="tinyy: there is no trained student here"):
            opened("tinyy")
        with pytest.raises(gdp.GdpError, match="--device gpu: there is no such device"):
            opened("tiny", device="gpu")


def test_students_take_what_people_have_and_return_it_in_kind(world: Path) -> None:
    levels = numpy.random.default_rng(4).integers(0, 256, (12, 20, 3), dtype=numpy.uint8)
    Image.fromarray(levels).save("picture.png")
    levels.flags.writeable = False  # as numpy.asarray(image) gives it
    for student in (gdp.load("tiny"), gdp.deploy("tiny", engine="torch")):
        use: Any = student
        one = use(levels)
        assert (one.shape, one.dtype) == ((12, 20, 3), numpy.uint8)
        assert numpy.array_equal(use(numpy.stack([levels, levels]))[1], one)
        for given in (Image.fromarray(levels), "picture.png", world / "picture.png"):
            assert numpy.array_equal(numpy.asarray(use(given)), one), given
        images = use([Image.fromarray(levels), "picture.png"])
        assert [image.size for image in images] == [(20, 12)] * 2
        assert use([]) == []
        for wrong in (None, 5, b"x", levels / 255, levels[..., 0], levels.transpose(2, 0, 1), levels[:0]):
            with pytest.raises(gdp.ShapeError, match="takes"):
                use(wrong)


def test_a_run_is_meant_by_its_name_wherever_one_is_taken(world: Path) -> None:
    (world / "runs" / "tiny").rename(world / "runs" / "tiny-faces")
    recipe = (world / "tiny.toml").rename(world / "moved.toml")
    for name in ("tiny-faces", "tiny_faces"):
        assert gdp.load(name).resolution == gdp.deploy(name, engine="torch").resolution == 16
    recipe.rename(world / "tiny.toml")
    assert gdp.run("tiny-faces", progress=gdp.SilentProgress()).outcome.done == ()


def test_engines_take_tensors_as_students_do(world: Path) -> None:
    levels = numpy.random.default_rng(6).integers(0, 256, (2, 16, 20, 3), dtype=numpy.uint8)
    tensor = torch.from_numpy(levels).permute(0, 3, 1, 2) / 127.5 - 1
    model: Any = gdp.deploy("tiny", engine="torch")
    made = model(tensor)
    assert made.shape == (2, 3, 16, 20) and made.dtype == torch.float32
    assert torch.equal(model(tensor[0]), made[0])
    expected = torch.from_numpy(model(levels)).permute(0, 3, 1, 2) / 127.5 - 1
    assert (made - expected).abs().max() < 1e-6
    for wrong in (tensor[0, 0], torch.from_numpy(levels), torch.nn.Identity()):
        with pytest.raises(gdp.ShapeError, match="floating-point tensors"):
            model(wrong)


def test_every_error_of_gdp_is_public(world: Path) -> None:
    from gdp.core import errors

    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, gdp.GdpError)}
    assert kinds <= set(gdp.__all__) and kinds <= set(dir(gdp))


def test_the_array_that_a_student_returns_is_the_tensor_that_it_returns(world: Path) -> None:
    levels = numpy.random.default_rng(5).integers(0, 256, (16, 16, 3), dtype=numpy.uint8)
    student = gdp.load("tiny")
    tensor = torch.from_numpy(levels).permute(2, 0, 1) / 127.5 - 1
    expected = ((student(tensor) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
    assert numpy.abs(student(levels).astype(int) - expected.numpy().astype(int)).max() <= 1


def test_a_run_in_a_notebook_shows_how_it_goes_and_what_came_of_it(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = gdp.run("tiny.toml", overrides="train.steps=26")
    told = capsys.readouterr()
    assert told.out == ""
    assert "train: finished in" in told.err
    assert made.metrics["quality.held_out.psnr_db"] > 0
    assert {path.suffix for path in made.pictures} == {".png"}
    assert made.student is made.student and made.student(made.pictures[0]).size == (16, 16)
    page = made._repr_html_()
    assert "finished: " in page
    assert "quality.held_out.psnr_db" in page
    assert "data:image/png;base64," in page
    again = gdp.run("tiny.toml", overrides={"train": {"steps": 26}}, progress=gdp.SilentProgress())
    assert again.outcome.done == ()
    assert capsys.readouterr() == ("", "")
    assert gdp.run("tiny.toml", overrides=["train.steps=26"]).outcome.done == ()


def test_a_run_that_was_stopped_shows_that_it_has_no_numbers_yet(world: Path) -> None:
    from gdp.core.run.pipeline import Plan

    made = gdp.run("tiny.toml", folder="runs/<b>", plan=Plan(until="pairs"), progress=gdp.SilentProgress())
    assert (made.metrics, made.pictures) == ({}, [])
    assert "stopped: " in made._repr_html_()
    assert "<b>" not in made._repr_html_()


def test_progress_may_be_told_by_yes_and_no(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gdp.run("tiny.toml", progress=False)
    assert capsys.readouterr() == ("", "")
    gdp.run("tiny.toml", progress=True)
    assert "train: up to date" in capsys.readouterr().err
    wrong: Any = "bar"
    with pytest.raises(gdp.GdpError, match=r"progress: give True, False or a gdp\.Progress; got str 'bar'"):
        gdp.run("tiny.toml", progress=wrong)


def test_a_device_of_torch_is_one_and_what_is_none_is_a_sentence(world: Path) -> None:
    assert gdp.load("tiny", device=torch.device("cpu")).resolution == 16
    assert gdp.deploy("tiny", engine="torch", device=torch.device("cpu")).resolution == 16
    assert gdp.run("tiny.toml", device=torch.device("cpu"), progress=False).outcome.done == ()
    wrong: Any
    for wrong in (None, 0, torch.device("mps")):
        with pytest.raises(gdp.GdpError, match=f"--device {wrong}: there is no such device; there is auto, cpu"):
            gdp.run("tiny.toml", device=wrong)


@pytest.mark.parametrize("wrong", [None, 3, {"name": "tiny"}, ["tiny.toml"], b"tiny.toml"])
def test_what_is_no_path_is_told_by_the_name_of_the_argument(world: Path, wrong: Any) -> None:
    asked: dict[str, Any] = {
        "recipe: give the path of a TOML file": lambda: gdp.run(wrong),
        "recipe: give the path": lambda: gdp.train_teacher(wrong),
        "run: give the path of a run's folder": lambda: gdp.refilter(wrong),
        "run: give the path": lambda: gdp.prune(wrong, 0.5),
        "model: give the path": lambda: gdp.load(wrong),
        "model: give the path of a run": lambda: gdp.deploy(wrong),
        "file: give a path": lambda: gdp.describe_direction(wrong),
    }
    if wrong is not None:
        asked["folder: give a path"] = lambda: gdp.run("tiny.toml", folder=wrong)
        asked["recipe: give the path of a"] = lambda: gdp.find_direction(wrong)
    for words, call in asked.items():
        with pytest.raises(gdp.GdpError) as told:
            call()
        assert str(told.value).startswith(words) and f"got {type(wrong).__name__}" in str(told.value)
    if isinstance(wrong, dict):
        with pytest.raises(gdp.GdpError, match="settings of your own are given as overrides="):
            gdp.run(wrong)


def test_one_label_is_a_label_and_no_letters(world: Path) -> None:
    asked: Any = {"filter": "sharpness", "samples": 64, "measured": 0, "progress": False}
    ((finding, _),) = gdp.find_direction("tiny.toml", labels="source", **asked)
    assert finding.direction.name == "source"
    with pytest.raises(gdp.GdpError, match="labels: give a name or a list of names; got int 3"):
        gdp.find_direction("tiny.toml", labels=[3], **asked)


def test_what_the_module_lists_is_there() -> None:
    code = "import gdp; [getattr(gdp, name) for name in dir(gdp)]; print(gdp.toolbox.__name__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "gdp.toolbox\n"


def test_a_training_that_is_there_of_the_same_settings_is_not_said_to_begin_anew(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gdp.run("tiny.toml", overrides="train.steps=25")
    assert "it begins anew, with 25 steps" in capsys.readouterr().err
    assert "train" in gdp.run("tiny.toml").outcome.done
    assert "begins anew" not in capsys.readouterr().err
