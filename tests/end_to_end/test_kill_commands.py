"""SIGKILL at random moments of commands: given once more, each leaves the bits that it leaves when nobody kills it.

What is killed elsewhere: trainings of system B and of teachers (`test_kill_translation.py`), `gdp prune`
(`test_prune_run.py`), `gdp fetch-data` (`test_killed_fetch.py`), `gdp push` (`test_killed_push.py`).
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
import stored_pairs
from commands import gdp_command
from judge_package import package, random_model
from killing import contents, finish, kill_at, kill_often
from PIL import Image
from tiny_world import make_tiny_world
from video_files import picture, write_video

from gdp.core.pairs.store import PairStore

SHORT = ("--set", "pairs.count=48", "--set", "train.steps=12", "--set", "train.checkpoint_every=3")
RUN = ("run", "tiny.toml", *SHORT)
RUN_FOLDER = "runs/tiny"
RESTARTS = ((), ("--from", "pairs"), ("--from", "filter"), ("--from", "train"), ("--from", "evaluate"), ("--force",))
RESTARTS += (("--until", "filter"), ("--until", "train"), ("--until", "pairs", "--from", "pairs"))
OTHERS = ("train.steps=9", "losses.0.weight=2", "filters.1.max_distance=1", "student.width=5")
"""Settings of a run that is begun, killed, and then given up for the run's own."""
LOOKS = (("doctor",), ("doctor", "--repair"), ("pairs",), ("report",))
"""What people do with a run that was killed, each followed by the run's name."""
TOLD = ("events.jsonl", "log.txt", "recipe.toml", "report.html", "run.json", "stages.json", "statistics.jsonl")
"""Files of a run that tell times, or where its folder lies."""


def tells_times(name: str) -> bool:
    return name.endswith(TOLD) or name.startswith(".") or "/checkpoints/" in name or name.endswith("/lock")


@dataclass(frozen=True)
class Command:
    """A command that is killed, and where it leaves what it makes."""

    arguments: tuple[str, ...]
    makes: str
    """A folder; of a whole run its files and its pairs."""
    prepare: Callable[[Path], object] = lambda folder: None
    makes_once: bool = False
    """Whether it refuses to make what is there, whole, already."""


def run_contents(folder: Path) -> dict[str, str]:
    """Return what a finished run holds: its files, and the pairs whatever order SQLite keeps them in."""
    run = folder / "runs" / "tiny"
    (place,) = (run / "pairs").iterdir()
    with PairStore.open(place, read_only=True) as store:
        stored_pairs.verify(store)
        pairs = {"pairs": stored_pairs.digest(store)}
    return pairs | contents(run, lambda name: tells_times(name) or name.endswith("manifest.sqlite"))


def made_by(command: Command, folder: Path) -> dict[str, str]:
    return run_contents(folder) if command.makes == RUN_FOLDER else contents(folder / command.makes, tells_times)


def make_photos(folder: Path) -> None:
    (folder / "photos").mkdir()
    for number in range(12):
        numbers = picture(64 + 16 * number, 48 + 16 * number)
        Image.fromarray(numbers).save(folder / "photos" / f"{number}.png")


def make_clip(folder: Path) -> None:
    (folder / "photos").mkdir()
    write_video(folder / "photos" / "clip.mp4", [3000 * number for number in range(40)])


def make_foreign(folder: Path) -> None:
    """Write a direction as other programs do."""
    (folder / "converted").mkdir()
    numpy.save(folder / "age.npy", numpy.ones((18, 512)))


def make_judges_package(folder: Path) -> None:
    """Write a package of a judge's weights, of random numbers, as its authors publish theirs."""
    (folder / "made").mkdir()
    manifest, content, _ = random_model()
    package(folder / "judge.tgz", manifest, content)


FIND = ("find-direction", "tiny.toml", "--filter", "sharpness", "--label", "source", "-o", "found/found.safetensors")
COMMANDS = {
    "export to onnx": Command(("export", "runs/tiny", "--to", "onnx", "-o", "exported"), "exported"),
    "export to openvino": Command(("export", "runs/tiny", "--to", "openvino", "-o", "exported"), "exported"),
    "find-direction": Command((*FIND, "--samples", "300", "--measured", "32", "--strip", "found/strip.png"), "found"),
    "apply to photos": Command(
        ("apply", "runs/tiny", "photos", "-o", "made", "--engine", "torch", "--compare"), "made", make_photos
    ),
    "apply to a video": Command(("apply", "runs/tiny", "photos", "-o", "made", "--engine", "torch"), "made", make_clip),
    "convert": Command(
        ("convert", "age.npy", "-o", "converted/age.safetensors", "--overwrite"), "converted", make_foreign
    ),
    "report": Command(("report", "runs/tiny"), RUN_FOLDER),
    "pairs": Command(("pairs", "runs/tiny", "--csv", "made/pairs.csv", "--sheet", "made/sheet.html"), "made"),
    "filter": Command(("filter", "runs/tiny", "--set", "filters.0.min_sharpness=0.02"), RUN_FOLDER),
    "make-judge": Command(
        ("make-judge", "face-api", "judge.tgz", "-o", "made/judge.safetensors"),
        "made",
        make_judges_package,
        makes_once=True,
    ),
    "new-plugin": Command(("new-plugin", "filter", "my-filter", "--folder", "made"), "made", makes_once=True),
}
SLOW = {"export to openvino": pytest.mark.soak}
KILLS = pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.soak)])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and its finished run; nothing may change it."""
    folder = tmp_path_factory.mktemp("world")
    make_tiny_world(folder)
    finish(RUN, folder)
    return folder


def copy_of(world: Path, folder: Path) -> Path:
    shutil.copytree(world, folder)
    return folder


def left_over(folder: Path) -> list[str]:
    """Return hidden files and folders, as writing leaves them that was broken off."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(".*"))


@KILLS
@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in COMMANDS])
def test_a_killed_command_given_once_more_leaves_the_same_bits(
    name: str, kills: int, world: Path, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    whole, broken = copy_of(world, tmp_path / "whole"), copy_of(world, tmp_path / "broken")
    for folder in (whole, broken):
        command.prepare(folder)
        (folder / command.makes).mkdir(exist_ok=True)
    started = time.monotonic()
    finish(command.arguments, whole)
    seconds, chance = time.monotonic() - started, random.Random(name)
    expected, made = made_by(command, whole), broken / command.makes

    def clear() -> None:
        if command.makes_once and made_by(command, broken) == expected:
            shutil.rmtree(made)
            made.mkdir()

    kill_often(command.arguments, broken, kills, seconds, chance, clear)
    finish(command.arguments, broken)
    assert expected
    assert made_by(command, broken) == expected
    assert left_over(broken) == left_over(whole)


@KILLS
def test_a_run_that_is_killed_while_it_is_repeated_ends_in_the_same_bits(
    kills: int, world: Path, tmp_path: Path
) -> None:
    broken = copy_of(world, tmp_path / "broken")
    expected = run_contents(world)
    started = time.monotonic()
    finish((*RUN, "--force"), broken)
    seconds, chance = time.monotonic() - started, random.Random(31)
    assert run_contents(broken) == expected
    for turn in range(3 * kills):
        restart = ("--force",) if turn == 0 else chance.choice(RESTARTS)
        kill_at((*RUN, *restart), broken, chance.uniform(0.1, seconds))
    finish(RUN, broken)
    assert run_contents(broken) == expected
    assert left_over(broken / "runs") == left_over(world / "runs")


@KILLS
def test_a_run_that_is_killed_under_other_settings_and_looked_at_ends_in_the_same_bits(
    kills: int, world: Path, tmp_path: Path
) -> None:
    broken = copy_of(world, tmp_path / "broken")
    started = time.monotonic()
    finish((*RUN, "--force"), broken)
    seconds, chance, killed = time.monotonic() - started, random.Random(32), 0
    for _ in range(kills):
        other = ("--set", chance.choice(OTHERS)) if chance.random() < 0.7 else ()
        restart = chance.choice(RESTARTS)
        for _ in range(chance.choice((1, 1, 2))):  # two in a row, the second of which meets what the first left
            killed += kill_at((*RUN, *other, *restart), broken, chance.uniform(0.1, seconds))
        look = chance.choice(LOOKS)
        assert gdp_command(*look, RUN_FOLDER, cwd=broken).exit_code in (0, 1)
    finish((*RUN, "--from", "pairs"), broken)
    found, expected = run_contents(broken), run_contents(world)
    assert found.items() >= expected.items()
    assert all(name.startswith("train/") for name in found.keys() - expected.keys()), "trainings under other settings"
    assert left_over(broken / "runs") == left_over(world / "runs")
    print(f"{killed} kills of gdp run under other settings")
