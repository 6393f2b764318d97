"""Mistakes that need no torch are told without it: in a fraction of a second instead of several."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdp.core.run_folder import RunFolder

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
AGE = ROOT / "recipes" / "stylegan_age.toml"

PROGRAM = """
import json, sys
from importlib.abc import MetaPathFinder


class NoTorch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "torchmetrics"):
            raise AssertionError(f"{name} is imported")


sys.meta_path.insert(0, NoTorch())
from typer.testing import CliRunner
from gdp.cli.app import app

for arguments, expected in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, arguments)
    told = f"gdp {' '.join(arguments)}: {result.exit_code} {result.output} {result.exception!r}"
    assert result.exit_code in (1, 2), told
    assert isinstance(result.exception, SystemExit), told
    assert expected in result.output, told
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with a recipe that has a mistake, and a run that is said to be finished."""
    (tmp_path / "wrong.toml").write_text(AGE.read_text().replace("min_age =", "min_agee ="))
    (tmp_path / "good.toml").write_text(AGE.read_text())
    (tmp_path / "picture.png").write_bytes(b"")
    run = tmp_path / "runs" / "done"
    (run / "student").mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"name": "done", "state": "finished"}))
    RunFolder(run).finish_stage("export", "0" * 64, 1.0, {"weights_sha256": "0" * 64})
    (run / "recipe.toml").write_text(AGE.read_text())
    (run / "student" / "student.safetensors").write_bytes(b"")
    return tmp_path


def check(place: Path, *commands: tuple[list[str], str]) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, json.dumps(commands)],
        capture_output=True, text=True, check=False, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def test_names_of_nothing(place: Path) -> None:
    check(
        place,
        (["run", "nope.toml"], "no such file"),
        (["train-teacher", "nope.toml"], "no such file"),
        (["estimate", "nope.toml"], "no such file"),
        (["pairs", "nope"], "this is no run folder"),
        (["filter", "nope"], "this is no run folder"),
        (["prune", "nope", "--macs", "0.5"], "this is no run folder"),
        (["report", "nope"], "this is no run folder"),
        (["export", "nope", "--to", "onnx"], "there is no trained student here"),
        (["push", "nope", "ada/nope"], "there is no trained student here"),
        (["apply", "nope", "picture.png", "-o", "out"], "there is no trained student here"),
        (["apply", "runs/done", "nope.png", "-o", "out"], "nope.png"),
        (["bench", "nope"], "there is no trained student here"),
        (["convert", "nope.pkl"], "there is no such file"),
        (["find-direction", "nope.toml"], "no such file"),
        (["fetch-data", "nope"], "no download plugin"),
        (["describe", "filter", "nope"], "no filter plugin"),
        (["new-plugin", "nope", "x"], "no kind of plugin"),
        (["validate", "nope.toml"], "no such file"),
        (["nope"], "no command is called"),
    )


def test_a_run_that_is_called_nearly_so_is_named(place: Path) -> None:
    check(
        place,
        (["report", "dome"], "did you mean runs/done?"),
        (["export", "runs/dome", "--to", "onnx"], "did you mean runs/done?"),
        (["demo", "dome"], "did you mean runs/done?"),
        (["watch", "--root", "nowhere"], "gdp run RECIPE begins one"),
    )


def test_a_folder_without_pictures_is_no_missing_one(place: Path) -> None:
    (place / "empty").mkdir()
    check(
        place,
        (["apply", "runs/done", "empty", "-o", "out"], "nothing in this folder is a picture or a video"),
        (["apply", "runs/done", "nope/", "-o", "out"], "there is no such file or folder"),
    )


def test_plugins_by_their_names_alone(place: Path) -> None:
    check(
        place,
        (["describe", "pix2pixdh"], "did you mean pix2pixhd?"),
        (["describe", "teachers"], "did you mean teacher?"),
        (["describe", "xyzzy"], "gdp list-plugins shows what there is"),
        (
            ["describe", "face-attributes"],
            "gdp describe filter face-attributes or gdp describe evaluator face-attributes",
        ),
    )


def test_names_that_no_file_can_have(place: Path) -> None:
    commands = (
        ["run"],
        ["estimate"],
        ["report"],
        ["pairs"],
        ["convert"],
        ["bench"],
        ["prune", "--macs", "0.5"],
    )
    check(place, *(([command, "x" * 400, *options], "xxx: File name too long.") for command, *options in commands))


def test_names_of_engines_layouts_and_plugins(place: Path) -> None:
    check(
        place,
        (["export", "runs/done", "--to", "onxn"], "did you mean onnx?"),
        (["apply", "runs/done", "picture.png", "-o", "out", "--engine", "onxn"], "did you mean onnx?"),
        (["bench", "runs/done", "--engines", "onxn:bf16"], "did you mean onnx?"),
        (["convert", "picture.png", "--as", "stylegan2-adda"], "no converter plugin"),
        (["find-direction", "--method", "pcaa"], "did you mean pca"),
        (["find-direction", "--teacher", "stylegan3"], "did you mean stylegan2"),
        (["run", "good.toml", "--no-plugin", "nope"], "there is no plugin of that name"),
    )


def test_mistakes_in_recipes(place: Path) -> None:
    mistake = "filters[0].min_agee: unknown key, did you mean min_age?"
    override = "train.stepz: unknown key, did you mean steps?"
    check(
        place,
        (["run", "wrong.toml"], mistake),
        (["run", "wrong.toml", "--dry-run"], mistake),
        (["run", "good.toml", "--set", "train.stepz=3"], override),
        (["run", "runs/done", "--set", "train.stepz=3"], override),
        (["run", "good.toml", "--until", "nope"], "nope"),
        (["train-teacher", "good.toml"], "belongs to a recipe of gdp run"),
        (["estimate", "wrong.toml"], mistake),
        (["estimate", "good.toml", "--prices", "nope.toml"], "nope.toml"),
        (["filter", "runs/done", "--set", "filters.0.min_agee=3"], mistake),
        (["filter", "runs/done", "--recipe", "wrong.toml"], mistake),
        (["filter", "runs/done", "--set", "train.steps=3"], "gdp filter changes [[filters]] and pairs.held_out alone"),
        (["prune", "runs/done", "--macs", "0.5", "--set", "train.stepz=3"], override),
        (["find-direction", "good.toml", "--set", "method.nope=3"], "method.nope: unknown key"),
    )


def test_options_that_cannot_be(place: Path) -> None:
    check(
        place,
        (["pairs", "runs/done", "--where", "age >"], "--where"),
        (["pairs", "runs/done", "--sheet", "sheet.gif"], "a sheet is written as .png or .html"),
        (["filter", "runs/done", "--dry-run", "--measure"], "a dry run measures nothing"),
        (["prune", "runs/done", "--macs", "2"], "must lie between 0 and 1"),
        (["prune", "runs/done", "--macs", "0.5", "--folder", "runs/done"], "stays as it is"),
        (["prune", "runs/done", "--macs", "0.5", "--of", "teacher"], "has no teacher that could be pruned"),
        (["export", "runs/done", "--to", "onnx", "--pictures", "nope"], "there is no such folder of pictures"),
        (["apply", "runs/done", "picture.png", "-o", "out", "--align-size", "64"], "need --align MODEL"),
        (["bench"], "name a run or an exported file"),
        (["bench", "runs/done", "--sizes", "big"], "--sizes: write whole numbers"),
        (["bench", "runs/done", "--plot", "plot.docx"], "plot.docx"),
        (["convert", "picture.png", "-o", "weights.bin"], "must end in .safetensors"),
        (["find-direction", "--output", "age.bin"], "a direction is written as .safetensors"),
        (["find-direction", "--layers", "x"], "--layers x: write numbers"),
    )
