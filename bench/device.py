"""What gdp does on the GPU at hand, in one command of at most 8 minutes: does all of it run, and how fast.

    python bench/device.py                       # writes bench/results/device.json, and prints a table
    python bench/device.py --only training --minutes 4
    python bench/device.py --small --device cpu  # small sizes, to see that the script works; the numbers mean nothing

Each part runs in a process of its own and has its share of the time, and of what others left of theirs. It begins
nothing when that is over and measures no further; what was left out, and what failed, is told beside the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from gdp.cli.common import prepare_processor
from gdp.console import print_table
from gdp.core.files import write_atomically
from gdp.support.devices import resolve_device

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "device.json"
PROTOCOL = (
    "works: every training, run, filter and evaluator of tests/devices on the device, small; passed, or the error. "
    "training: bench/training_steps.py, gdp's step beside the plain one of bench/plain (torch eager, float32, NCHW, "
    "published operators), StyleGAN2 as config-f in batches of 4 with R1 and path length in a period of steps. "
    "launching: bench/launching.py, gdp's step beside itself as a CUDA graph and with compiled networks. synthesis: "
    "bench/synthesis.py, one picture of config-f, and one step of projection. pairs: bench/pair_making.py, the stage "
    "beside synthesis alone. engines: gdp bench of pix2pixHD of published width, and the multiply-accumulates a second "
    "of a product of two matrices of 8192 x 8192 in 16 bits, the device's limit. Each part's JSON has its own "
    "protocol. On a GPU torch's default stands for plain: its float32 convolutions are TF32 where machine says so. "
    "left_out: the part's time was over, or it is for a GPU and there is none. With small, sizes are small and times "
    "mean nothing."
)
MINUTES = 7.5
"""Starting and the table take the rest of the eight."""
LEFT_OUT = {"left_out": "no time was left"}
BEGUN = {"left_out": "the time was over amid it"}
FOR_GPU = {"left_out": "it is for a GPU"}
TRAININGS = ("all_losses_of_pairs", "local_enhancer", "distillation", "frozen_way_back", "cyclegan", "stylegan2",
             "stylegan2_of_known_latents")  # fmt: skip
RUNS = ("latent_run", "translation_run", "student_at_work", "pruned", "directions", "other_pair_sources",
        "distances_by_networks")  # fmt: skip

Item = Callable[[argparse.Namespace, Path], dict[str, Any]]
"""Does something on the device, in a folder of its own, and returns what was found."""


def work(module: str, name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Do on the GPU what a test does on the pretended one; three of them go on with what a run made."""
    from importlib import import_module

    sys.path += [str(ROOT / "tests" / "devices"), str(ROOT / "tests"), str(ROOT / "tests" / "end_to_end")]
    shared = {"student_at_work": "latent_run", "directions": "latent_run", "pruned": "translation_run"}
    place = folder.parent / shared.get(name, name)
    getattr(import_module(module), name)(str(place))
    return {"passed": True}


def training(case: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time a training's steps."""
    import training_steps

    full = {"stylegan2": (1024, 512, 16), "pix2pixhd": (512, 64, 12), "cyclegan": (256, 64, 12)}
    small = {"stylegan2": (16, 8, 1), "pix2pixhd": (32, 4, 1), "cyclegan": (32, 4, 1)}
    size, width, steps = (small if options.small else full)[case]
    asked = ["--case", case, "--size", size, "--width", width, "--steps", steps, "--batch", 4]
    return _of_script(training_steps.main, asked, options, folder)[case]


def launching(case: str, way: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time a step beside itself as a CUDA graph, or with compiled networks."""
    import launching as script

    small = ["--size", 32, "--width", 8, "--rounds", 1]
    return _of_script(
        script.main, ["--case", case, "--way", way, *(small if options.small else [])], options, folder
    )[f"{case}, {way}"]  # fmt: skip


def synthesis(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time syntheses and steps of projection."""
    import synthesis as script

    size, width, rounds = (16, 8, 2) if options.small else (1024, 512, 15)
    asked = ["--case", "config-f", "--size", size, "--width", width, "--rounds", rounds]
    return _of_script(script.main, asked, options, folder)["config-f"]


def pairs(case: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time the making of pairs."""
    import pair_making

    asked = ["--case", case, "--rounds", 1 if options.small else 5, "--pairs", 2 if options.small else 128]
    return _of_script(pair_making.main, asked, options, folder)[case]


def limit(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time a product of two matrices in what the device trains in."""
    import torch
    from plain.measuring import spread

    from gdp.core.training.precision import TYPE_NAMES, half_type
    from gdp.support.measuring import time_interleaved

    device, side = torch.device(options.device), 64 if options.small else 8192
    kind = half_type(device)
    matrix = torch.randn(side, side, device=device).to(kind)
    timing = time_interleaved({"product": lambda: matrix @ matrix}, 20, 5, device)["product"]
    return {
        "computes_in": TYPE_NAMES[kind],
        "milliseconds": spread(timing.milliseconds),
        "macs_per_second": side**3 / timing.median * 1000,
    }


def engine(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Let `gdp bench` time a student in torch in both types, and in the other engines that use a GPU."""
    from wide_students import make_run

    student, size = ("resnet9", 64) if options.small else ("pix2pixhd", 512)
    run, output = make_run(student, folder / student, steps=1, size=size, pairs=10), folder / "bench.json"
    command = [sys.executable, "-m", "gdp", "bench", str(run), "--device", options.device, "--slow-steps", "0",
               "--repeats", "1" if options.small else "20", "--engines", ",".join(_engines_of_gpu()),
               "--output", str(output)]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 # our own command
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found


def _engines_of_gpu() -> list[str]:
    try:
        import onnxruntime
    except ImportError:
        return ["torch", "torch:bf16"]
    on_gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return ["torch", "torch:bf16", *(["onnx"] if on_gpu else [])]


def _of_script(
    main: Callable[[list[str]], None], asked: list[Any], options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    output = folder / "found.json"
    main([*map(str, asked), "--device", options.device, "--output", str(output)])
    cases: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))["cases"]
    return cases


class Part(NamedTuple):
    """Things that are done in one process.

    Attributes:
        share: Of the whole time.
        items: By name.
        small: Which of them there are with `--small`.
    """

    share: float
    items: Mapping[str, Item]
    small: tuple[str, ...]


PARTS: Mapping[str, Part] = {
    "works": Part(
        0.30,
        {**{name: partial(work, "gpu_trainings", name) for name in TRAININGS},
         **{name: partial(work, "gpu_runs", name) for name in RUNS}},
        ("cyclegan",),
    ),
    "training": Part(
        0.22,
        {case: partial(training, case) for case in ("cyclegan", "pix2pixhd", "stylegan2")},
        ("cyclegan", "pix2pixhd", "stylegan2"),
    ),
    "launching": Part(
        0.14,
        {f"{case}, {way}": partial(launching, case, way)
         for way in ("graph", "compiled") for case in ("cyclegan", "projection")},
        ("cyclegan, graph", "projection, graph"),
    ),
    "synthesis": Part(0.10, {"config-f": synthesis}, ("config-f",)),
    "pairs": Part(0.10, {case: partial(pairs, case) for case in ("64", "1024")}, ("64",)),
    "engines": Part(0.14, {"limit": limit, "student": engine}, ("limit", "student")),
}  # fmt: skip


def do_part(name: str, options: argparse.Namespace, tell: Callable[[dict[str, Any]], None]) -> None:
    """Do the items of a part while its time lasts; tell what was found after each, in place of `LEFT_OUT`."""
    from plain.time_left import for_seconds, is_over

    part = PARTS[name]
    items = {item: part.items[item] for item in (part.small if options.small else part.items)}
    found: dict[str, Any] = dict.fromkeys(items, LEFT_OUT)
    if options.device == "cpu":
        for_gpu = [item for item in items if name == "works" or item.endswith("graph")]
        found |= dict.fromkeys(for_gpu, FOR_GPU)
        items = {item: do for item, do in items.items() if item not in for_gpu}
    tell(found)
    with tempfile.TemporaryDirectory(prefix=f"gdp-device-{name}-") as place, for_seconds(options.seconds):
        for item, do in items.items():
            if is_over():
                break
            folder = Path(place) / item
            folder.mkdir()
            tell({**found, item: BEGUN})
            try:
                found[item] = do(options, folder)
            except (Exception, SystemExit) as error:  # noqa: BLE001 # what it is there to find; or no memory: others go on
                found[item] = {"failed": f"{type(error).__name__}: {str(error)[:500]}"}
            tell(found)


def run_part(name: str, options: argparse.Namespace, seconds: float, longest: float) -> dict[str, Any]:
    """Do a part in a process of its own; return how that ended, what it found and how long it took.

    Args:
        name: of the part.
        options: of the command line.
        seconds: after which nothing more of it is begun.
        longest: seconds after which it is ended with all that it started.
    """
    start = perf_counter()
    with tempfile.TemporaryDirectory(prefix="gdp-device-") as place:
        output = Path(place) / "part.json"
        command = [sys.executable, __file__, "--part", name, "--device", options.device, "--output", str(output),
                   "--seconds", f"{seconds:.1f}", *(["--small"] if options.small else [])]  # fmt: skip
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)  # noqa: S603 # our own command
        try:
            code = process.wait(longest)
            outcome = "done" if code == 0 else f"ended with exit code {code}"
        except subprocess.TimeoutExpired:
            outcome = f"ended after {longest:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
                process.wait()
        found = json.loads(output.read_text(encoding="utf-8")) if output.is_file() else {}
    return {"outcome": outcome, "found": found, "seconds": round(perf_counter() - start, 1)}


def rows_of(parts: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each thing that was measured, failed or was left out, and one for each part that ended early."""
    rows: list[list[str]] = []
    for name, part in parts.items():
        found = part.get("found", {})
        passed = [item for item, facts in found.items() if facts.get("passed")]
        rows += [[name, f"{len(passed)} passed"]] if name == "works" else []
        for item, facts in found.items():
            if told := facts.get("failed"):
                rows.append([f"{name} {item}", f"failed: {told.splitlines()[0][:70]}"])
            elif told := facts.get("left_out"):
                rows.append([f"{name} {item}", f"left out: {told}"])
            elif name != "works":
                rows += ROWS[name](item, facts, found)
        if part["outcome"] != "done":
            rows.append([name, part["outcome"]])
    return [[*row, *[""] * (5 - len(row))] for row in rows]


def _training_row(case: str, facts: Mapping[str, Any], found: Mapping[str, Any]) -> list[list[str]]:
    return [[f"step {case}", *_compared(facts["seconds_a_step"], "plain", "gdp", facts["ratio"], 1000)]]


def _launching_row(item: str, facts: Mapping[str, Any], found: Mapping[str, Any]) -> list[list[str]]:
    way = item.rpartition(", ")[2]
    return [[f"launching {item}", *_compared(facts["milliseconds"], "eager", way, facts["ratio"][way])]]


def _synthesis_rows(case: str, facts: Mapping[str, Any], found: Mapping[str, Any]) -> list[list[str]]:
    works = {work: facts[work] for work in ("synthesis", "projection")}
    return [
        [f"{work} {case}", *_compared(told["milliseconds"], "plain", "gdp", told["ratio"]["gdp"])]
        for work, told in works.items()
    ]


def _pairs_row(case: str, facts: Mapping[str, Any], found: Mapping[str, Any]) -> list[list[str]]:
    alone, stage = facts["seconds"]["alone"]["median"], facts["seconds"]["stage"]["median"]
    each = [f"{facts['pairs'] / seconds:.1f}/s" for seconds in (alone, stage)]
    ratio = f"{facts['ratio']['stage']['median']:.3f}"
    return [[f"pairs {case} px", f"{each[0]} alone", each[1], ratio, "stage / alone"]]


def _engine_rows(item: str, facts: Mapping[str, Any], found: Mapping[str, Any]) -> list[list[str]]:
    if item == "limit":
        return [
            [f"limit, {facts['computes_in']}", "", f"{facts['macs_per_second'] / 1e12:.3g} TMAC/s", "", "a product"]
        ]
    most = found.get("limit", {}).get("macs_per_second")
    rows = []
    for row in facts.get("rows", []):
        name = f"{row['name']} {row['size']} px"
        if "failure" in row:
            rows.append([name, f"failed: {row['failure'].splitlines()[0][:70]}"])
            continue
        least = 1000 * row["macs"] / most if most and "macs" in row else None
        told = (
            [f"{least:.3g} ms", f"{row['milliseconds']:.3g} ms", f"{row['milliseconds'] / least:.2f}"] if least else []
        )
        rows.append([name, *(told or ["", f"{row['milliseconds']:.3g} ms", ""]), "gdp / limit in 16 bits"])
    return rows


ROWS = {
    "training": _training_row,
    "launching": _launching_row,
    "synthesis": _synthesis_rows,
    "pairs": _pairs_row,
    "engines": _engine_rows,
}


def _compared(times: Mapping[str, Any], first: str, second: str, ratio: Any, factor: float = 1) -> list[str]:
    each = [f"{times[name]['median'] * factor:.3g} ms" for name in (first, second)]
    return [*each, f"{ratio['median']:.2f}", f"{first} / {second}"]


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS, help="which parts; repeatable; default: all")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)  # what a process of its own is asked for
    parser.add_argument("--seconds", type=float, default=60 * MINUTES, help=argparse.SUPPRESS)  # of that part
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1 or cpu")
    parser.add_argument("--small", action="store_true", help="small sizes and few works: whether the script works")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all parts; default: {MINUTES:g}")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file")
    options = parser.parse_args(arguments)
    options.device = resolve_device(options.device)
    options.output = options.output.absolute()
    if options.device == "cpu" and not options.small:
        parser.error("there is no GPU here; --small tries the script on the processor")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Do the parts one after another, write what was found after each, and print a table."""
    options = options_of(arguments)
    prepare_processor()
    if options.part:

        def write(found: dict[str, Any]) -> None:
            write_atomically(options.output, json.dumps(found).encode())

        do_part(options.part, options, write)
        return
    from plain.turns import conditions, write_results

    start, until = conditions(options.device), perf_counter() + 60 * options.minutes
    waiting, parts = list(options.only or PARTS), {}
    while waiting:
        left = until - perf_counter()
        share = PARTS[waiting[0]].share / sum(PARTS[name].share for name in waiting)
        name = waiting.pop(0)
        # The last item may take longer than the share, but not all that the others have.
        longest = min(left, 1.5 * share * left)
        parts[name] = run_part(name, options, share * left, longest) if left > 0 else {"outcome": LEFT_OUT["left_out"]}
        write_results(options.output, PROTOCOL, {**start, "small": options.small, "parts": parts})
    print(", ".join(f"{name} {value}" for name, value in start["machine"].items()))
    print(", ".join(f"{name} {value}" for name, value in start["versions"].items()))
    print_table(["what", "beside", "gdp", "ratio", "of what"], rows_of(parts))
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
