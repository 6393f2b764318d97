"""What gdp does on the GPU at hand, in one command of at most 8 minutes: does all of it run, and how fast.

    python bench/device.py                       # writes bench/results/device.json, and prints a table
    python bench/device.py --only training --minutes 4
    python bench/device.py --small --device cpu  # small sizes, to see that the script works; the numbers mean nothing

Each part runs in a process of its own for as long as is left; what fails or takes too long is told, and the others
go on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from gdp.cli.common import prepare_processor
from gdp.console import print_table
from gdp.support.devices import resolve_device

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "device.json"
PROTOCOL = (
    "works: every training, run, filter and evaluator of tests/devices on the device, small; passed, or the error. "
    "training: bench/training_steps.py, gdp's step beside the plain one of bench/plain (torch eager, float32, NCHW, "
    "published operators), StyleGAN2 as config-f with R1 and path length in a step. synthesis: bench/synthesis.py, one "
    "picture of config-f, and one step of projection. pairs: bench/pair_making.py, the stage beside synthesis alone. "
    "engines: gdp bench of a ResNet-9 of published width. Each part's JSON has its own protocol. On a GPU torch's "
    "default stands for plain: its float32 convolutions are TF32 where machine says so. With small, sizes are small "
    "and times mean nothing."
)
MINUTES = 8.0
TRAININGS = ("all_losses_of_pairs", "local_enhancer", "distillation", "frozen_way_back", "cyclegan", "stylegan2",
             "stylegan2_of_known_latents")  # fmt: skip
RUNS = ("latent_run", "translation_run", "student_at_work", "pruned", "directions", "other_pair_sources",
        "distances_by_networks")  # fmt: skip


def works(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Do on the GPU what the tests do on the pretended one, and return by name `passed` or what went wrong."""
    if options.device == "cpu":
        return {"skipped": "they are works for a GPU"}
    sys.path += [str(ROOT / "tests" / "devices"), str(ROOT / "tests"), str(ROOT / "tests" / "end_to_end")]
    import gpu_runs
    import gpu_trainings

    chosen = [(gpu_trainings, name) for name in (("cyclegan",) if options.small else TRAININGS)]
    chosen += [] if options.small else [(gpu_runs, name) for name in RUNS]
    found = {}
    for module, name in chosen:
        place = folder / name
        place.mkdir()
        try:
            getattr(module, name)(str(place))
            found[name] = "passed"
        except Exception as error:  # noqa: BLE001 # whatever it is, it is what this part is there to find
            found[name] = f"{type(error).__name__}: {str(error)[:500]}"
    return found


def training(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time training steps."""
    import training_steps

    full = {"stylegan2": (1024, 512, 16), "pix2pixhd": (512, 64, 12), "cyclegan": (256, 64, 12)}
    small = {"stylegan2": (16, 8, 1), "pix2pixhd": (32, 4, 1), "cyclegan": (32, 4, 1)}
    output, found = folder / "training.json", {}
    for case, (size, width, steps) in (small if options.small else full).items():
        asked = ["--case", case, "--size", size, "--width", width, "--steps", steps, "--device", options.device]
        try:
            training_steps.main([*map(str, asked), "--output", str(output)])
        except RuntimeError as error:  # such as one that does not fit into the memory: the others may
            found[case] = {"failed": str(error).splitlines()[0]}
    written = json.loads(output.read_text(encoding="utf-8"))["cases"] if output.is_file() else {}
    return {**written, **found}


def synthesis(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time syntheses and steps of projection."""
    import synthesis as script

    size, width, rounds = (16, 8, 2) if options.small else (1024, 512, 15)
    asked = ["--case", "config-f", "--size", size, "--width", width, "--rounds", rounds, "--device", options.device]
    return _of_script(script.main, asked, folder)


def pairs(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time the making of pairs."""
    import pair_making

    asked = ["--device", options.device, "--rounds", 1 if options.small else 5]
    asked += ["--case", "64", "--pairs", 2] if options.small else ["--pairs", 128]
    return _of_script(pair_making.main, asked, folder)


def engines(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Let `gdp bench` time a student in every engine that is installed."""
    from wide_students import make_run

    run = make_run("resnet9", folder / "resnet9", steps=1, size=64 if options.small else 256, pairs=10)
    output = folder / "bench.json"
    command = [sys.executable, "-m", "gdp", "bench", str(run), "--device", options.device, "--repeats", "20",
               "--slow-steps", "0", "--output", str(output)]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 # our own command
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found


def _of_script(main: Callable[[list[str]], None], asked: list[Any], folder: Path) -> dict[str, Any]:
    output = folder / "found.json"
    main([*map(str, asked), "--output", str(output)])
    cases: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))["cases"]
    return cases


PARTS: Mapping[str, Callable[[argparse.Namespace, Path], dict[str, Any]]] = {
    "works": works,
    "training": training,
    "synthesis": synthesis,
    "pairs": pairs,
    "engines": engines,
}


def run_part(name: str, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Do a part, in a process of its own unless sizes are small, and return what it found and how long it took."""
    start = perf_counter()
    with tempfile.TemporaryDirectory(prefix="gdp-device-") as place:
        folder = Path(place)
        if options.small:
            try:
                return {"outcome": "done", "found": PARTS[name](options, folder), "seconds": perf_counter() - start}
            except SystemExit as error:  # a script's own word that its numbers are worth nothing
                return {"outcome": f"ended: {error}", "found": {}, "seconds": perf_counter() - start}
        output = folder / "part.json"
        command = [sys.executable, __file__, "--part", name, "--device", options.device, "--output", str(output)]
        try:
            finished = subprocess.run(command, check=False, cwd=ROOT, timeout=seconds)  # noqa: S603 # our own command
            code = finished.returncode
            outcome = "done" if code == 0 else f"ended with exit code {code}"
        except subprocess.TimeoutExpired:
            outcome = f"took more than the {seconds:.0f} s that were left"
        found = json.loads(output.read_text(encoding="utf-8")) if output.is_file() else {}
    return {"outcome": outcome, "found": found, "seconds": round(perf_counter() - start, 1)}


def rows_of(parts: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each thing that was measured, and one for each part that was not."""
    rows = []
    for name, part in parts.items():
        found = part.get("found", {})
        if name == "works":
            failed = [f"{work}: {told}" for work, told in found.items() if told != "passed" and work != "skipped"]
            rows.append(["works", f"{len(found) - len(failed)} passed, {len(failed)} failed", "", "", ""])
            rows += [["", told.splitlines()[0][:70], "", "", ""] for told in failed]
        for case, facts in found.items() if name == "training" else ():
            seconds = facts.get("seconds_a_step")
            rows.append(
                [f"step {case}", *_compared(seconds, facts.get("ratio"), 1000)] if seconds else [case, "failed"]
            )
        for case, facts in found.items() if name == "synthesis" else ():
            for work in ("synthesis", "projection"):
                rows.append([f"{work} {case}", *_compared(facts[work]["milliseconds"], facts[work]["ratio"]["gdp"], 1)])
        for case, facts in found.items() if name == "pairs" else ():
            alone, stage = facts["seconds"]["alone"]["median"], facts["seconds"]["stage"]["median"]
            ratio = f"{facts['ratio']['stage']['median']:.3f}"
            rows.append([f"pairs {case} px", f"{facts['pairs'] / alone:.1f}/s alone", f"{facts['pairs'] / stage:.1f}/s",
                         ratio, "stage / alone"])  # fmt: skip
        if part["outcome"] != "done":
            rows.append([name, part["outcome"], "", "", ""])
    return [[*row, *[""] * (5 - len(row))] for row in rows]


def _compared(times: Mapping[str, Any], ratio: Any, factor: float) -> list[str]:
    plain, ours = (times[name]["median"] * factor for name in ("plain", "gdp"))
    return [f"{plain:.3g} ms", f"{ours:.3g} ms", f"{ratio['median']:.2f}", "plain / gdp"]


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS, help="which parts; repeatable; default: all")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)  # what a process of its own is asked for
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1 or cpu")
    parser.add_argument("--small", action="store_true", help="small sizes, in this process: whether the script works")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all parts; default: {MINUTES:g}")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file")
    options = parser.parse_args(arguments)
    options.device = resolve_device(options.device)
    if options.device == "cpu" and not options.small:
        parser.error("there is no GPU here; --small tries the script on the processor")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Do the parts one after another, write what was found after each, and print a table."""
    options = options_of(arguments)
    prepare_processor()
    if options.part:
        with tempfile.TemporaryDirectory(prefix="gdp-device-") as folder:
            found = PARTS[options.part](options, Path(folder))
        options.output.write_text(json.dumps(found, indent=1), encoding="utf-8")
        return
    from plain.turns import conditions, write_results

    start, until = conditions(options.device), perf_counter() + 60 * options.minutes
    parts: dict[str, Any] = {}
    for name in options.only or PARTS:
        left = until - perf_counter()
        parts[name] = run_part(name, options, left) if left > 0 else {"outcome": "no time was left"}
        write_results(options.output, PROTOCOL, {**start, "small": options.small, "parts": parts})
    print(", ".join(f"{name} {value}" for name, value in start["machine"].items()))
    print(", ".join(f"{name} {value}" for name, value in start["versions"].items()))
    print_table(["what", "plain", "gdp", "ratio", "of what"], rows_of(parts))
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
