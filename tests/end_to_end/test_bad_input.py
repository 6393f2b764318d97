"""A user's mistakes and a machine's misfortunes: one paragraph, an exit code, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from commands import gdp_command
from forked import GdpProcess
from PIL import Image
from tiny_world import make_tiny_world


def gdp_run(recipe: Path, *arguments: str) -> Result:
    return gdp_command("run", recipe, *arguments, cwd=recipe.parent)


def assert_readable_error(result: Result, *words: str) -> None:
    assert result.exit_code != 0, result.stdout
    assert "Traceback" not in result.output
    before, found, error = result.stderr.partition("error: ")
    assert found, before
    assert "error: " not in error
    for word in words:
        assert word in error, error


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return make_tiny_world(tmp_path)


def truncate(recipe: Path) -> None:
    weights = recipe.parent / "teacher.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def scribble(recipe: Path) -> None:
    (recipe.parent / "teacher.safetensors").write_bytes(b"\xff" * 5000)


def remove(recipe: Path) -> None:
    (recipe.parent / "teacher.safetensors").unlink()


def swap(recipe: Path) -> None:
    shutil.copy(recipe.parent / "direction.safetensors", recipe.parent / "teacher.safetensors")


@pytest.mark.parametrize("damage", [truncate, scribble, remove, swap])
def test_damaged_weights_are_named(recipe: Path, damage: Callable[[Path], None]) -> None:
    damage(recipe)
    assert_readable_error(gdp_run(recipe), "teacher.safetensors")


def test_a_direction_of_another_generator_is_refused(recipe: Path) -> None:
    import torch

    from gdp.support.directions import Direction, normalised, save_direction

    save_direction(Direction("wide", normalised(torch.ones(1, 99))), recipe.parent / "direction.safetensors")
    assert_readable_error(gdp_run(recipe), "99")


def folder_recipe(recipe: Path, pictures: Path) -> Path:
    lines = recipe.read_text().splitlines()
    start, end = lines.index("[pairs]"), lines.index("[student]")
    pairs = ["[pairs]", 'plugin = "folder"', f'source_folder = "{pictures}/a"', f'target_folder = "{pictures}/b"']
    text = "\n".join([*lines[:3], *pairs, "resolution = 16", *lines[end:]])
    assert start < end
    recipe.write_text(text)
    return recipe


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for side in "ab":
        (tmp_path / "pictures" / side).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (20, 20), (number * 20, 90, 60)).save(tmp_path / "pictures" / side / f"{number}.png")
    return tmp_path / "pictures"


def test_unmatched_pictures_are_listed(recipe: Path, pictures: Path) -> None:
    (pictures / "b" / "7.png").unlink()
    assert_readable_error(gdp_run(folder_recipe(recipe, pictures)), "7.png")


def test_a_corrupt_picture_is_named(recipe: Path, pictures: Path) -> None:
    content = (pictures / "a" / "3.png").read_bytes()
    (pictures / "a" / "3.png").write_bytes(content[: len(content) // 2])
    assert_readable_error(gdp_run(folder_recipe(recipe, pictures)), "3.png")


def test_an_unwritable_folder_is_named(recipe: Path) -> None:
    assert_readable_error(gdp_run(recipe, "--folder", "/proc/gdp-run"), "/proc/gdp-run")


def test_a_second_process_on_the_same_run_is_refused_and_harms_nothing(recipe: Path) -> None:
    first = GdpProcess(("run", recipe, "--set", "train.steps=100000"), recipe.parent)
    log = recipe.parent / "runs" / "tiny" / "log.txt"
    while not (log.exists() and "train: begins" in log.read_text()):
        assert first.runs()
        time.sleep(0.05)
    assert_readable_error(gdp_run(recipe), "another gdp process")
    os.kill(first.pid, signal.SIGTERM)
    stopped = first.finish()
    assert stopped.returncode == 143, stopped.stderr
    assert "stopped" in stopped.stdout
    assert gdp_run(recipe).exit_code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1.5 MB, where the machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1500k", "tmpfs", place], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_loses_nothing(recipe: Path, small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1_250_000))
    folder = small_disk / "run"
    assert_readable_error(gdp_run(recipe, "--folder", str(folder)), "free some space")
    filler.unlink()
    assert gdp_run(recipe, "--folder", str(folder), "--until", "train").exit_code == 3
    elsewhere = recipe.parent / "elsewhere"
    assert gdp_run(recipe, "--folder", str(elsewhere), "--until", "train").exit_code == 3
    weights = [next(place.glob("train/*/student.safetensors")).read_bytes() for place in (folder, elsewhere)]
    assert weights[0] == weights[1]


def test_a_diverging_training_stops_with_its_reason(recipe: Path) -> None:
    result = gdp_run(recipe, "--set", "train.learning_rate=1e30")
    assert_readable_error(result, "learning_rate")
    assert json.loads((recipe.parent / "runs" / "tiny" / "run.json").read_text())["state"] == "failed"
    assert (recipe.parent / "runs" / "tiny" / "stages.json").exists(), "the pairs and verdicts are kept"


def test_an_empty_funnel_says_which_filter_drops_most(recipe: Path) -> None:
    assert_readable_error(gdp_run(recipe, "--set", "filters.0.min_sharpness=1e9"), "sharpness kept 0 of 96")
