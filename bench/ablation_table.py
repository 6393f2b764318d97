"""The variants of a run side by side, as a table for the docs.

    gdp run recipes/stylegan_age_ablation.toml
    python bench/ablation_table.py runs/stylegan-age-ablation

Writes bench/results/NAME.json, what the run measured of each variant and seed, and prints a table in Markdown: the mean
over the seeds, with the smallest and the largest in brackets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gdp.toolbox import write_atomically

RESULTS = Path(__file__).parent / "results"
DECIMALS = {"dB": 2, "levels": 1, "": 4}
"""By the number's unit; a count has none."""


def cell(values: Mapping[str, Any], unit: str) -> str:
    """Write the mean and the spread of a number, or that nobody measured it."""
    if values.get("mean") is None:
        return "not measured"
    mean, low, high = (float(values[name]) for name in ("mean", "min", "max"))
    if abs(mean) >= 1e6:
        return f"{mean / 1e6:.0f} M"
    if unit == "share":
        mean, low, high, after, decimals = 100 * mean, 100 * low, 100 * high, " %", 0
    else:
        after, decimals = f" {unit}".rstrip(), DECIMALS.get(unit, 3)
    return f"{mean:.{decimals}f}{after} ({low:.{decimals}f} to {high:.{decimals}f})"


def table(comparison: Mapping[str, Any], words: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the table.

    Args:
        comparison: a run's variants.json.
        words: heads of the columns, by the order of the metrics; where there are fewer, the metrics' names.
    """
    metrics = comparison["metrics"]
    heads = [*words, *list(metrics)[len(words) :]]
    yield f"| | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    for variant in comparison["variants"]:
        cells = [cell(variant["metrics"].get(name, {}), about["unit"]) for name, about in metrics.items()]
        yield f"| {variant['name']} | {' | '.join(cells)} |"


def main(given: Sequence[str] | None = None) -> None:
    """Keep a run's comparison with the results, and print it as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--words", nargs="*", default=[], help="heads of the columns")
    parser.add_argument("--output", type=Path, help="by default bench/results/NAME.json")
    options = parser.parse_args(given)
    source = options.run / "variants.json"
    if not source.is_file():
        parser.error(f"{source} is not there: the recipe has no [compare], or the run is not finished")
    comparison = json.loads(source.read_text(encoding="utf-8"))
    output = options.output or RESULTS / f"{options.run.name.replace('-', '_')}.json"
    write_atomically(output, (json.dumps(comparison, indent=1) + "\n").encode())
    print("\n".join(table(comparison, options.words)))


if __name__ == "__main__":
    main()
