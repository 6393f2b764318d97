"""Files are translated by workers as by one process, and what a call has left undone by the next."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy
import pytest
from commands import gdp_command, succeed
from killing import contents
from PIL import Image
from tiny_world import make_tiny_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained tiny student, and a folder of pictures of two sizes, one of them broken."""
    folder = tmp_path_factory.mktemp("apply")
    make_tiny_world(folder)
    succeed("run", "tiny.toml", "--until", "export", "--set", "train.steps=1", "--folder", "run", cwd=folder)
    (folder / "photos" / "more").mkdir(parents=True)
    chance = random.Random(1)
    for number in range(21):
        size = chance.choice([(16, 16), (24, 20)])
        levels = numpy.random.default_rng(number).integers(0, 256, (*size, 3), numpy.uint8)
        Image.fromarray(levels).save(folder / "photos" / ("more" if number % 3 else "") / f"{number:02}.png")
    (folder / "photos" / "13-broken.png").write_bytes(b"no picture")
    return folder


def told(world: Path, output: str, *more: str) -> dict[str, object]:
    """Translate the pictures, of which one fails, and return what is printed, the output's folder left out."""
    arguments = "apply", "run", "photos", "-o", output, "--engine", "torch", "--threads", "1", "--json", *more
    done = gdp_command(*arguments, cwd=world)
    assert done.exit_code == 1
    assert "13-broken.png" in done.stderr
    said: dict[str, object] = json.loads(done.stdout.replace(f"{output}/", ""))
    return said


def test_files_of_workers_are_those_of_one_process_and_only_what_is_missing_is_made(world: Path) -> None:
    one = told(world, "one")
    many = told(world, "many", "--executor", "processes", "--workers", "2")
    assert many == one
    assert len(many["written"]) == 21  # type: ignore[arg-type] # a list
    assert contents(world / "many") == contents(world / "one")

    removed = [path for path in sorted((world / "many").rglob("*.png")) if int(path.stem) % 4 == 0]
    kept = {path: path.stat().st_mtime_ns for path in (world / "many").rglob("*.png") if path not in removed}
    for path in removed:
        path.unlink()
    again = told(world, "many", "--skip-existing")
    assert sorted(again["written"]) == sorted(str(path.relative_to(world / "many")) for path in removed)  # type: ignore[call-overload]
    assert contents(world / "many") == contents(world / "one")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
