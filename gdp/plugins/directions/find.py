"""`python -m gdp.plugins.directions.find`: find a direction with the built-in judge of faces, and measure it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from gdp.core.errors import GdpError
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.directions.files import Direction, save_direction
from gdp.plugins.directions.finding import METHODS, find_direction, score_samples
from gdp.plugins.directions.measuring import (
    ATTRIBUTES,
    effects_as_data,
    effects_as_text,
    judge_scores,
    measure_direction,
    write_strip,
)
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.stylegan2.config import StyleGAN2Config
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher

_MEASURED_FROM = 1_000_000
"""Samples from this number on are measured on; those below have found the direction."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Find, measure and write one direction; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        print(find(options))
    except (GdpError, FileNotFoundError, ValidationError) as error:
        print(error, file=sys.stderr)
        return error.exit_code if isinstance(error, GdpError) else 1
    return 0


def find(options: argparse.Namespace) -> str:
    """Do what the options ask for; return the report."""
    weights = {} if options.weights is None else {"weights": options.weights}
    teacher = StyleGAN2Teacher(StyleGAN2Config(**weights), BuildContext(seed=options.seed))
    judge = FaceJudge.load()
    samples = score_samples(
        teacher,
        partial(judge_scores, judge),
        options.samples,
        options.seed,
        truncation=options.truncation,
    )
    others = [name for name in options.hold if name != options.attribute]
    direction = find_direction(teacher, samples, options.attribute, others, options.method)
    direction = replace(direction, layers=None if options.layers is None else tuple(options.layers))
    indices = range(_MEASURED_FROM, _MEASURED_FROM + options.measured)
    ws = teacher.map(teacher.sample_z(options.seed, indices), options.truncation)
    effects = measure_direction(teacher, judge, direction, ws)
    found = {
        **direction.found,
        "seed": options.seed,
        "truncation": options.truncation,
        "measured_on": options.measured,
        "effects": effects_as_data(effects),
    }
    direction = replace(direction, found=found)
    save_direction(direction, options.output)
    if options.strip is not None:
        write_strip(teacher, direction, ws[: options.rows], options.strip)
    return "\n".join([_headline(direction, options.output), effects_as_text(effects)])


def _headline(direction: Direction, path: Path) -> str:
    return (
        f"{direction.name}: {direction.found['method']} over {direction.found['samples']} faces, "
        f"held: {', '.join(direction.found['orthogonal_to']) or 'nothing'}; scale {direction.scale:.4f}; wrote {path}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gdp.plugins.directions.find", description=__doc__)
    parser.add_argument("--weights", type=Path, help="generator's .safetensors file (default: builtin:faces64)")
    parser.add_argument("--attribute", choices=ATTRIBUTES, default="age", help="what the direction changes")
    parser.add_argument(
        "--hold",
        nargs="*",
        choices=ATTRIBUTES,
        default=list(ATTRIBUTES),
        help="what it leaves alone (default: the rest)",
    )
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="default: %(default)s")
    parser.add_argument("--samples", type=int, default=5000, help="pictures to judge (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which samples (default: %(default)s)")
    parser.add_argument("--truncation", type=float, default=0.8, help="psi of all samples (default: %(default)s)")
    parser.add_argument("--layers", type=int, nargs="+", help="w's that the direction is made for (default: all)")
    parser.add_argument("--measured", type=int, default=400, help="other samples to measure on (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="the .safetensors file to write")
    parser.add_argument("--strip", type=Path, help="write a PNG: a row a face, columns from strength -3 to +3")
    parser.add_argument("--rows", type=int, default=8, help="faces in the PNG (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
