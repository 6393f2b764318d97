"""A folder in which command lines can do real work in a second: a finished run, its parts, and files that are odd."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy
from commands import succeed
from PIL import Image
from tiny_translation import TEACHER_RECIPE, make_tiny_translation
from tiny_world import make_tiny_world

SMALL = ("count = 96", "count = 16"), ("steps = 24", "steps = 4"), ("sample_every = 12", "sample_every = 4")


def make_lines_world(folder: Path) -> None:
    """Fill a folder; everything in it is named by relative paths, so that copies of it work as well."""
    recipe = make_tiny_world(folder)
    text = recipe.read_text()
    for before, after in SMALL:
        assert before in text
        text = text.replace(before, after)
    recipe.write_text(text)
    (folder / "teacher.toml").write_text(TEACHER_RECIPE.replace("count = 20", "count = 4"))
    make_pictures(folder)
    make_odd_files(folder)
    numpy.save(folder / "age.npy", numpy.ones((18, 512)))
    succeed("run", "tiny.toml", "--json", cwd=folder)
    succeed("export", "runs/tiny", "--to", "onnx", "--json", cwd=folder)
    succeed("apply", "runs/tiny", "photos", "-o", "made", "--json", cwd=folder)  # it remembers the fastest engine
    shutil.copytree(folder / "runs" / "tiny" / "student", folder / "student")
    make_translation(folder / "scenes")


def make_translation(folder: Path) -> None:
    """Make a finished run of system B, whose student can be pruned."""
    folder.mkdir()
    recipe = make_tiny_translation(folder)
    recipe.write_text(recipe.read_text().replace("train_count = 40", "train_count = 8"))
    succeed("run", "tiny.toml", "--set", "train.steps=2", "--json", cwd=folder)


def make_pictures(folder: Path) -> None:
    (folder / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (16 + 8 * number, 16), (60 * number, 90, 60)).save(folder / "photos" / f"{number}.png")
    Image.new("RGB", (20, 20)).save(folder / "picture.png")
    content = (folder / "picture.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])


def make_odd_files(folder: Path) -> None:
    """Make what the words name that is no good."""
    (folder / "folder").mkdir()
    (folder / "folder" / "text.txt").write_text("x")
    (folder / "empty").write_bytes(b"")
    (folder / "link").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    (folder / "bad.json").write_text("{")
    (folder / "list.json").write_text("[1, 2]")
    (folder / "bad.toml").write_text("a = [")
    (folder / "nul.toml").write_bytes(b"a = 1\x00\xff")
    (folder / "good.toml").write_text('name = "good"\n[teacher]\nplugin = "stylegan2"\n')
    (folder / "text.png").write_text("no picture")
    (folder / "bad.safetensors").write_bytes(b"\xff" * 100)
    (folder / "secret").write_text("x")
    (folder / "run").mkdir()
    (folder / "run" / "run.json").write_text(json.dumps([]))
