"""What directions for age, smile and glasses do on the embedded teacher, by each labelled method.

Writes bench/results/directions.json and the table in docs/directions.md. Run it from the project's folder, some
minutes on two cores: python bench/directions_table.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from gdp.console import choose_progress
from gdp.registry import PluginRegistry
from gdp.support.directions import save_direction
from gdp.tools.directions.choices import SearchChoices, read_choices
from gdp.tools.directions.opening import open_tools
from gdp.tools.directions.samples import Sampling, draw_samples
from gdp.tools.directions.search import Finding, SearchSettings, find_directions

PROJECT = Path(__file__).parents[1]
RESULT = PROJECT / "bench" / "results" / "directions.json"
PAGE = PROJECT / "docs" / "directions.md"
BEGIN, END = "<!-- made by bench/directions_table.py -->", "<!-- end -->"
METHODS = ("class-means", "logistic-regression", "linear-svm", "ridge")
WANTED = ("source_age", "source_smile", "source_glasses")
BESIDE = ("source_hair_length", "source_skin")
SAMPLES, MEASURED, REFINE = 4000, 150, 2
SHIPPED = "class-means"
"""The method whose directions come with the package (age excepted: recipes rest on that one)."""
ASSETS = PROJECT / "build" / "directions"
LARGEST_LEAK = 1 / 3
PROTOCOL = (
    f"Embedded teacher and judge; {SAMPLES} samples at psi 0.8, seed 0; every other score held; {REFINE} rounds of "
    f"refining on {MEASURED} samples, effects measured on {MEASURED} others. A change is that of the score's mean by "
    "strength 1 (from -1 to +1, halved), in the score's standard deviations over the samples. leak: the largest "
    "change of another one of age, smile and glasses as a share of the wanted one's. before: the largest change of any "
    "held score, as such a share, by the method's own orthogonalisation alone."
)


def main() -> None:
    """Find and measure all, and write the results."""
    registry, progress = PluginRegistry.discover(), choose_progress()
    rows, samples = [], None
    for method in METHODS:
        chosen = read_choices(SearchChoices(method, "stylegan2", "face-attributes"), registry)
        device = torch.device("cpu")
        tools = open_tools(chosen, registry, seed=0, pictures=SAMPLES, device=device, progress=progress)
        if samples is None:
            samples = draw_samples(tools.teacher, tools.judge, Sampling(), SAMPLES, progress)
        settings = SearchSettings(WANTED, BESIDE, samples=SAMPLES, refine=REFINE, measured=MEASURED)
        for label, finding in zip(WANTED, find_directions(tools, settings, samples), strict=True):
            rows.append(_row(method, label, finding))
            progress.message(json.dumps(rows[-1]))
            if method == SHIPPED:
                save_direction(finding.direction, ASSETS / f"faces64-{finding.direction.name}.safetensors")
    RESULT.parent.mkdir(exist_ok=True)
    found = {"protocol": PROTOCOL, "torch": torch.__version__, "scikit-learn": version("scikit-learn"), "rows": rows}
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    _write_table(rows)


def _row(method: str, label: str, finding: Finding) -> dict[str, Any]:
    assert finding.effects is not None
    effects = finding.effects
    others = [name for name in WANTED if name != label]
    return {
        "method": method,
        "wanted": label,
        "change": round(effects.changes[label], 3),
        "leaks": finding.direction.found["leaks"],
        "leak": round(effects.leak(label, others), 3),
        "changes": {name: round(effects.changes[name], 3) for name in (*WANTED, *BESIDE)},
        "kept_at_1": round(min(e.kept for e in effects.strengths if abs(e.strength) == 1), 3),
    }


def _write_table(rows: list[dict[str, Any]]) -> None:
    names = [name.removeprefix("source_").replace("_", " ") for name in (*WANTED, *BESIDE)]
    lines = [
        PROTOCOL,
        "",
        f"| method | wanted | before | {' | '.join(names)} | leak | still faces |",
        f"|---|---|---|{'---|' * len(names)}---|---|",
    ]
    for row in rows:
        cells = [
            f"**{change:+.2f}**" if name == row["wanted"] else f"{change:+.2f}"
            for name, change in row["changes"].items()
        ]
        leak = f"{row['leak']:.2f}" if row["leak"] < LARGEST_LEAK else f"{row['leak']:.2f} (above 1/3)"
        wanted = row["wanted"].removeprefix("source_")
        share = f"{row['kept_at_1']:.0%}"
        lines.append(f"| {row['method']} | {wanted} | {row['leaks'][0]:.2f} | {' | '.join(cells)} | {leak} | {share} |")
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after)


if __name__ == "__main__":
    main()
