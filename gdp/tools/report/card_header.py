"""The header of a model card, which model hubs read: https://huggingface.co/docs/hub/model-cards.

Nothing in it is made up: what nobody has said or measured does not stand there, and a licence that nobody has said is
`unknown`.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from gdp.support.places import without_places
from gdp.tools.report.folder import RunData
from gdp.tools.report.summary import NOT_QUALITY
from gdp.tools.report.verdict import assess

UNKNOWN = "unknown"
"""What student.json says of a licence that nobody has said; the Hub has the same word for it."""
TASK = "image-to-image"
_LICENCES = re.compile(
    r"apache-2\.0|mit|isc|bsd-[23]-clause|bsd-3-clause-clear|bsl-1\.0|zlib|unlicense|wtfpl|pddl|ncsa|postgresql|ms-pl|odbl"
    r"|a?gpl-3\.0|gpl-2\.0|lgpl-2\.1|lgpl-3\.0|mpl-2\.0|epl-[12]\.0|eupl-1\.1|ecl-2\.0|afl-3\.0|osl-3\.0|artistic-2\.0"
    r"|cc0-1\.0|cc-by-(2\.0|2\.5|[34]\.0)|cc-by-sa-[34]\.0|cc-by-nc-[234]\.0|cc-by-nd-4\.0|cc-by-nc-nd-[34]\.0"
    r"|cc-by-nc-sa-[234]\.0|openrail|creativeml-openrail-m"
)
"""Identifiers that the Hub knows, of https://huggingface.co/docs/hub/repositories-licenses."""
_ON_HUB = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/(?:resolve|blob|raw)/", re.ASCII)


def card_header(data: RunData, licence: str) -> str:
    """Return the header between its lines of `---`, as YAML whose values are written as JSON.

    Args:
        data: the run.
        licence: of the teacher's weights, which binds the student, too; `unknown` where nobody has said it.
    """
    fields: dict[str, Any] = {
        **_licence(licence),
        "library_name": "gdp",
        "pipeline_tag": TASK,
        "tags": ["gdp", "gan-distillation", *_plugins(data)],
    }
    if found := _ON_HUB.match(str(data.section("teacher").get("weights") or "")):
        fields["base_model"] = found[1]
    if results := list(_results(data)):
        fields["model-index"] = [{"name": _clean(data.name), "results": results}]
    return "\n".join(header_line(name, value) for name, value in fields.items())


def header_line(name: str, value: Any) -> str:
    """Return a field of the header: a plain word as it is, all else as JSON, which is YAML, too."""
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9.+/-]*", value):
        return f"{name}: {value}"
    text = json.dumps(value, ensure_ascii=False, indent=None if _is_flat(value) else 1)
    return f"{name}: {textwrap.indent(text, ' ').strip()}"


def _is_flat(value: Any) -> bool:
    return not isinstance(value, list) or not any(isinstance(each, dict) for each in value)


def _licence(said: str) -> dict[str, str]:
    """Return the fields of a licence: the Hub's identifier, or its name where the Hub has none for it."""
    identifier = said.strip().lower()
    if identifier == UNKNOWN or _LICENCES.fullmatch(identifier):
        return {"license": identifier}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.+]+", "-", identifier).strip("-") or "custom"}


def _plugins(data: RunData) -> list[str]:
    names = (data.section(part).get("plugin") for part in ("teacher", "student"))
    return list(dict.fromkeys(_clean(name) for name in names if isinstance(name, str) and name))


def _results(data: RunData) -> Iterator[dict[str, Any]]:
    """Yield what was measured of the student's pictures, those of one set together, each with its protocol.

    Of all numbers, those that the recipe sets a target for or that an evaluator would head the report with: others,
    such as the unchanged source's or the slow route's, are no results of the student.
    """
    told = {headline.number: headline.words for _, headline in data.headlines}
    told |= {item.target.name: item.target.words for item in assess(data)}
    names = sorted(name for name in told if name in data.numbers and not name.startswith(NOT_QUALITY))
    for group, members in groupby(names, key=lambda name: name.rpartition(".")[0]):
        words = group.removeprefix("quality.").replace("_", " ").replace(".", ", ")
        dataset = {"type": _clean(group), "name": _clean(f"{words}: pictures of the run {data.name}")}
        metrics = [_metric(data, name, told[name]) for name in members]
        yield {"task": {"type": TASK}, "dataset": dataset, "metrics": metrics}


def _metric(data: RunData, name: str, words: str) -> dict[str, Any]:
    number, judge = data.numbers[name], data.filtered_by_its_judge(name)
    protocol = number.protocol or "No protocol is on record."
    protocol += f" Told by the judge that also filtered the pairs ({judge})." if judge else ""
    about = {"protocol": _clean(protocol), **({"better": number.better} if number.better else {})}
    return {
        "type": _clean(name.rpartition(".")[2]),
        "name": _clean(f"{words} ({number.unit})" if number.unit else words),
        "value": float(f"{number.value:.6g}"),
        "args": about,
    }


def _clean(text: str) -> str:
    """Return text as a line that every reader of YAML takes, and that tells of no place of a machine."""
    return without_places("".join(sign for sign in " ".join(text.split()) if sign.isprintable()))
