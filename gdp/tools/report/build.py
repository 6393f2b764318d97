"""Put the report together and write it as one self-contained file."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from gdp.core.files import write_atomically
from gdp.tools.report.folder import STAGES, Number, RunData, mapping, mappings, read_run
from gdp.tools.report.pictures import draw_curves, picture_tables, reject_strips, sample_grids
from gdp.tools.report.tables import block_ratios, pruning_table, read_initialisation, size_table
from gdp.tools.report.variants import read_comparison
from gdp.tools.report.verdict import assess, paragraph
from gdp.tools.report.wording import duration, figures, plain, with_unit

FILE_NAME = "report.html"


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, from what the folder holds, and return its path.

    An unfinished run gets a report too, which says what is missing.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write.
    """
    path = folder / FILE_NAME
    with warnings.catch_warnings():
        # Whatever a drawing library has to say is no concern of who reads the report.
        warnings.simplefilter("ignore")
        html = render_report(folder)
    write_atomically(path, html.encode(errors="replace"))
    return path


def render_report(folder: Path) -> str:
    """Return the report of a run folder as HTML that refers to nothing outside itself."""
    data = read_run(folder)
    return _template().render(
        name=data.name,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        state=str(data.run.get("state") or "") if data.unfinished else "",
        time=duration(sum(_number(entry.get("seconds")) for entry in data.stages.values())) if data.stages else "",
        verdict=paragraph(data),
        figures=figures(data),
        assessments=assess(data),
        picture_tables=picture_tables(data),
        funnel=_funnel(data),
        rejects=reject_strips(data),
        curves=draw_curves(data.statistics),
        samples=sample_grids(data),
        initialisation=read_initialisation(data),
        comparison=read_comparison(data),
        sizes=size_table(data),
        block_ratios=block_ratios(data),
        pruning=pruning_table(data),
        metric_groups=_metric_groups(data),
        absent=sorted(data.absent.items()),
        stages=_stage_table(data),
        facts=_facts(data),
        recipe=data.recipe_text,
        missing=data.missing,
    )


@cache
def _template() -> Template:
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = (here / "style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)  # noqa: S704 # of this package; all else is escaped
    return environment.get_template("template.html.j2")


@dataclass(frozen=True)
class FunnelStep:
    """One step of the funnel: what is left after it."""

    name: str
    kept: str
    dropped: str
    share: float
    """Pairs left, in percent of those made."""
    reasons: list[tuple[str, str]]
    only_scored: bool = False
    """Whether the filter let every pair pass and only measured."""
    summary: list[tuple[str, str]] = field(default_factory=list)
    """What the filter itself tells of its work, such as calls and cost."""


def _funnel(data: RunData) -> list[FunnelStep]:
    made = _number(data.funnel.get("made"))
    if not mappings(data.funnel.get("filters")):
        return []  # a recipe without filters keeps all
    steps = [FunnelStep("made", plain(made), "", 100.0 if made else 0.0, [])]
    for row in mappings(data.funnel.get("filters")):
        kept, entered = _number(row.get("kept")), _number(row.get("input"))
        reasons = [(reason, plain(_number(count))) for reason, count in mapping(row.get("reasons")).items()]
        share = 100.0 * kept / made if made else 0.0
        told = [(name.replace("_", " "), _told(value)) for name, value in mapping(row.get("summary")).items()]
        name, only_scored = str(row.get("filter", "")), row.get("only_score") is True
        steps.append(FunnelStep(name, plain(kept), plain(entered - kept), share, reasons, only_scored, told))
    return steps


def _told(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return plain(_number(value)) if number else str(value)


@dataclass(frozen=True)
class MetricLine:
    """One number of the full list."""

    name: str
    value: str
    protocol: str
    better: str


def _metric_groups(data: RunData) -> list[tuple[str, list[MetricLine]]]:
    """Group all numbers by everything of their names but the last part."""
    ordered = sorted(data.numbers.values(), key=lambda number: (_group(number), number.name))
    return [(group, [_line(number) for number in numbers]) for group, numbers in groupby(ordered, key=_group)]


def _group(number: Number) -> str:
    return number.name.rpartition(".")[0]


def _line(number: Number) -> MetricLine:
    leaf = number.name.rpartition(".")[2]
    return MetricLine(leaf, with_unit(number.value, number.unit), number.protocol, number.better)


@dataclass(frozen=True)
class StageRow:
    """One stage of the run."""

    name: str
    time: str
    share: float
    """Its time in percent of the longest stage's."""
    key: str
    summary: list[tuple[str, str]]


def _stage_table(data: RunData) -> list[StageRow]:
    seconds = {name: _number(entry.get("seconds")) for name, entry in data.stages.items()}
    longest = max(seconds.values(), default=0.0) or 1.0
    known = [str(stage) for stage in STAGES if stage in data.stages]
    rows = []
    for name in [*known, *(name for name in data.stages if name not in known)]:
        entry = data.stages[name]
        items = _plain_items(mapping(entry.get("summary")))
        key = str(entry.get("key", ""))[:12]
        rows.append(StageRow(name, duration(seconds[name]), 100 * seconds[name] / longest, key, items))
    return rows


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _facts(data: RunData) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what run.json says of the run, of the machine and of the versions."""
    parts: Sequence[tuple[str, Any]] = (
        ("Run", {name: value for name, value in data.run.items() if not isinstance(value, dict | list)}),
        *((name.capitalize(), value) for name, value in data.run.items() if isinstance(value, dict)),
    )
    return [(title, _plain_items(items)) for title, items in parts if items]


def _plain_items(items: dict[str, Any]) -> list[tuple[str, str]]:
    """Write a mapping's values as text; nested ones as `a b, c d`."""
    lines = []
    for name, value in items.items():
        if isinstance(value, dict):
            text = ", ".join(f"{key} {inner}" for key, inner in value.items())
        elif isinstance(value, list):
            text = ", ".join(str(inner) for inner in value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            text = plain(value)
        else:
            text = "" if value is None else str(value)
        lines.append((name.replace("_", " "), text))
    return lines
