"""The model card, README.md beside the student: what whoever gets it must know, the summary first."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from gdp.core.files import write_atomically
from gdp.support.places import without_places
from gdp.support.wording import plain, scaled, with_unit
from gdp.tools.report.card_header import UNKNOWN, card_header
from gdp.tools.report.folder import Number, RunData, mapping, mappings
from gdp.tools.report.samples import write_sample
from gdp.tools.report.summary import summarise

CARD = "README.md"
UNKNOWN_LICENCE = "not known to gdp"
"""Stands in the card's words where the licence of the teacher's weights is the user's to find out."""


def write_model_card(data: RunData) -> Path:
    """Write `student/README.md` of a run, with its picture beside it, and return its path.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write.
    """
    place = data.folder / "student"
    sample = write_sample(data, place)
    description = json.loads((place / "student.json").read_text(encoding="utf-8"))
    write_atomically(place / CARD, render_model_card(data, sample, description).encode(errors="replace"))
    return place / CARD


def render_model_card(data: RunData, sample: str | None, description: Mapping[str, Any]) -> str:
    """Return the card as Markdown, beginning with the header that model hubs read.

    Args:
        data: the run.
        sample: name of the picture that stands beside it.
        description: content of the student's student.json.
    """
    trained_on = mapping(description.get("trained_on"))
    size = data.value("size.student.parameters")
    licence = str(trained_on.get("weights_licence") or UNKNOWN)
    summary, pairs = summarise(data), data.section("pairs")
    card = _card_template().render(
        header=card_header(data, licence),
        name=data.name,
        sentence=_strong(summary.sentence),
        figures=[tuple(map(_cell, (each.value, each.words, each.remark))) for each in summary.figures],
        costs=summary.costs,
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
        licence=_licence(data, licence),
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


def _strong(sentence: Markup) -> str:
    """Return a sentence of the report as Markdown."""
    for tag in ("<strong>", "</strong>"):
        sentence = Markup(sentence.replace(tag, "**"))  # noqa: S704 # the report's own words
    return html.unescape(str(sentence))


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
