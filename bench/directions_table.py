"""What directions do on the embedded teacher, by each labelled method: to scores, and held against the renderer.

    python bench/directions_table.py                      # both tables: hours on two cores
    python bench/directions_table.py --part truth --samples 1500 --faces 32 --measured 0
    python bench/directions_table.py --ship               # makes builtin:age, builtin:smile and builtin:glasses again

Writes bench/results/directions.json, the tables in docs/directions.md and the strip docs/directions-age.png: faces aged
by the direction beside the renderer's. Each part is written when it is done. Run it from the project's folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from ageing_truth import TRUTH_PROTOCOL, KnownFaces, own_direction, strip_rows, truth_figures
from attribute_network import AttributeNetwork
from plain.turns import conditions
from sheets import labelled_rows

from gdp.console import choose_progress
from gdp.core.files import write_atomically
from gdp.core.progress import Progress
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.registry import PluginRegistry
from gdp.support.directions import Direction, save_direction
from gdp.tools.directions.choices import SearchChoices, read_choices
from gdp.tools.directions.opening import open_tools
from gdp.tools.directions.samples import STRENGTHS, Sampling, ScoredSamples, draw_samples
from gdp.tools.directions.search import ALL, Finding, SearchSettings, Tools, find_directions

PROJECT = Path(__file__).parents[1]
RESULT = PROJECT / "bench" / "results" / "directions.json"
PAGE = PROJECT / "docs" / "directions.md"
STRIP = PROJECT / "docs" / "directions-age.png"
ASSETS = PROJECT / "gdp" / "plugins" / "directions" / "assets"
MARKS = {part: (f"<!-- {part}, made by bench/directions_table.py -->", f"<!-- end of {part} -->")
         for part in ("scores", "truth")}  # fmt: skip
METHODS = ("class-means", "logistic-regression", "linear-svm", "ridge")
SHIPPED = "ridge"
"""The method of what comes with the package, and where none is named."""
WANTED = ("source_age", "source_smile", "source_glasses")
BESIDE = ("source_hair_length", "source_skin")
HELD: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "smile, glasses": (("source_smile", "source_glasses"), False),
    "all scores": ((ALL,), False),
    "all scores, border": ((ALL,), True),
}
"""Held lists of the table: scores, and whether the border's colours, too."""
LARGEST_LEAK = 1 / 3
TRUTH_COLUMNS = ("gain_db", "edit_db", "stray", "border", "pose", "hue", "skin", "kept", "faces")


def main(given: Sequence[str] | None = None) -> None:
    """Make what is asked for, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("truth", "scores", "both"), default="both", help="which table")
    parser.add_argument("--ship", action="store_true", help="make the package's directions and the strip, no table")
    parser.add_argument("--weights", help="a generator's .safetensors; by default the shipped one")
    parser.add_argument("--samples", type=int, default=6000, help="that a direction is found from")
    parser.add_argument("--seeds", type=int, default=3, help="of samples, for the table of truth")
    parser.add_argument("--measured", type=int, default=100, help="samples that effects are measured on")
    parser.add_argument("--refine", type=int, default=2, help="rounds of refining; none where --measured is 0")
    parser.add_argument("--faces", type=int, default=64, help="known faces that are aged")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(given)
    torch.set_num_threads(options.threads)
    if options.ship:
        ship(options)
        return
    for part, make in (("truth", truth_table), ("scores", scores_table)):
        if options.part in (part, "both"):
            about = conditions() | {"scikit-learn": version("scikit-learn")}
            protocol, rows = make(options)
            _write(part, {"protocol": protocol, **about, "rows": rows})


class Search:
    """A teacher and its scored samples, in which each method looks."""

    def __init__(self, options: argparse.Namespace, seed: int = 0) -> None:
        self.options, self.sampling, self.registry = options, Sampling(seed), PluginRegistry.discover()
        self.progress: Progress = choose_progress()
        self.samples: ScoredSamples | None = None

    def tools(self, method: str) -> Tools:
        """Build teacher, method and judge, and draw the samples where there are none yet."""
        given = () if self.options.weights is None else (f"teacher.weights={self.options.weights}",)
        chosen = read_choices(SearchChoices(method, "stylegan2", "face-attributes", overrides=given), self.registry)
        count = self.options.samples
        tools = open_tools(chosen, self.registry, seed=0, pictures=count, device=torch.device("cpu"),
                           progress=self.progress)  # fmt: skip
        if self.samples is None:
            self.samples = draw_samples(tools.teacher, tools.judge, self.sampling, count, self.progress)
        return tools

    def find(
        self, method: str, labels: tuple[str, ...], hold: tuple[str, ...], border: bool, measured: int
    ) -> list[Finding]:
        """Let a method find directions."""
        tools = self.tools(method)
        settings = SearchSettings(
            labels, hold, hold_border=border, samples=self.options.samples, sampling=self.sampling,
            refine=self.options.refine, measured=measured,
        )  # fmt: skip
        return find_directions(tools, settings, self.samples)


def ship(options: argparse.Namespace) -> None:
    """Find age, smile and glasses by the default method, each with everything else held, and write them."""
    search = Search(options)
    for finding in search.find(SHIPPED, WANTED, (ALL,), True, options.measured):
        direction = finding.direction
        save_direction(direction, ASSETS / f"faces64-{direction.name}.safetensors")
        search.progress.message(f"{direction.name}: {json.dumps(direction.found['effects']['changes'])}")
        if direction.name == "age":
            write_strip(search.tools(SHIPPED).teacher, direction)


def write_strip(teacher: Any, direction: Direction, faces: int = 4) -> None:
    """Draw faces that the direction ages from -3 to +3 and, below each, the renderer's at the same judged ages."""
    known = KnownFaces.of(teacher, faces)
    rows = strip_rows(teacher, FaceJudge.load(), direction, known, STRENGTHS)
    write_atomically(
        STRIP, labelled_rows(rows, [f"{strength:+.0f}" if strength else "0" for strength in STRENGTHS], together=2)
    )


def truth_table(options: argparse.Namespace) -> tuple[str, list[dict[str, Any]]]:
    """Hold the age directions of each method and held list against the renderer, over the seeds; the protocol, rows."""
    network, judge = AttributeNetwork.load(), FaceJudge.load()
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        search = Search(options, seed)
        for method, held, direction, teacher, faces in _age_directions(search, options):
            figures = truth_figures(teacher, judge, network, direction, faces)
            found.setdefault((method, held), []).append(figures)
            search.progress.message(f"{seed} {method} ({held}): {json.dumps(figures)}")
    protocol = (
        f"Age on the embedded teacher; {options.samples} samples at psi 0.8 of each of {options.seeds} seeds, scored "
        f"by face-attributes; {options.refine if options.measured else 0} rounds of refining; {options.faces} faces. "
        f"{TRUTH_PROTOCOL} renderer: the mean change of w with the number in z that is age, which no search knows. "
        "Mean and standard deviation over the seeds."
    )
    return protocol, [{"method": method, "held": held, **_over(seeds)} for (method, held), seeds in found.items()]


def _age_directions(
    search: Search, options: argparse.Namespace
) -> Iterator[tuple[str, str, Direction, StyleGAN2Teacher, KnownFaces]]:
    """Yield the direction that each method finds with each held list, and what to try it on."""
    teacher = search.tools(SHIPPED).teacher
    assert isinstance(teacher, StyleGAN2Teacher)
    faces = KnownFaces.of(teacher, options.faces)
    yield "renderer", "", own_direction(teacher, search.sampling.seed), teacher, faces
    for method in METHODS:
        for held, (names, border) in HELD.items():
            (finding,) = search.find(method, WANTED[:1], names, border, options.measured)
            yield method, held, finding.direction, teacher, faces


def _over(seeds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return mean and standard deviation of each figure."""
    values = {name: [float(figures[name]) for figures in seeds] for name in seeds[0]}
    return {
        name: {"mean": round(mean(each), 3), "deviation": round(stdev(each), 3) if len(each) > 1 else 0.0}
        for name, each in values.items()
    }


def scores_table(options: argparse.Namespace) -> tuple[str, list[dict[str, Any]]]:
    """Find age, smile and glasses by each method, all other scores held; the protocol, rows."""
    search, rows = Search(options), []
    for method in METHODS:
        for label, finding in zip(WANTED, search.find(method, WANTED, (ALL,), True, options.measured), strict=True):
            rows.append(_row(method, label, finding))
            search.progress.message(json.dumps(rows[-1]))
    protocol = (
        f"Embedded teacher and judge; {options.samples} samples at psi 0.8, seed 0; every other score and the border's "
        f"colours held; {options.refine} rounds of refining on {options.measured} samples, effects measured on "
        f"{options.measured} others. A change is that of the score's mean by strength 1 (from -1 to +1, halved), in "
        "the score's standard deviations over the samples. leak: the largest change of another one of age, smile and "
        "glasses as a share of the wanted one's. before: the largest change of any held score, as such a share, by the "
        "method's own orthogonalisation alone."
    )
    return protocol, rows


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


def _write(part: str, found: Mapping[str, Any]) -> None:
    """Write a part into the results and its table into the page."""
    results = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    results[part] = found
    write_atomically(RESULT, (json.dumps(results, indent=1) + "\n").encode())
    lines = _truth_lines(found["rows"]) if part == "truth" else _scores_lines(found["rows"])
    begin, end = MARKS[part]
    before, rest = PAGE.read_text().split(begin)
    page = "\n".join([before + begin, found["protocol"], "", *lines, end + rest.split(end)[1]])
    write_atomically(PAGE, page.encode())


def _truth_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| method | held | strength | nearer to the truth, dB | the edit alone, dB | stray | border | pose | hue | "
        "skin | kept | faces |",
        f"|---|---|---|{'---|' * len(TRUTH_COLUMNS)}",
    ]
    for row in rows:
        cells = [_cell(name, row[name]) for name in ("strength", *TRUTH_COLUMNS)]
        lines.append(f"| {row['method']} | {row['held']} | {' | '.join(cells)} |")
    return lines


def _cell(name: str, value: Mapping[str, float]) -> str:
    if name in ("skin", "kept", "faces"):
        return f"{value['mean']:.0%}"
    if name in ("gain_db", "edit_db"):
        return f"{value['mean']:+.2f} ± {value['deviation']:.2f}"
    return f"{value['mean']:.2f}"


def _scores_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [name.removeprefix("source_").replace("_", " ") for name in (*WANTED, *BESIDE)]
    lines = [
        f"| method | wanted | before | {' | '.join(names)} | leak | still faces |",
        f"|---|---|---|{'---|' * len(names)}---|---|",
    ]
    for row in rows:
        cells = [
            f"**{change:+.2f}**" if name == row["wanted"] else f"{change:+.2f}"
            for name, change in row["changes"].items()
        ]
        leak = f"{row['leak']:.2f}" if row["leak"] < LARGEST_LEAK else f"{row['leak']:.2f} (above 1/3)"
        wanted, share = row["wanted"].removeprefix("source_"), f"{row['kept_at_1']:.0%}"
        lines.append(f"| {row['method']} | {wanted} | {row['leaks'][0]:.2f} | {' | '.join(cells)} | {leak} | {share} |")
    return lines


if __name__ == "__main__":
    main()
