"""Whether CUDA graphs or torch.compile pay where launching kernels may take longer than computing them.

    python bench/launching.py --device cuda
    python bench/launching.py --case projection --size 256 --output launching.json

Writes bench/results/launching.json. gdp itself uses neither on a GPU: this says whether it should.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdp.cli.common import prepare_processor
from gdp.console import choose_progress, print_table
from gdp.support.devices import resolve_device

if TYPE_CHECKING:
    import torch

    from gdp.core.progress import Progress

RESULT = Path(__file__).parent / "results" / "launching.json"
SIZES = {"cyclegan": 256, "projection": 1024}
"""Pixels."""
WAYS = ("graph", "compiled")
PROTOCOL = (
    "One process; gdp's own step as it is (eager) and another way take turns on the same pictures. cyclegan: a whole "
    "training step of the published networks, batch 1, without image pools, which choose anew in every step; "
    "projection: a step of the search for a picture's w in config-f. graph: the step is captured once as one CUDA "
    "graph, learning rates and pictures fixed, and launched again: the most that graphs can give. compiled: the "
    "networks by torch.compile, the optimizers eager; the time of compiling is first_seconds. milliseconds: median and "
    "quartiles after two turns of warm-up; ratio: eager by the other, turn by turn."
)

Step = Callable[[], object]
Steps = tuple[Step, "list[torch.optim.Optimizer]", "list[torch.nn.Module]"]
"""A step, what it moves the weights with, and the networks that it runs."""


def cyclegan(size: int, width: int, device: str) -> Steps:
    """Return CycleGAN's step on one photo and one painting, again and again."""
    import torch
    from plain.cases import Options, cyclegan_training

    training, _ = cyclegan_training(Options(1000, size, width, "auto", device), pool=0)
    random = torch.Generator().manual_seed(0)
    pictures = [torch.randint(0, 256, (1, 3, size, size), dtype=torch.uint8, generator=random) for _ in range(2)]
    pictures = [picture.to(device) for picture in pictures]
    state, student = training.state, training.student
    descents = [state.generator_descent, state.discriminator_descent]
    networks = [student.generator, student.opposite.generator, student.discriminator, student.opposite.discriminator]

    def step() -> None:
        training.step(0, pictures)
        state.window.rows.clear()

    return step, [descent.optimizer for descent in descents], networks


def projection(size: int, width: int, device: str) -> Steps:
    """Return a step of the search for the w of a picture."""
    import torch
    from synthesis import build_ours

    from gdp.plugins.stylegan2.projection import STEPS, _Search, pyramid_features

    generator = build_ours(size, width, device)
    z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.no_grad():
        target = generator.synthesis(generator.mapping(z), "const")
    search = _Search(generator, target, pyramid_features, STEPS, seed=0)
    return lambda: search.advance(STEPS // 2), [search.optimizer], [generator.synthesis]


CASES: Mapping[str, Callable[[int, int, str], Steps]] = {"cyclegan": cyclegan, "projection": projection}


def captured(step: Step, optimizers: list[torch.optim.Optimizer], device: torch.device) -> Step:
    """Return a step as one launch of a CUDA graph."""
    import torch

    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["capturable"] = True
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):  # as torch asks for before a capture, and on the same stream
        for _ in range(3):
            step()
    torch.cuda.synchronize(device)
    with torch.cuda.graph(graph, stream=stream):
        step()
    return graph.replay


def measure(case: str, way: str, size: int, width: int, rounds: int, device: str, progress: Progress) -> dict[str, Any]:
    """Let a step take turns with itself done in another way."""
    from time import perf_counter

    import torch
    from plain.turns import take_turns, told

    from gdp.core.training.precision import fastest_convolutions

    place = torch.device(device)
    with fastest_convolutions():
        eager = CASES[case](size, width, device)[0]
        step, optimizers, networks = CASES[case](size, width, device)
        start = perf_counter()
        if way == "graph":
            step = captured(step, optimizers, place)
        else:
            for network in networks:
                network.compile()
            step()
        first = perf_counter() - start
        with progress.task(f"{case}, {way}", rounds + 2, "turns") as task:
            return {
                "first_seconds": first,
                **told(take_turns({"eager": eager, way: step}, rounds, task, place), "eager"),
            }


def show(cases: Mapping[str, Any]) -> None:
    """Print a row for each case."""
    from plain.turns import spread_text

    rows = [
        [name, *(spread_text(times) for times in found["milliseconds"].values()),
         *(spread_text(ratio) for ratio in found["ratio"].values())]
        for name, found in cases.items()
    ]  # fmt: skip
    print("milliseconds: median (quartiles)")
    print_table(["step", "eager", "the other way", "eager / other"], rows)


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="which; repeatable; default: all")
    parser.add_argument("--way", action="append", choices=WAYS, help="which; repeatable; default: all")
    parser.add_argument("--size", type=int, help=f"pixels; default: {SIZES}")
    parser.add_argument("--width", type=int, help="channels at full size, of StyleGAN2 the most; default: published")
    parser.add_argument("--rounds", type=int, default=20, help="timed turns; default: 20")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1; of a processor only --way compiled")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file")
    options = parser.parse_args(arguments)
    options.device = resolve_device(options.device)
    if options.device == "cpu" and options.way != ["compiled"]:
        parser.error("a CUDA graph needs a GPU; --way compiled does not")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Measure the chosen steps one after another, write what was found and print a table."""
    options = options_of(arguments)
    prepare_processor()
    from plain.turns import conditions, write_results

    progress, cases, start = choose_progress(), {}, conditions(options.device)
    for case in options.case or CASES:
        width = options.width or {"cyclegan": 64, "projection": 512}[case]
        for way in options.way or WAYS:
            size = options.size or SIZES[case]
            cases[f"{case}, {way}"] = measure(case, way, size, width, options.rounds, options.device, progress)
            write_results(options.output, PROTOCOL, {**start, "cases": cases})
    show(cases)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
