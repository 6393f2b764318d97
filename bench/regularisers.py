"""What R1, the path length and a step with both cost, with gdp's second derivatives and with torch's own.

    python bench/regularisers.py
    python bench/regularisers.py --case config-f --rounds 3 --output regularisers.json

Writes bench/results/regularisers.json. It fails where the two give other gradients.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from gdp.cli.common import prepare_processor
from gdp.console import choose_progress, print_table
from gdp.core.progress import ProgressTask

if TYPE_CHECKING:
    from torch import Tensor

    from gdp.plugins.stylegan2 import TrainingSettings

CASES = ("faces64", "config-f")
REGULARISERS = ("R1", "path length", "step with both")
RECIPE = Path(__file__).parents[1] / "recipes" / "train_faces64.toml"
RESULT = Path(__file__).parent / "results" / "regularisers.json"
TOLERANCE = 1e-3
"""Largest difference of two gradients, as a share of the tensor's largest value, that rounding explains."""
PROTOCOL = (
    "One process on one thread; torch's own derivatives of convolutions, low-pass filters, leaky ReLUs and scalings, "
    "whose results are written into new memory, with the picture's 1x1 convolution of scaled features, and gdp's take "
    "turns, on the same random weights, pictures and latents, float32. A regulariser is its penalty and the gradient "
    "for all weights of its network: R1 of a whole batch by the discriminator, the path length of half a batch by the "
    "generator. A step with both is one of the training's, of a learning rate of 0: generator, path length, "
    "discriminator, R1, moving average. "
    "milliseconds: of processor time, median and quartiles; ratio: torch's by gdp's, of each turn; two turns of "
    "warm-up are not counted. largest_difference: of the two gradients, as a share of each tensor's largest value. "
    "faces64: the networks of recipes/train_faces64.toml, batch 16; config-f: published widths, up to `width` "
    "channels, batch 4."
)


def settings_of(case: str, options: argparse.Namespace) -> tuple[TrainingSettings, int]:
    """Return what a case's networks are built of, and its resolution."""
    from gdp.plugins.stylegan2 import TrainingSettings

    if case == "faces64":
        recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
        return TrainingSettings.model_validate({**recipe["train"], "batch": 16}), int(recipe["dataset"]["resolution"])
    width = options.width
    return TrainingSettings(
        batch=4, shards=1, z_dim=512, w_dim=512, channel_base=32 * width, channel_max=width
    ), options.size


@contextmanager
def torchs_own_derivative() -> Iterator[None]:
    """Let torch differentiate everything itself, of operators that write their results into new memory."""
    from unittest.mock import patch

    import torch
    from torch.nn import functional

    from gdp.plugins.stylegan2 import layers, low_pass, training_step

    def product(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        return functional.linear((x * style[:, :, None, None]).permute(0, 2, 3, 1), weight).permute(0, 3, 1, 2)

    with (
        patch.object(low_pass, "_differentiated", lambda function, x, *arguments: function.compute(x, *arguments)),
        patch.object(training_step, "differentiated_twice", nullcontext),
        patch.object(layers, "activate", lambda x: functional.leaky_relu(x, layers.LEAKY_SLOPE)),
        patch.object(layers, "scale_and_shift", lambda y, scale, offset: torch.addcmul(offset, y, scale)),
        patch.object(layers, "_modulated_product", product),
    ):
        yield


def regularisers(settings: TrainingSettings, size: int) -> Mapping[str, Callable[[], tuple[Tensor, ...]]]:
    """Return for each regulariser what computes its gradients."""
    import torch

    from gdp.plugins.stylegan2 import training_step
    from gdp.plugins.stylegan2.objectives import path_length_penalty, r1_penalty
    from gdp.plugins.stylegan2.training_step import build_networks

    generator, discriminator = build_networks(settings, size)
    random = torch.Generator().manual_seed(1)
    real = (torch.rand(settings.batch, 3, size, size, generator=random) * 2 - 1).contiguous(
        memory_format=torch.channels_last
    )
    z = torch.randn(settings.batch // 2, settings.z_dim, generator=random)
    noise = torch.randn(len(z), 3, size, size, generator=random)

    def r1() -> tuple[Tensor, ...]:
        images = real.detach().requires_grad_()
        with training_step.differentiated_twice():
            logits = discriminator(images)
        penalty = r1_penalty(logits, images).mean()
        return torch.autograd.grad(penalty, list(discriminator.parameters()), materialize_grads=True)

    def path_length() -> tuple[Tensor, ...]:
        ws = generator.mapping(z)
        with training_step.differentiated_twice():
            images = generator.synthesis(ws, "none")
        penalty, _ = path_length_penalty(images, ws, torch.zeros(()), noise=noise)
        return torch.autograd.grad(penalty.mean(), list(generator.parameters()), materialize_grads=True)

    return {"R1": r1, "path length": path_length, "step with both": whole_step(settings, size, real)}


def whole_step(settings: TrainingSettings, size: int, real: Tensor) -> Callable[[], tuple[Tensor, ...]]:
    """Return what does a training's first step, and gives the gradients of its two regularisers."""
    import torch

    from gdp.plugins.stylegan2.training_step import AdversarialStep

    asked = {"shards": 1, "precision": "float32", "path_length_weight": settings.path_length_weight or 2.0}
    step = AdversarialStep(settings.model_copy(update=asked), size)
    step._rates = [0.0, 0.0]  # weights that stay what they are, so that gradients compare

    def run() -> tuple[Tensor, ...]:
        step.mean_path_length = torch.zeros(())
        step.run(real, 0)
        parameters = [*step.generator.parameters(), *step.discriminator.parameters()]
        return tuple(parameter.grad for parameter in parameters if parameter.grad is not None)

    return run


def measure(compute: Callable[[], tuple[Tensor, ...]], rounds: int, task: ProgressTask) -> dict[str, Any]:
    """Take turns, and return times, their ratio and how far the gradients are apart."""
    from plain.measuring import WARM_UP
    from plain.turns import told

    times: dict[str, list[float]] = {"torch": [], "gdp": []}
    difference = 0.0
    for turn in range(WARM_UP + rounds):
        start = process_time()
        ours = compute()
        middle = process_time()
        with torchs_own_derivative():
            theirs = compute()
        if turn >= WARM_UP:
            times["gdp"].append((middle - start) * 1000)
            times["torch"].append((process_time() - middle) * 1000)
        difference = max(difference, *(_apart(*pair) for pair in zip(ours, theirs, strict=True)))
        task.advance(1)
    return {"largest_difference": difference, **told(times, "torch")}


def _apart(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max()) / max(float(theirs.abs().max()), 1e-20)


def show(cases: Mapping[str, Any]) -> None:
    """Print a row for each regulariser."""
    from plain.turns import table_rows

    print("milliseconds of processor time: median (quartiles)")
    print_table(["case", "torch's own", "gdp", "torch / gdp", "difference"], table_rows(cases, REGULARISERS, "torch"))


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="which; repeatable; default: all")
    parser.add_argument("--size", type=int, default=256, help="pixels of config-f; default: 256")
    parser.add_argument("--width", type=int, default=256, help="most channels of config-f; default: 256")
    parser.add_argument("--rounds", type=int, default=9, help="timed turns of each regulariser; default: 9")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure the chosen cases one after another, write what was found and print a table."""
    options = options_of(arguments)
    prepare_processor()
    import torch
    from plain.measuring import WARM_UP
    from plain.turns import conditions, write_results

    torch.set_num_threads(1)
    progress, cases, start = choose_progress(), {}, conditions()
    for name in options.case or CASES:
        settings, size = settings_of(name, options)
        cases[name] = {"resolution": size, "batch": settings.batch, "width": settings.channel_max}
        for regulariser, compute in regularisers(settings, size).items():
            with progress.task(f"{name} {regulariser}", WARM_UP + options.rounds, "turns") as task:
                cases[name][regulariser] = found = measure(compute, options.rounds, task)
            if not found["largest_difference"] < TOLERANCE:
                raise SystemExit(
                    f"{name} {regulariser}: the gradients differ by {found['largest_difference']:.2g} of their largest "
                    f"value, where rounding makes less than {TOLERANCE:g}. Nothing was written."
                )
    write_results(options.output, PROTOCOL, {**start, "cases": cases})
    show(cases)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
