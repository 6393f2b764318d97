"""How fast gdp trains: StyleGAN2, pix2pixHD and CycleGAN, step by step beside plain fp32 implementations.

    python bench/training_steps.py
    python bench/training_steps.py --case pix2pixhd --steps 6 --precision float32 --output pix2pixhd.json

Writes bench/results/training_steps.json and, beside it, the loss curves as a PNG. A case that is measured again takes
its place in the file; the others stay. For a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from gdp.cli.common import prepare_processor
from gdp.console import choose_progress
from gdp.core.files import write_atomically
from gdp.core.progress import Progress
from gdp.core.run.versions import machine, versions
from gdp.core.run_folder import now

if TYPE_CHECKING:
    from plain.cases import CaseName

STEPS: dict[CaseName, int] = {"stylegan2": 64, "pix2pixhd": 16, "cyclegan": 10}
"""Timed steps of each case."""
RESULT = Path(__file__).parent / "results" / "training_steps.json"
PROTOCOL = (
    "One process; plain, gdp and plain again take turns step after step, from the same initial weights and on the same "
    "pictures in the same order. plain: fp32, NCHW, the reference repositories' operators, order and optimizer. gdp: "
    "its own training with default settings but for what is named, StyleGAN2's batch in at most as many parts as there "
    "are threads. plain again: the plain one from weights changed by one part in a million at random; of StyleGAN2, "
    "whose latents are random, from the same weights with other random numbers. Two steps of warm-up are not timed. "
    "seconds_a_step: median and quartiles, of StyleGAN2 over whole periods of 16 steps, so that R1 and path length are "
    "in. ratio: plain by gdp, of each turn (period). extra_memory_bytes: peak of the memory in the second step above "
    "that before it, when the allocator had given back what it could. curves: values of every step, the warm-up's "
    "included; their distances are mean absolute differences to the plain curve, jump is that of the plain curve to "
    "itself one step later; the verdict looks at the last half. On a GPU torch's default for fp32 convolutions (TF32) "
    "stands for all three."
)


def run_case(name: CaseName, options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Measure a case and return what was found, as JSON data."""
    import torch
    from plain.cases import Options, open_case
    from plain.curves import compare
    from plain.measuring import WARM_UP, measure

    from gdp.core.training.precision import TYPE_NAMES, fastest_convolutions, training_type

    steps = options.steps or STEPS[name]
    device = torch.device(options.device)
    load, started = os.getloadavg()[0], now()
    case = open_case(
        name, Options(WARM_UP + steps, options.size, options.width, options.precision, options.device, options.batch)
    )
    try:
        with fastest_convolutions(), progress.task(name, WARM_UP + steps, "steps") as task:
            measured = measure(case, steps, device, task)
    finally:
        case.close()
    return {
        "measured_at": started,
        "machine": {**machine(options.device, torch.get_num_threads()), "load_before": load},
        "versions": versions(),
        "precision": options.precision,
        "gdp_computes_in": TYPE_NAMES[training_type(options.precision, device)],
        "settings": case.settings,
        "steps": len(measured.seconds["gdp"]),
        **measured.speed(),
        "extra_memory_bytes": measured.extra_memory,
        "distances": compare(measured.curves),
        "curves": measured.curves,
    }


def show(cases: Mapping[str, Any], console: Console) -> None:
    """Print a row for each case and what is to be said of its curves."""
    from plain.turns import spread_text

    table = Table(title="seconds a training step: median (quartiles)", box=SIMPLE, padding=(0, 1))
    for column in ("case", "plain fp32", "gdp", "plain / gdp"):
        table.add_column(column, no_wrap=True)
    for name, found in cases.items():
        seconds = found["seconds_a_step"]
        table.add_row(name, *map(spread_text, (seconds["plain"], seconds["gdp"], found["ratio"])))
    console.print(table)
    for name, found in cases.items():
        memory = {who: found["extra_memory_bytes"][who] for who in ("plain", "gdp")}
        told = ", ".join(f"{who} {'?' if size is None else f'{size / 1e6:.0f}'} MB" for who, size in memory.items())
        console.print(
            f"{name}: gdp computes in {found['gdp_computes_in']}; extra memory of a step: {told}", highlight=False
        )
        for term, distances in found["distances"].items():
            last = distances["last_half"]
            apart = f"gdp {last['gdp']:.3g}, plain again {last['plain again']:.3g}, next step {last['jump']:.3g}"
            console.print(f"{name} {term}: {distances['verdict']} ({apart})", highlight=False)


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(STEPS), help="which; repeatable; default: all")
    parser.add_argument("--steps", type=int, help=f"timed steps of each case; default: {STEPS}")
    parser.add_argument("--size", type=int, help="pixels; default: 64 for stylegan2, 256 for the others")
    parser.add_argument("--width", type=int, help="channels at full size, of stylegan2 the most; default: published")
    parser.add_argument("--batch", type=int, default=16, help="of stylegan2; the others' is 1; default: 16")
    parser.add_argument("--precision", choices=["auto", "float32", "bf16"], default="auto", help="of gdp's arithmetic")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parser.add_argument("--threads", type=int, help="processor threads; default: torch's own choice")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file; the PNG goes beside it")
    options = parser.parse_args(arguments)
    if options.steps is not None and options.steps < 1:
        parser.error("--steps must be 1 or more")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Measure the chosen cases one after another, write what was found after each, and print a table."""
    options = options_of(arguments)
    prepare_processor()
    import torch
    from plain.curves import plot

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    progress, output = choose_progress(), options.output
    before = json.loads(output.read_text(encoding="utf-8"))["cases"] if output.is_file() else {}
    found: dict[str, Any] = {}
    for name in options.case or STEPS:
        found[name] = run_case(name, options, progress)
        cases = {case: {**before, **found}[case] for case in STEPS if case in {**before, **found}}
        content = json.dumps({"protocol": PROTOCOL, "cases": cases}, indent=1, allow_nan=False)
        write_atomically(output, (content + "\n").encode())
        plot({case: facts["curves"] for case, facts in cases.items()}, output.with_suffix(".png"))
    console = Console()
    show(found, console)
    console.print(f"written: {output} and {output.with_suffix('.png')}", highlight=False)


if __name__ == "__main__":
    main()
