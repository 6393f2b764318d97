"""The two documents that are made of a run's folder: report.html, and the model card, README.md beside the student.

The report is one self-contained page for whoever trained; the card is what whoever gets the student must know.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from PIL import Image

from gdp.core.files import write_atomically
from gdp.support.pages import page_template
from gdp.support.pages.pictures import encode_webp, shrunk
from gdp.support.places import without_places
from gdp.support.wording import duration, plain, scaled, with_unit
from gdp.tools.report import tables
from gdp.tools.report.curves import draw_curves
from gdp.tools.report.folder import Number, RunData, mapping, mappings
from gdp.tools.report.pictures import embed_pictures, row_title
from gdp.tools.report.summary import summarise
from gdp.tools.report.variants import read_comparison
from gdp.tools.report.verdict import assess, details, headlines, said, verdict

REPORT = "report.html"
CARD = "README.md"
SAMPLE = "samples.png"
"""The card's picture, a sample grid as it is."""
SCALED_SAMPLE = "samples.webp"
"""The card's picture, a sample grid scaled for the page."""
LARGEST_SAMPLE, SAMPLE_WIDTH = 1_000_000, 960
"""Bytes of a sample grid above which the card gets a scaled one, and pixels of that one's width."""
UNKNOWN = "unknown"
"""What student.json says of a licence that nobody has said."""
UNKNOWN_LICENCE = "not known to gdp"
"""Stands in the card's words where the licence of the teacher's weights is the user's to find out."""


def write_report(data: RunData, price: float | None = None) -> Path:
    """Write `report.html` into the folder of a run, and return its path.

    An unfinished or failed run gets a report too, which says what is missing.

    Args:
        data: the run.
        price: of an hour of its machine, in dollars; None where nobody has said it.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write.
    """
    path = data.folder / REPORT
    with warnings.catch_warnings():
        # Whatever a drawing library has to say is no concern of who reads the report.
        warnings.simplefilter("ignore")
        html = render_report(data, price)
    write_atomically(path, html.encode(errors="replace"))
    return path


def render_report(data: RunData, price: float | None = None) -> str:
    """Return the report of a run as HTML that needs nothing outside itself; scaled pictures lead to their originals."""
    here, pictures = Path(__file__).parent, embed_pictures(data)
    seconds = [tables.number_of(entry.get("seconds")) for entry in data.stages.values()]
    page = page_template(*(here / f"report.{kind}" for kind in ("html.j2", "css", "js")))
    return page.render(
        name=data.name,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        state="" if data.state == "finished" else data.state,
        time=duration(sum(seconds)) if seconds else "",
        summary=summarise(data, price),
        first=pictures.first,
        row_title=row_title,
        verdict=verdict(data),
        details=details(data),
        headlines=headlines(data),
        same_judge={name: judge for name in data.numbers if (judge := data.filtered_by_its_judge(name))},
        assessments=assess(data),
        picture_tables=pictures.tables,
        scaled=pictures.scaled,
        funnel=tables.funnel_table(data),
        rejects=pictures.rejects,
        curves=draw_curves(data.statistics),
        samples=pictures.samples,
        grid_cell=pictures.grid,
        initialisation=tables.read_initialisation(data),
        comparison=read_comparison(data),
        sizes=tables.size_table(data),
        said_of_sizes=said(data, "speed and size"),
        pruning=tables.pruning_table(data),
        metric_groups=tables.metric_groups(data),
        absent=sorted(data.absent.items()),
        stages=tables.stage_table(data),
        facts=tables.facts(data),
        recipe=data.recipe_text,
        missing=data.missing,
    )


def write_model_card(data: RunData) -> Path:
    """Write `student/README.md` of a run, with the last sample grid beside it, and return its path.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write.
    """
    place = data.folder / "student"
    sample = _write_sample(data, place)
    description = json.loads((place / "student.json").read_text(encoding="utf-8"))
    write_atomically(place / CARD, render_model_card(data, sample, description).encode(errors="replace"))
    return place / CARD


def written_files(folder: Path) -> list[Path]:
    """Return the files of a run's folder that stand there of both documents."""
    named = [folder / REPORT, *(folder / "student" / name for name in (CARD, SAMPLE, SCALED_SAMPLE))]
    return [file for file in named if file.is_file()]


def _write_sample(data: RunData, place: Path) -> str | None:
    """Put the training's last sample grid beside the card, as it is or scaled; return its name, None without one."""
    if not data.samples:
        return None
    content = data.samples[-1].read_bytes()
    name, other = SAMPLE, SCALED_SAMPLE
    if len(content) > LARGEST_SAMPLE:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as file:
            content = encode_webp(shrunk(file.convert("RGB"), SAMPLE_WIDTH), quality=90, method=2)
        name, other = SCALED_SAMPLE, SAMPLE
    write_atomically(place / name, content)
    (place / other).unlink(missing_ok=True)
    return name


def render_model_card(data: RunData, sample: str | None, description: Mapping[str, Any]) -> str:
    """Return the card as Markdown, beginning with the header that model hubs read.

    Args:
        data: the run.
        sample: name of the sample grid that stands beside it.
        description: content of the student's student.json.
    """
    trained_on = mapping(description.get("trained_on"))
    size = data.value("size.student.parameters")
    pairs = data.section("pairs")
    card = _card_template().render(
        name=data.name,
        parameters=scaled(size) if size else None,
        student=data.section("student").get("plugin", "unknown"),
        teacher=data.section("teacher").get("plugin"),
        sample=sample,
        channels=description["input_channels"],
        resolution=mapping(data.stages.get("pairs", {}).get("summary")).get("resolution", "unknown"),
        origin=_origin(data, trained_on),
        funnel=_card_funnel(data),
        machine=_machine(data),
        numbers=[_card_line(data, number) for number in sorted(data.numbers.values(), key=lambda number: number.name)],
        absent=[(_cell(name), _cell(reason)) for name, reason in sorted(data.absent.items())],
        licence=_licence(data, str(trained_on.get("weights_licence") or UNKNOWN)),
        domain=_domain(pairs, trained_on),
        warned=_warned(trained_on),
        limits=_limits(data),
        recipe=data.recipe_text.strip(),
    )
    return without_places(card)  # cards are published


@cache
def _card_template() -> Template:
    # Markdown is read as text; what stands in table cells goes through `_cell`.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 # no HTML is made here
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.j2")


def _cell(value: object) -> str:
    """Return text that stays inside its cell of a Markdown table and makes no markup of its own."""
    text = " ".join(str(value).split())
    for sign in ("\\", "|", "<", "`", "[", "]"):
        text = text.replace(sign, f"\\{sign}" if sign != "<" else "&lt;")
    return text


def _origin(data: RunData, trained_on: Mapping[str, Any]) -> list[tuple[str, str]]:
    teacher = mapping(data.stages.get("teacher", {}).get("summary"))
    training = mapping(data.stages.get("train", {}).get("summary"))
    losses = [f"{loss.get('plugin')} x {plain(float(loss.get('weight', 1)))}" for loss in _listed(data, "losses")]
    facts = {
        "teacher": data.section("teacher").get("plugin") or "none",
        "teacher's weights": _name(data.section("teacher").get("weights")),
        "sha256 of the teacher's weights": teacher.get("weights_sha256"),
        "pairs": data.section("pairs").get("plugin"),
        "pairs trained on": training.get("pairs"),
        "what the pictures show": mapping(trained_on.get("pictures")).get("words"),
        "licence of the teacher's weights": trained_on.get("weights_licence"),
        "losses": ", ".join(losses),
        "steps": training.get("steps"),
        "seed": data.recipe.get("seed"),
        "versions": ", ".join(f"{name} {version}" for name, version in mapping(data.run.get("versions")).items()),
    }
    return [(name, _cell(value)) for name, value in facts.items() if value not in (None, "")]


def _name(weights: object) -> str:
    """Return what weights are called: builtin names and addresses whole, of a path its last part."""
    text = str(weights or "")
    return text if ":" in text and "\\" not in text else Path(text).name


def _listed(data: RunData, name: str) -> list[dict[str, Any]]:
    return mappings(data.recipe.get(name))


def _card_funnel(data: RunData) -> list[dict[str, str]]:
    rows = []
    for row in mappings(data.funnel.get("filters")):
        reasons = [f"{reason} ({count})" for reason, count in mapping(row.get("reasons")).items()]
        rows.append(
            {
                "filter": _cell(row.get("filter", "")),
                "entered": _cell(row.get("input", "")),
                "kept": _cell(row.get("kept", "")),
                "reasons": _cell(", ".join(reasons)),
            }
        )
    return rows


def _machine(data: RunData) -> str:
    machine = mapping(data.run.get("machine"))
    return _cell(", ".join(f"{name} {value}" for name, value in machine.items()) or "an unknown machine")


def _card_line(data: RunData, number: Number) -> dict[str, str]:
    judge = data.filtered_by_its_judge(number.name)
    same = f" Told by the judge that also filtered the pairs ({judge})." if judge else ""
    return {
        "name": _cell(number.name),
        "value": _cell(with_unit(number.value, number.unit)),
        "protocol": _cell(f"{number.protocol}{same}".strip()),
    }


def _domain(pairs: Mapping[str, Any], trained_on: Mapping[str, Any]) -> str:
    source = f"pairs of `{pairs.get('plugin', 'unknown')}`"
    words = mapping(trained_on.get("pictures")).get("words")
    return f"{source}: {_cell(words)}" if words else source


def _warned(trained_on: Mapping[str, Any]) -> str:
    """Return what `gdp apply` warns of, and how often it would do so wrongly."""
    statistics = mapping(trained_on.get("statistics"))
    if not statistics:
        return "`gdp apply` warns of pictures of far another size and of flat ones, of no others"
    tried = mapping(statistics.get("held_out"))
    rate = f"; of {tried['pictures']} held-out pictures it takes {tried['unlike']} for such" if tried else ""
    return f"`gdp apply` warns of what is far from the {statistics.get('pictures')} training pictures measured{rate}"


def _licence(data: RunData, known: str) -> str:
    """Return what the card says of the licence of the teacher's weights, in words.

    Args:
        data: the run.
        known: the licence, as the recipe or the teacher's plugin says it.
    """
    weights = _cell(_name(data.section("teacher").get("weights")))
    if not data.section("teacher"):
        return (
            f"The pairs were made before; their licence is {UNKNOWN_LICENCE}. Find it out: it binds the student, too."
        )
    if known != UNKNOWN:
        whose = f"The teacher `{weights}` comes" if weights.startswith("builtin:") else "The teacher's weights come"
        return f"{whose} under {_cell(known)}. It binds the student, too."
    given = "were trained in this run" if not weights else f"(`{weights}`) were given by whoever made this student"
    return (
        f"The teacher's weights {given}; their licence is {UNKNOWN_LICENCE}. Many weights of GANs are for "
        f"non-commercial use only. Find it out: it binds the student, too."
    )


def _limits(data: RunData) -> list[str]:
    limits = []
    held_out = mapping(data.stages.get("filter", {}).get("summary")).get("held_out")
    if held_out is not None:
        limits.append(f"The numbers above rest on {held_out} held-out pairs of the same source as the training pairs.")
    if data.unfinished:
        limits.append(f"The run was not finished when this was written: {', '.join(data.unfinished)} is lacking.")
    return limits
