"""How fast gdp's StyleGAN2 draws a picture, and does a step of the projection, beside a plain fp32 implementation.

    python bench/synthesis.py
    python bench/synthesis.py --case config-f --size 512 --rounds 6 --output synthesis512.json

Writes bench/results/synthesis.json. It fails where the two draw different pictures. For a machine with nothing else
to do.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdp.cli.common import prepare_processor
from gdp.console import choose_progress, print_table
from gdp.core.progress import Progress

if TYPE_CHECKING:
    from plain.projection import PlainProjection
    from plain.stylegan2 import Generator as PlainGenerator
    from torch import Tensor

    from gdp.plugins.stylegan2 import TrainingSettings
    from gdp.plugins.stylegan2.networks import Generator
    from gdp.plugins.stylegan2.projection import _Search

CASES = ("config-f", "faces64")
RECIPE = Path(__file__).parents[1] / "recipes" / "train_faces64.toml"
RESULT = Path(__file__).parent / "results" / "synthesis.json"
TOLERANCE = 1e-3
"""Largest difference of two pictures, where they are about [-1, 1], that rounding explains."""
PROTOCOL = (
    "One process; plain and gdp take turns. The same random weights, in which biases and noise strengths are no zeros; "
    "a batch of one picture, float32, stored noise maps. plain: NCHW, modulated weights in grouped convolutions, the "
    "low-pass filter over pictures with zeros inserted, as published without fused kernels. config-f: the published "
    "widths; faces64: the shape of the embedded teacher. synthesis: ws to picture without gradients. projection: one "
    "step of the search for a picture's w (synthesis, distance, backward pass to w and noise maps, Adam), from the "
    "same w and maps with the same distance and regulariser. milliseconds: median and quartiles; ratio: plain by gdp, "
    "of each turn; two turns of warm-up are not timed. largest_difference: of the two pictures, divided by their "
    "largest value where that is above 1; of the projection those of its first w."
)


def settings_of(case: str, options: argparse.Namespace) -> tuple[TrainingSettings, int]:
    """Return what a case's generator is built of, and its resolution."""
    from gdp.plugins.stylegan2 import TrainingSettings

    if case == "faces64":
        recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
        return TrainingSettings.model_validate(recipe["train"]), int(recipe["dataset"]["resolution"])
    width = options.width
    widths = {"channel_base": 64 * width, "channel_max": width}
    return TrainingSettings(z_dim=512, w_dim=512, mapping_layers=8, **widths), options.size


def build(settings: TrainingSettings, size: int, device: str = "cpu") -> tuple[Generator, PlainGenerator]:
    """Build both generators with the same random weights, none of which is zero, without gradients, on a device."""
    import torch
    from plain.stylegan2_training import build_generator

    from gdp.plugins.stylegan2.training_step import build_networks

    ours, _ = build_networks(settings, size)
    random = torch.Generator().manual_seed(settings.seed)
    with torch.no_grad():
        for name, weight in ours.synthesis.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                weight.add_(torch.randn(weight.shape, generator=random), alpha=0.1)
    plain = build_generator(settings, ours.state_dict())
    return ours.eval().requires_grad_(False).to(device), plain.eval().requires_grad_(False).to(device)


def build_ours(size: int, width: int, device: str) -> Generator:
    """Build gdp's generator of config-f alone."""
    settings, _ = settings_of("config-f", argparse.Namespace(size=size, width=width))
    return build(settings, size, device)[0]


def synthesis(ours: Generator, plain: PlainGenerator, rounds: int, progress: Progress, case: str) -> dict[str, Any]:
    """Time the way from ws to a picture."""
    import torch
    from plain.projection import noise_maps, synthesize
    from plain.turns import take_turns, told

    with torch.no_grad(), progress.task(f"{case} synthesis", rounds + 2, "turns") as task:
        ws, maps = ours.mapping(_latent(ours)), noise_maps(plain.synthesis)
        works: dict[str, Callable[[], Tensor]] = {
            "plain": lambda: synthesize(plain.synthesis, ws, maps),
            "gdp": lambda: ours.synthesis(ws, "const"),
        }
        difference = same_picture(f"{case} synthesis", works["gdp"](), works["plain"]())
        return {"largest_difference": difference, **told(take_turns(works, rounds, task, ws.device), "plain")}


def projection(ours: Generator, plain: PlainGenerator, rounds: int, progress: Progress, case: str) -> dict[str, Any]:
    """Time a step of the search for the w of a picture."""
    import torch
    from plain.projection import synthesize
    from plain.turns import take_turns, told
    from torch.func import functional_call

    search, theirs = searches(ours, plain)
    with torch.no_grad():
        ws = search.w[:, None].repeat(1, ours.num_ws, 1)
        drawn = functional_call(ours.synthesis, search.noise, (ws, "const"))
        difference = same_picture(f"{case} projection", drawn, synthesize(plain.synthesis, ws, theirs.noise))
    our_steps, their_steps = iter(range(search.steps)), iter(range(search.steps))
    works = {"plain": lambda: theirs.advance(next(their_steps)), "gdp": lambda: search.advance(next(our_steps))}
    with progress.task(f"{case} projection", rounds + 2, "turns") as task:
        return {"largest_difference": difference, **told(take_turns(works, rounds, task, ws.device), "plain")}


def searches(ours: Generator, plain: PlainGenerator) -> tuple[_Search, PlainProjection]:
    """Begin the search for one picture's w with both, from the same w, noise maps and random numbers."""
    import torch
    from plain.projection import PlainProjection

    from gdp.plugins.stylegan2.projection import STEPS, _Search, pyramid_features

    with torch.no_grad():
        target = ours.synthesis(ours.mapping(_latent(ours)), "const")
    search = _Search(ours, target, pyramid_features, STEPS, seed=0)  # `project` does not let others take turns
    random = torch.Generator(search.random.device)
    random.set_state(search.random.get_state())
    return search, PlainProjection(plain.synthesis, target, search.w, search.noise, search.deviation, STEPS, random)


def same_picture(what: str, ours: Tensor, plain: Tensor) -> float:
    """Return the largest difference of two pictures, against their largest value where that is above 1.

    Raises:
        SystemExit: it is no rounding.
    """
    from plain.turns import numbers_are_real

    difference = float((ours - plain).abs().max()) / max(1.0, float(plain.abs().max()))
    if numbers_are_real() and not difference < TOLERANCE:
        raise SystemExit(
            f"{what}: the pictures of gdp and of the plain network differ by {difference:.2g} at most, where rounding "
            f"makes less than {TOLERANCE:g}; times of different pictures say nothing. Nothing was written."
        )
    return difference


def _latent(generator: Generator) -> Tensor:
    import torch

    z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(1))
    return z.to(generator.mapping.w_avg.device)


def show(cases: Mapping[str, Any]) -> None:
    """Print a row for each piece of work."""
    from plain.turns import table_rows

    print("milliseconds: median (quartiles)")
    print_table(
        ["case", "plain fp32", "gdp", "plain / gdp", "difference"],
        table_rows(cases, ("synthesis", "projection"), "plain"),
    )


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="which; repeatable; default: all")
    parser.add_argument("--size", type=int, default=256, help="pixels of config-f; default: 256")
    parser.add_argument("--width", type=int, default=512, help="most channels of config-f; default: 512, as published")
    parser.add_argument("--rounds", type=int, default=15, help="timed turns of each piece of work; default: 15")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parser.add_argument("--threads", type=int, help="processor threads; default: torch's own choice")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file")
    options = parser.parse_args(arguments)
    if not 1 <= options.rounds <= 900:
        parser.error("--rounds must be 1 to 900: a search for a w has 1000 steps")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Measure the chosen cases one after another, write what was found and print a table."""
    options = options_of(arguments)
    prepare_processor()
    import torch
    from plain.turns import conditions, write_results

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    progress, cases, start = choose_progress(), {}, conditions(options.device)
    for name in options.case or CASES:
        settings, size = settings_of(name, options)
        ours, plain = build(settings, size, options.device)
        cases[name] = {
            "resolution": size,
            "channels": {
                side: len(ours.get_parameter(f"synthesis.b{side}.conv1.bias")) for side in ours.synthesis.resolutions
            },
            "z_dim": settings.z_dim,
            "w_dim": settings.w_dim,
            "synthesis": synthesis(ours, plain, options.rounds, progress, name),
            "projection": projection(ours, plain, options.rounds, progress, name),
        }
    write_results(options.output, PROTOCOL, {**start, "cases": cases})
    show(cases)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
