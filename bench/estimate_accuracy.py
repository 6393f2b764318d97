"""Whether what `gdp estimate` says holds: five and more recipes are estimated, run, and held against their own spread.

    python bench/estimate_accuracy.py                              # all cases, a few minutes each on an idle machine
    python bench/estimate_accuracy.py --case a-64 --case b-128     # some; the others keep their place in the file
    python bench/estimate_accuracy.py --rounds 2                   # each again, in turns

Estimate and run are processes of their own, one after the other, so a run's time includes the start of Python. The
recipes are those of the repository, and teachers with random weights for larger pictures, shortened so that a run takes
minutes. A run is said to be `within` where its time lies between the bounds that its estimate gave beforehand.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "estimate.json"
PROTOCOL = (
    "gdp estimate --json, then gdp run --json into a new folder, each a process of its own; measured_seconds is the "
    "wall time of the second, start of Python included; within: estimated_low <= measured_seconds <= estimated_high, "
    "of the estimate that was made before the run. load: of the last minute, before the estimate, before and after the "
    "run."
)
RANDOM_TEACHER = """\
name = "accuracy"
seed = 3

[teacher]
plugin = "stylegan2"
weights = "teacher.safetensors"

[pairs]
plugin = "latent-direction"
count = {pairs}
held_out = 0.1
direction = "direction.safetensors"
strength = 1.0

[[filters]]
plugin = "sharpness"
min_sharpness = 0.0

[student]
plugin = "pix2pixhd"
width = {width}
downsamplings = 3
blocks = 4
discriminator_width = {width}

[[losses]]
plugin = "lsgan"

[[losses]]
plugin = "feature-matching"
weight = 10

[[losses]]
plugin = "l1"
weight = 20

[train]
steps = {steps}
batch = {batch}
sample_every = 50

[[evaluators]]
plugin = "held-out"

[[evaluators]]
plugin = "speed"
repeats = 5
warmup = 1
"""


@dataclass(frozen=True)
class Case:
    """A shortened recipe: a file of the repository with changes, or one with a random teacher."""

    what: str
    recipe: Callable[[Path], Path]
    """Returns the recipe's file; writes what it needs into the folder that it is given."""
    overrides: tuple[str, ...] = ()


def shipped(name: str) -> Callable[[Path], Path]:
    """Take a recipe of the repository."""
    return lambda folder: ROOT / "recipes" / name


def random_teacher(resolution: int, **settings: int) -> Callable[[Path], Path]:
    """Write a narrow StyleGAN2 of that size with random weights, a direction, and the recipe."""

    def write(folder: Path) -> Path:
        import torch
        from safetensors.torch import save_file

        from gdp.plugins.stylegan2.networks import Generator
        from gdp.support.directions import Direction, normalised, save_direction

        torch.manual_seed(0)
        generator = Generator(64, 64, resolution, channel_base=4096, channel_max=128, mapping_layers=4)
        save_file(generator.state_dict(), folder / "teacher.safetensors")
        save_direction(Direction("tilt", normalised(torch.randn(1, 64)), scale=1.0), folder / "direction.safetensors")
        recipe = folder / "accuracy.toml"
        recipe.write_text(RANDOM_TEACHER.format(**settings), encoding="utf-8")
        return recipe

    return write


CASES: Mapping[str, Case] = {
    "a-64": Case(
        "system A, 64 px, the embedded teacher, three filters, slow route",
        shipped("stylegan_age.toml"),
        ("pairs.count=200", "train.steps=60", "evaluators[2].count=10", "evaluators[4].pictures=1",
         "evaluators[4].steps=30", "evaluators[3].repeats=10"),
    ),
    "b-64": Case(
        "system B, 64 px, the embedded teacher, live, with a comparison",
        shipped("cyclegan_painting.toml"),
        ("dataset.train_count=60", "dataset.test_count=12", "train.steps=15", "evaluators[4].resolution=64",
         "evaluators[4].width=16"),
    ),
    "b-128": Case(
        "system B, 128 px, the embedded teacher, live, with six variants",
        shipped("cyclegan_painting_ablation.toml"),
        ("dataset.resolution=128", "dataset.train_count=40", "dataset.test_count=8", "train.steps=4",
         "train.batch=1", "compare.seeds=1"),
    ),
    "a-256": Case(
        "system A, 256 px, a random teacher", random_teacher(256, pairs=40, width=16, steps=25, batch=1)
    ),
    "a-512": Case(
        "system A, 512 px, a random teacher", random_teacher(512, pairs=12, width=16, steps=12, batch=1)
    ),
    "a-512-wide": Case(
        "system A, 512 px, a random teacher, a wider student and fewer steps",
        random_teacher(512, pairs=10, width=32, steps=6, batch=1),
    ),
}  # fmt: skip


def gdp(*arguments: str | Path) -> tuple[float, Any]:
    """Run a command that prints JSON; return its seconds and what it printed."""
    started = perf_counter()
    finished = subprocess.run(  # noqa: S603 # our own command
        [sys.executable, "-m", "gdp", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return perf_counter() - started, json.loads(finished.stdout)


def compare(case: Case, place: Path, seconds: float) -> dict[str, Any]:
    """Estimate, run, and hold the two against each other, stage by stage."""
    recipe, folder = case.recipe(place), place / "run"
    settings = [part for override in case.overrides for part in ("--set", override)]
    loads = [os.getloadavg()[0]]
    probing, estimate = gdp("estimate", recipe, "--json", "--folder", folder, "--seconds", str(seconds), *settings)
    loads.append(os.getloadavg()[0])
    wall, outcome = gdp("run", recipe, "--json", "--folder", folder, *settings)
    loads.append(os.getloadavg()[0])
    stages = json.loads((folder / "stages.json").read_text(encoding="utf-8"))
    estimated: dict[str, list[float]] = {}
    for row in estimate["stages"]:
        sums = estimated.setdefault(row["stage"].split(":")[0], [0.0, 0.0, 0.0])
        for place_of, bound in enumerate(("seconds", "low", "high")):
            sums[place_of] += row[bound]
    whole = estimate["total"]
    return {
        "what": case.what,
        "overrides": list(case.overrides),
        "outcome": outcome["state"],
        "measured_at": estimate["measured_at"],
        "estimated_seconds": whole["seconds"],
        "estimated_low": whole["low"],
        "estimated_high": whole["high"],
        "measured_seconds": wall,
        "within": whole["low"] <= wall <= whole["high"],
        "ratio": whole["seconds"] / wall,
        "seconds_of_the_probe": probing,
        "seconds_watched": seconds,
        "noise": estimate["noise"],
        "load": loads,
        "stages": {
            stage: {
                "estimated": middle,
                "low": low,
                "high": high,
                "measured": stages[stage]["seconds"] if stage in stages else None,
            }
            for stage, (middle, low, high) in estimated.items()
        },
        "cannot_say": [row["stage"] for row in estimate["stages"] if not row["known"]],
        "estimated_pairs_kept": estimate["pairs"]["kept"],
        "measured_pairs_kept": stages["filter"]["summary"]["kept"],
        "estimated_memory_bytes": estimate["peak_memory_bytes"],
        "estimated_disk_bytes": estimate["disk_bytes"],
        "measured_disk_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "machine": estimate["machine"],
        "versions": estimate["versions"],
    }


def read(path: Path) -> dict[str, Any]:
    """Return the results so far."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"protocol": PROTOCOL, "cases": {}}
    return found if "cases" in found else {"protocol": PROTOCOL, "cases": {}}


def main() -> None:
    """Read the options, compare in turns, write after each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", dest="cases", action="append", choices=list(CASES), help="default: all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="as gdp estimate --seconds")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    chosen = options.cases or list(CASES)
    for turn in range(options.rounds):
        for name in chosen:
            with tempfile.TemporaryDirectory(prefix="gdp-accuracy-") as folder:
                found = compare(CASES[name], Path(folder), options.seconds)
            results = read(options.output)
            results["protocol"] = PROTOCOL
            earlier = results["cases"].get(name, []) if turn else []
            results["cases"][name] = [*earlier, found]
            options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
            low, high, measured = (found[key] for key in ("estimated_low", "estimated_high", "measured_seconds"))
            state = "within" if found["within"] else "NOT WITHIN"
            print(
                f"{name}: estimated {found['estimated_seconds']:.0f} s ({low:.0f} to {high:.0f}), measured "
                f"{measured:.0f} s: {state}; probe {found['seconds_of_the_probe']:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
