"""How near `gdp estimate` comes: estimates a recipe, runs it into a new folder, and writes both times.

    python bench/estimate_accuracy.py [--recipe recipes/stylegan_age.toml] [--set train.steps=150] [--output FILE]

Both are processes of their own, so the run's time includes the start of Python.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def gdp(*arguments: str | Path) -> tuple[float, Any]:
    """Run a command that prints JSON; return its seconds and what it printed."""
    started = perf_counter()
    finished = subprocess.run(  # noqa: S603 # our own command
        [sys.executable, "-m", "gdp", *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return perf_counter() - started, json.loads(finished.stdout)


def compare(recipe: Path, overrides: list[str], folder: Path) -> dict[str, Any]:
    """Estimate, run, and hold the two against each other, stage by stage."""
    settings = [part for override in overrides for part in ("--set", override)]
    probing, estimate = gdp("estimate", recipe, "--json", "--folder", folder, *settings)
    wall, outcome = gdp("run", recipe, "--json", "--folder", folder, *settings)
    stages = json.loads((folder / "stages.json").read_text(encoding="utf-8"))
    estimated: dict[str, float] = {}
    for row in estimate["stages"]:
        stage = row["stage"].split(":")[0]
        estimated[stage] = estimated.get(stage, 0.0) + row["seconds"]
    measured = {stage: entry["seconds"] for stage, entry in stages.items()}
    whole = estimate["total"]
    return {
        "recipe": recipe.name,
        "overrides": overrides,
        "outcome": outcome["state"],
        "machine": estimate["machine"],
        "versions": estimate["versions"],
        "measured_at": estimate["measured_at"],
        "estimated_seconds": whole["seconds"],
        "estimated_low": whole["low"],
        "estimated_high": whole["high"],
        "measured_seconds": wall,
        "ratio": whole["seconds"] / wall,
        "seconds_of_the_probe": probing,
        "stages": {
            stage: {"estimated": seconds, "measured": measured.get(stage)} for stage, seconds in estimated.items()
        },
        "estimated_pairs_kept": estimate["pairs"]["kept"],
        "measured_pairs_kept": stages["filter"]["summary"]["kept"],
        "estimated_memory_bytes": estimate["peak_memory_bytes"],
        "estimated_disk_bytes": estimate["disk_bytes"],
        "measured_disk_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }


def main() -> None:
    """Read the options, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "stylegan_age.toml")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "estimate.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gdp-accuracy-") as folder:
        found = compare(options.recipe.absolute(), options.overrides, Path(folder) / "run")
    options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    estimated, measured = found["estimated_seconds"], found["measured_seconds"]
    print(f"estimated {estimated:.1f} s, measured {measured:.1f} s: {found['ratio']:.2f}")


if __name__ == "__main__":
    main()
