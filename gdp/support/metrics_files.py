"""What stands beside the numbers that evaluators measure: numbers that were given to a run, and words on all of them.

given_metrics.json: numbers that were known before the run began, such as the size of a network before it was pruned.
verdict.json: what the evaluators say of the run's numbers, for the report.

Imports no torch, and no implementation of a plugin by itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from gdp.core.building import plugin_errors
from gdp.core.errors import CorruptFileError, GdpError
from gdp.core.interfaces.evaluators import Evaluation, Evaluator, Metric
from gdp.core.run_folder import RunFolder

GIVEN = "given_metrics.json"
VERDICT = "verdict.json"

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_RESERVED = ("protocols", "absent")
"""Parts of metrics.json that hold no numbers."""


def finite(value: Any) -> float | None:
    """Return a number of a JSON file; None for anything else, be it true, text, or no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number of hundreds of digits
        return None


def write_given_metrics(folder: RunFolder, metrics: Mapping[str, Metric]) -> None:
    """Write numbers that the stage evaluate will put among those that it measures.

    Args:
        folder: of the run.
        metrics: dotted name, such as `size.before_pruning.parameters`, to finite number.
    """
    told = {
        name: {"value": metric.value, "protocol": metric.protocol, "unit": metric.unit, "better": metric.better}
        for name, metric in metrics.items()
    }
    folder.write_json(GIVEN, told)


def read_given_metrics(folder: RunFolder, measured: Collection[str] = ()) -> dict[str, Metric]:
    """Read the numbers that were given to a run; nothing where there are none.

    Args:
        folder: of the run.
        measured: names of the numbers that have been measured.

    Raises:
        CorruptFileError: the file is not what `write_given_metrics` writes, or gives a number that was measured.
    """
    metrics = {}
    for name, entry in folder.read_json(GIVEN, {}).items():
        wrong = _what_is_wrong(name, entry, measured)
        if wrong:
            raise CorruptFileError(
                f"{folder.path / GIVEN}: {name} {wrong}. Numbers stand there as "
                f'"size.before.parameters": {{"value": 1000, "protocol": "how it was measured", "unit": ""}}. Mend the '
                f"file, or delete it and run the command again that wrote it."
            )
        texts = {part: entry.get(part, "") for part in ("protocol", "unit", "better")}
        metrics[name] = Metric(entry["value"], **texts)
    return metrics


def _what_is_wrong(name: str, entry: Any, measured: Collection[str]) -> str:
    """Return what is wrong with one entry of the file, as a part of a sentence; empty where nothing is."""
    if not _NAME.fullmatch(name) or name.partition(".")[0] in _RESERVED:
        return "is no dotted name of a number"
    if not isinstance(entry, Mapping):
        return "holds no number with its protocol"
    if finite(entry.get("value")) is None:
        return "has no finite number as its value"
    if not all(isinstance(entry.get(part, ""), str) for part in ("protocol", "unit", "better")):
        return "has a protocol, a unit or a better that is no text"
    other = next((one for one in measured if f"{one}.".startswith(f"{name}.") or name.startswith(f"{one}.")), None)
    return "" if other is None else f"cannot be given, for an evaluator of the recipe measures {other}"


def verdict_document(
    evaluators: Iterable[tuple[str, Callable[[], type[Evaluator]]]], numbers: Mapping[str, float]
) -> dict[str, Any]:
    """Let evaluators say what the numbers of a run mean, as verdict.json holds it.

    Words are worth no measured number: an evaluator that fails in them is named under `failed`, and the others are
    heard.

    Args:
        evaluators: name, and what returns (or imports) the class.
        numbers: all finite numbers of the run by dotted name.
    """
    sentences: list[dict[str, Any]] = []
    headlines: list[dict[str, Any]] = []
    failed = []
    for name, implementation in evaluators:
        try:
            with plugin_errors(f"evaluator {name}"):
                evaluator = implementation()
                said = [
                    {"text": str(each.text), "rank": int(each.rank), "place": str(each.place)}
                    for each in evaluator.sentences(numbers)
                ]
                headed = [
                    {
                        "value": str(each.value),
                        "words": str(each.words),
                        "rank": int(each.rank),
                        "number": str(each.number),
                    }
                    for each in evaluator.headlines(numbers)
                ]
        except GdpError as error:
            failed.append(f"what the evaluator {name} says of its numbers: {error}")
        else:
            sentences += [{"evaluator": name, **each} for each in said]
            headlines += [{"evaluator": name, **each} for each in headed]
    return {"sentences": sentences, "headlines": headlines, "failed": failed}


def metrics_document(evaluation: Evaluation, measured_by: Mapping[str, str]) -> dict[str, Any]:
    """Arrange numbers as metrics.json holds them: nested by dotted name, protocols and absences beside them.

    A number that is not finite (the decibels of a perfect match) is reported as absent, for JSON has no infinity.

    Args:
        evaluation: what was measured.
        measured_by: name of the evaluator of each number; core's own numbers have none.
    """
    document: dict[str, Any] = {}
    protocols: dict[str, Mapping[str, str]] = {}
    absent = dict(evaluation.absent)
    for name, metric in sorted(evaluation.metrics.items()):
        if metric.value != metric.value or metric.value in (float("inf"), float("-inf")):
            absent[name] = f"not finite ({metric.value}). {metric.protocol}"
            continue
        *parents, leaf = name.split(".")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = metric.value
        about = {"protocol": metric.protocol, "unit": metric.unit, "better": metric.better}
        about |= {"judge": metric.judge} if metric.judge else {}
        protocols[name] = {**about, "evaluator": measured_by.get(name, "")}
    return {**document, "protocols": protocols, "absent": dict(sorted(absent.items()))}


def read_metrics(folder: RunFolder) -> dict[str, float]:
    """Return the numbers of a metrics.json by dotted name."""
    document = folder.read_json("metrics.json", {})
    numbers = {}
    for name in document.get("protocols", {}):
        value = document
        for part in name.split("."):
            value = value[part]
        numbers[name] = float(value)
    return numbers
