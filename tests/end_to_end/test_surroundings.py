"""What stands around a run: moved projects, runs given away, full disks, homes that cannot be written, odd names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from commands import gdp_command, succeed
from PIL import Image
from small_disk import no_file_larger_than
from tiny_world import make_tiny_world

RUN = "runs/tiny"


@pytest.fixture
def world(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run beside its recipe and teacher, moved from where it was made; and a picture."""
    return copied(finished_run, tmp_path / "world")


def copied(finished_run: Path, place: Path) -> Path:
    shutil.copytree(finished_run.parents[1], place)
    Image.fromarray(numpy.full((16, 16, 3), 90, numpy.uint8)).save(place / "picture.png")
    return place


def test_a_moved_project_has_nothing_to_do(world: Path) -> None:
    assert json.loads(succeed("run", "tiny.toml", "--json", cwd=world))["done"] == []
    assert gdp_command("doctor", RUN, cwd=world).exit_code == 0


def test_a_run_that_was_given_away_is_used_without_its_teacher(world: Path, tmp_path: Path) -> None:
    given = tmp_path / "elsewhere" / "given"
    shutil.copytree(world / RUN, given)
    shutil.copy(world / "picture.png", given.parent)
    shutil.rmtree(world)
    for arguments in (
        ("doctor", "given"),
        ("pairs", "given", "--csv", "pairs.csv"),
        ("filter", "given", "--dry-run"),
        ("report", "given"),
        ("apply", "given", "picture.png", "-o", "out.png", "--engine", "torch"),
        ("export", "given", "--to", "onnx"),
    ):
        done = gdp_command(*arguments, cwd=given.parent)
        assert done.exit_code == 0, (arguments, done.output)


@pytest.mark.parametrize(
    ("limit", "arguments"),
    [
        (1000, ("pairs", RUN, "--csv", "pairs.csv")),
        (1000, ("pairs", RUN, "--sheet", "sheet.png")),
        (1000, ("report", RUN)),
        (50, ("apply", RUN, "picture.png", "-o", "out.png", "--engine", "torch")),
        (1000, ("export", RUN, "--to", "onnx")),
        (1000, ("filter", RUN, "--set", "filters.0.min_sharpness=1")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_full_disk_is_told_in_a_sentence_and_harms_no_run(
    world: Path, limit: int, arguments: tuple[str, ...]
) -> None:
    with no_file_larger_than(limit):
        done = gdp_command(*arguments, cwd=world)
    assert done.exit_code == 1, done.output
    assert "no space left to write" in done.output
    assert not {"pairs.csv", "sheet.png", "out.png"} & {path.name for path in world.iterdir()}
    assert gdp_command("doctor", RUN, cwd=world).exit_code == 0


def test_a_device_that_takes_nothing_is_told(world: Path) -> None:
    done = gdp_command("pairs", RUN, "--csv", "/dev/full", cwd=world)
    assert (done.exit_code, "/dev/full: no space left to write" in done.output) == (1, True)


def test_a_home_that_cannot_be_written_keeps_nobody_from_working(world: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GDP_", "MPL"))}
    environment = {**kept, "HOME": "/dev/null/home"}
    command = [sys.executable, "-m", "gdp", "run", "tiny.toml", "--from", "report"]  # which draws, too
    done = subprocess.run(command, cwd=world, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_a_folder_whose_name_is_no_text_is_told_before_anything_is_written(finished_run: Path, tmp_path: Path) -> None:
    odd = copied(finished_run, tmp_path / os.fsdecode(b"caf\xe9"))
    before = {path: path.stat().st_mtime_ns for path in odd.rglob("*") if path.name != "lock"}
    for arguments in (("run", "tiny.toml"), ("run", "tiny.toml", "--force"), ("doctor", RUN), ("run", RUN)):
        done = gdp_command(*arguments, cwd=odd)
        assert done.exit_code == (2 if "tiny.toml" in arguments else 1), done.output
        assert "caf\\udce9" in done.output
        assert re.search(r"is not? UTF-8 text", done.output), done.output
    assert {path: path.stat().st_mtime_ns for path in odd.rglob("*") if path.name != "lock"} == before
    (row,) = json.loads(succeed("runs", "--json", cwd=odd))
    assert row["state"] == "finished"
    assert json.loads(succeed("pairs", RUN, "--json", cwd=odd))["made"] == 96
    succeed("apply", RUN, "picture.png", "-o", "out.png", "--engine", "torch", cwd=odd)


def test_an_unfinished_run_says_what_it_has_not(tmp_path: Path) -> None:
    make_tiny_world(tmp_path)
    succeed("run", "tiny.toml", "--set", "pairs.count=8", "--until", "pairs", cwd=tmp_path)
    succeed("report", RUN, cwd=tmp_path)
    page = (tmp_path / RUN / "report.html").read_text()
    assert "there are no training statistics (yet)" in page
    assert "metrics.json is not there (yet)" in page
    assert gdp_command("doctor", RUN, cwd=tmp_path).exit_code == 0
    Image.new("RGB", (16, 16)).save(tmp_path / "picture.png")
    for command in (("apply", RUN, "picture.png", "-o", "out.png"), ("export", RUN, "--to", "onnx")):
        done = gdp_command(*command, cwd=tmp_path)
        assert (done.exit_code, "this run has no trained student yet. gdp run" in done.output) == (1, True), done.output


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("train.steps=26",), "train.steps 24 -> 26; kept: teacher, pairs, filter; to do: train, evaluate, "),
        (("filters.0.min_sharpness=0.5",), ".min_sharpness 0.0 -> 0.5; kept: teacher, pairs; to do: filter, "),
        (("pairs.count=100",), "pairs.count 96 -> 100; kept: teacher, the pairs that are there; to do: pairs, "),
        (("pairs.strength=2",), "pairs.strength 1.0 -> 2.0; kept: teacher; to do: pairs, "),
        (("train.steps=3", "train.batch=2", "losses.1.weight=9", "seed=4", "student.width=8"), ", 1 more; kept: "),
        ((), ""),
        (('limits.memory="2GB"',), ""),
    ],
)  # fmt: skip
def test_settings_that_differ_from_the_runs_own_are_told_with_what_is_kept(
    settings: tuple[str, ...], told: str, world: Path
) -> None:
    overrides = [word for setting in settings for word in ("--set", setting)]
    done = gdp_command("run", "tiny.toml", *overrides, "--dry-run", cwd=world)
    assert done.exit_code == 0, done.output
    lines = [
        line for line in done.stderr.splitlines() if line.startswith("runs/tiny was last run with other settings: ")
    ]
    assert len(lines) == bool(told)
    assert all(told in line for line in lines), lines


def test_a_lost_description_of_a_student_is_made_again_by_the_command_that_is_told(world: Path) -> None:
    (world / RUN / "student" / "student.json").unlink()
    done = gdp_command("apply", RUN, "picture.png", "-o", "out.png", cwd=world)
    assert done.exit_code == 1
    said = f"{RUN}/student/student.json: is not there, .*: gdp run {RUN} makes it again, without another training"
    assert re.search(said, " ".join(done.output.split()))
    assert json.loads(succeed("run", RUN, "--json", cwd=world))["done"][0] != "train"
    succeed("apply", RUN, "picture.png", "-o", "out.png", cwd=world)
    (world / "elsewhere").mkdir()
    shutil.copy(world / RUN / "student" / "student.safetensors", world / "elsewhere")
    done = gdp_command("apply", "elsewhere", "picture.png", "-o", "out.png", cwd=world)
    assert "student.json" in done.output


def test_a_run_whose_filters_were_changed_there_and_back_is_finished(world: Path) -> None:
    states = []
    for least in ("0.02", "0"):
        succeed("filter", RUN, "--set", f"filters.0.min_sharpness={least}", cwd=world)
        states += [row["state"] for row in json.loads(succeed("runs", "--json", cwd=world))]
    assert states == ["stopped", "finished"]
    assert "nothing to do, all is up to date" in succeed("run", RUN, cwd=world)


def test_more_steps_for_a_finished_run_are_told_beforehand_with_the_way_to_go_on(world: Path) -> None:
    for more in (("--dry-run",), ("--until", "train")):
        done = gdp_command("run", "tiny.toml", "--set", "train.steps=26", *more, cwd=world)
        told = " ".join(done.output.split())
        assert "finished after 24 steps: it begins anew, with 26 steps. To go on from the weights that it has" in told
    assert (
        "begins anew" not in gdp_command("run", "tiny.toml", "--set", "train.steps=26", "--dry-run", cwd=world).output
    )
    [weights] = {str(path) for path in world.glob(f"{RUN}/train/*/student.safetensors") if str(path) in told}
    further = ("--set", "train.steps=2", "--set", f"student.weights={weights}", "--until", "train")
    succeed("run", "tiny.toml", *further, cwd=world)
