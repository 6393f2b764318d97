"""A contact sheet of pairs as one self-contained page: sortable by score, the filters' verdicts beside each pair."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image

from gdp.core.pairs.records import Score
from gdp.support.embedded_picture import EmbeddedPicture
from gdp.support.expressions.binding import written
from gdp.tools.select.table import PairTable
from gdp.tools.select.thumbnails import Thumbnails


@dataclass(frozen=True)
class _Verdict:
    filter: str
    decision: str
    reason: str
    scores: list[tuple[str, str]]


@dataclass(frozen=True)
class _Pair:
    index: int
    decision: str
    split: str
    pictures: list[EmbeddedPicture]
    verdicts: list[_Verdict]
    values: str
    """Its scores as JSON, for sorting."""


def html_sheet(table: PairTable, pairs: Iterable[Thumbnails], title: str, subtitle: str) -> Iterator[str]:
    """Yield the page piece by piece; one pair's pictures are in memory at a time."""
    names = [f"{written(each.name)}.{written(score)}" for each in table.judged for score in each.scores]
    return _template().generate(
        title=title, subtitle=subtitle, names=names, pairs=(_describe(table, pair) for pair in pairs)
    )


@cache
def _template() -> Template:
    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Style and script are the only texts that are not escaped: they come from this package. No other script may run.
    script = (here / "sheet.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (here / "sheet.css").read_text(encoding="utf-8")
    environment.globals |= {
        "style": Markup(style),  # noqa: S704 # of this package
        "script": Markup(script),  # noqa: S704 # of this package
        "script_sha256": digest,
    }
    return environment.get_template("sheet.html.j2")


def _describe(table: PairTable, pair: Thumbnails) -> _Pair:
    row = pair.row
    values: dict[str, Any] = {"index": table.indices[row]}
    verdicts = []
    for each in table.judged:
        found = {name: column[row] for name, column in each.scores.items() if column[row] is not None}
        values |= {f"{written(each.name)}.{written(name)}": value for name, value in found.items()}
        decision = each.decisions[row]
        if decision is not None:
            scores = [(written(name), _shown(value)) for name, value in found.items()]
            verdicts.append(_Verdict(each.name, decision, each.reasons[row] or "", scores))
    if table.decisions[row] == "pending":
        verdicts.append(_Verdict(table.filters[row], "pending", table.reasons[row], []))
    pictures = [EmbeddedPicture(label, _uri(image), image.width, image.height) for label, image in pair.pictures]
    split = table.splits[row].replace("_", " ")
    return _Pair(table.indices[row], table.decisions[row], split, pictures, verdicts, json.dumps(values))


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", lossless=True, quality=0, method=0)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _shown(value: Score) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
