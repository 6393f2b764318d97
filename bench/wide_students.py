"""Students of the published widths at 256 px, trained a little on the embedded worlds: what start-up and engines are
measured on.

    python bench/wide_students.py FOLDER [--name pix2pixhd] [--steps 40]

Writes FOLDER/NAME/runs/NAME, a finished run that `gdp apply`, `gdp export` and `gdp bench` take.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gdp.cli.common import EXIT_STOPPED
from gdp.tools.deploy.cards import Card, read_card
from gdp.tools.deploy.student_folder import StudentFolder

ROOT = Path(__file__).resolve().parents[1]
SIZE = 256
"""Pixels."""
PAIRS, HELD_OUT = 80, 16
STEPS = 40
EXPORTS = {"onnx": "student.onnx", "openvino": "student.xml", "openvino-int8": "student-int8.xml"}
SEED = 5
STUDENTS = {
    "pix2pixhd": 'plugin = "pix2pixhd"\nwidth = 64\ndownsamplings = 4\nblocks = 9\npredicts = "image"',
    "resnet9": 'plugin = "resnet"\nwidth = 64\nblocks = 9\nopposite = "none"',
}
RECIPE = """\
name = "{name}"
seed = 7

[pairs]
plugin = "folder"
source_folder = "source"
target_folder = "target"
resolution = {size}
held_out_names = ["held-*"]

[student]
{student}

[[losses]]
plugin = "l1"

[train]
steps = {steps}
batch = 1
ema_half_life = 0
precision = "float32"
"""


def make_run(name: str, folder: Path, steps: int = STEPS, size: int = SIZE, pairs: int = PAIRS) -> Path:
    """Render pairs, train a student of a name on them, and return the run's folder.

    pix2pixHD learns a face and the same face older, ResNet-9 a photo of a scene and its painting.

    Args:
        name: of `STUDENTS`.
        folder: for the pairs and the run.
        steps: of training, a pair each.
        size: of the pictures in pixels.
        pairs: of which a fifth is held out.
    """
    render = {"pix2pixhd": _faces, "resnet9": _scenes}[name]
    folder.mkdir(parents=True, exist_ok=True)
    for kind, pictures in zip(("source", "target"), render(pairs, size), strict=True):
        _write(pictures, folder / kind, held_out=pairs // (PAIRS // HELD_OUT))
    recipe = folder / f"{name}.toml"
    recipe.write_text(RECIPE.format(name=name, student=STUDENTS[name], steps=steps, size=size), encoding="utf-8")
    command = [sys.executable, "-m", "gdp", "run", recipe.name, "--until", "export", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 # our own command
    if done.returncode != EXIT_STOPPED:  # where --until told it to
        raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}")
    return folder / "runs" / name


def export(student: Path, engine: str) -> Card:
    """Export a student for an engine where it is not yet, and return the file's card."""
    path = student / EXPORTS[engine]
    if StudentFolder(student).current(path.name) is None:
        to = ["--to", engine.removesuffix("-int8"), *(["--int8"] if engine.endswith("-int8") else [])]
        subprocess.run([sys.executable, "-m", "gdp", "export", str(student.parent), *to], cwd=ROOT, check=True)  # noqa: S603 # our own command
    return read_card(path)


def _faces(count: int, size: int) -> tuple[Any, Any]:
    """Return uint8 (N, 3, size, size): faces, and the same ones 25 years older."""
    from gdp.plugins.faces.attributes import sample_attributes
    from gdp.plugins.faces.renderer import render
    from gdp.toolbox import to_levels

    attributes = sample_attributes(SEED, range(count))
    return to_levels(render(attributes, size)), to_levels(render(attributes.older(25.0), size))


def _scenes(count: int, size: int) -> tuple[Any, Any]:
    """Return uint8 (N, 3, size, size): photos, and paintings of the same scenes."""
    from gdp.plugins.scenes.parameters import sample_scenes
    from gdp.plugins.scenes.renderer import render
    from gdp.toolbox import to_levels

    scenes = sample_scenes(SEED, range(count))
    return to_levels(render(scenes, "photo", size)), to_levels(render(scenes, "painting", size))


def _write(pictures: Any, folder: Path, held_out: int) -> None:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures.permute(0, 2, 3, 1).numpy()):
        name = "held" if number < held_out else "train"
        Image.fromarray(picture).save(folder / f"{name}-{number:03}.png")


def main() -> None:
    """Read the options, make the run, say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", choices=list(STUDENTS), default="pix2pixhd")
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    print(make_run(options.name, options.folder.absolute() / options.name, options.steps))


if __name__ == "__main__":
    main()
