"""How long `gdp apply` takes from the start of its process to the first written picture.

    python bench/start_up.py [RUN...] [--repeats 5] [--output FILE]
    python bench/start_up.py --light        # instead: the commands that need no torch, bench/light_commands.py

By default of a pix2pixHD of full width at 256 px, made by bench/wide_students.py; the student is copied and exported.
Ways: each exported file by itself; the run, its engine remembered from an earlier call; and the run before the engine
was chosen, so that all of them are opened and tried. Writes bench/results/start_up.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import light_commands
from wide_students import EXPORTS, ROOT, export, make_run

from gdp.core.files import write_atomically
from gdp.core.run.versions import machine, versions
from gdp.core.run_folder import now

RESULT = Path(__file__).parent / "results" / "start_up.json"
LIMIT_SECONDS = 3.0
"""What an exported student may take to its first picture."""
PROTOCOL = (
    "Seconds from the start of a process `python -m gdp apply WHAT picture.png -o FOLDER` until the picture is in its "
    "place; the ways of one student in turns, one turn before them unmeasured (it fills the system's file cache, and "
    "Python's of compiled modules). exported: one file of `gdp export`. remembered: the run, whose engine an earlier "
    "call chose. choice: the run with all its exported files, engine not yet chosen. torch: the run, --engine torch."
)


@dataclass(frozen=True)
class Way:
    """One way to call `gdp apply`."""

    name: str
    arguments: tuple[str, ...]
    before: Callable[[], object] = lambda: None
    """Done before each call."""


def first_picture(arguments: tuple[str, ...], picture: Path, folder: Path) -> float:
    """Start `gdp apply` and return the seconds until the picture is written."""
    target = folder / picture.name
    target.unlink(missing_ok=True)
    # Python keeps its compiled modules as it does for users, also where this process's environment says otherwise.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "gdp", "apply", *arguments[:1], str(picture), "-o", str(folder), *arguments[1:]]
    started = perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as call:  # noqa: S603 # our own command
        while not target.is_file() and call.poll() is None:
            sleep(0.001)
        seconds = perf_counter() - started
        told, _ = call.communicate()
    if call.returncode:
        raise SystemExit(f"{' '.join(command)}\n{told.decode()}")
    return seconds


def measure(run: Path, repeats: int, folder: Path) -> dict[str, Any]:
    """Export the student of a run in a copy, and time the ways to call it in turns."""
    copied = folder / run.name
    shutil.copytree(run, copied, ignore=shutil.ignore_patterns("train", "report*"))
    student, picture = copied / "student", folder / "picture.png"
    cards = {name: export(student, name) for name in EXPORTS}
    save_picture(cards["onnx"].resolution, picture)
    choice = student / "engine.json"
    first_picture((str(copied),), picture, folder / "made")
    ways = [Way(f"exported {name}", (str(student / file),)) for name, file in EXPORTS.items()]
    ways.append(Way("choice", (str(copied),), lambda: choice.unlink(missing_ok=True)))
    ways.append(Way("remembered", (str(copied),)))  # after the one that remembers
    ways.append(Way("torch", (str(copied), "--engine", "torch")))
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for turn in range(repeats + 1):
        for way in ways:
            way.before()
            elapsed = first_picture(way.arguments, picture, folder / "made")
            if turn:
                seconds[way.name].append(round(elapsed, 4))
    return {
        "resolution": cards["onnx"].resolution,
        "file_bytes": {name: card.bytes for name, card in cards.items()},
        "psnr_db_to_torch": {name: card.difference.psnr_db for name, card in cards.items()},
        "chosen": json.loads(choice.read_text(encoding="utf-8"))["engine"],
        "median_seconds": {name: median(values) for name, values in seconds.items()},
        "seconds": seconds,
    }


def save_picture(size: int, path: Path) -> None:
    """Write a rendered face."""
    from gdp.plugins.faces.attributes import sample_attributes
    from gdp.plugins.faces.renderer import render
    from gdp.toolbox import encode_png

    path.write_bytes(encode_png(render(sample_attributes(1, range(1)), size)[0]))


def main() -> None:
    """Read the options, measure, write and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--light", action="store_true", help="measure the commands that need no torch, and no student")
    options = parser.parse_args()
    if options.light:
        light_commands.main([])
        return
    students: dict[str, Any] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="gdp-start-up-") as folder:
        runs = options.runs or [make_run("pix2pixhd", Path(folder) / "made")]
        for number, run in enumerate(runs):
            place = Path(folder) / str(number)
            place.mkdir()
            students[run.name] = measure(run.absolute(), options.repeats, place)
            shutil.rmtree(place)
    found = {
        "protocol": PROTOCOL,
        "limit_seconds": LIMIT_SECONDS,
        "measured_at": now(),
        "machine": {**machine("cpu", os.cpu_count() or 1), "load_before": load},
        "versions": versions(),
        "students": students,
    }
    write_atomically(options.output, (json.dumps(found, indent=1) + "\n").encode())
    for name, student in students.items():
        for way, seconds in student["median_seconds"].items():
            print(f"{name:16} {way:24} {seconds:6.2f} s")


if __name__ == "__main__":
    main()
