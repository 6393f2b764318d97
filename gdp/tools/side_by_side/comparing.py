"""What differs between runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

from gdp.core.run_folder import RunFolder
from gdp.support.finished_stages import present_keys, still_finished
from gdp.tools.report import RunData, read_folder
from gdp.tools.run_recipes import settings_of

_ABOUT = ("state", "stages", "machine.device", "machine.processor", "machine.threads")
_EQUAL = 1e-4
_VERSIONS = ("gdp-distill", "torch")


@dataclass(frozen=True)
class Row:
    """A setting, or a fact, of each run.

    Attributes:
        name: Its dotted key; of several plugins of a section by the plugin's name: `filters.sharpness.min_sharpness`.
        values: Of each run as text; None where it has none.
    """

    name: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the runs do not all have the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class MetricRow:
    """A number of each run.

    Attributes:
        name: Its dotted name.
        unit: Of the number.
        better: `higher`, `lower`, or empty where neither is.
        values: Of each run; None where it has none.
        alike: Whether all who measured it say the same of how; where not, the numbers are not comparable as they are.
    """

    name: str
    unit: str
    better: str
    values: tuple[float | None, ...]
    alike: bool

    @property
    def best(self) -> tuple[int, ...]:
        """Places of the best runs: none where all are equal, one alone has it, or they were measured otherwise.

        What differs by less than a part in ten thousand counts as equal.
        """
        found = [value for value in self.values if value is not None]
        if len(found) < 2 or self.better not in ("higher", "lower") or not self.alike:
            return ()
        best = max(found) if self.better == "higher" else min(found)
        if all(isclose(value, best, rel_tol=_EQUAL) for value in found):
            return ()
        places = enumerate(self.values)
        return tuple(place for place, value in places if value is not None and isclose(value, best, rel_tol=_EQUAL))


@dataclass(frozen=True)
class PictureStrip:
    """Pictures of one thing: what all runs were shown, then what each made of it.

    Attributes:
        title: What the runs call it.
        shared: Name of a column, and its PNG, of the columns that are equal to the bit in all runs: the source, say.
        own: For each run the other columns.
    """

    title: str
    shared: tuple[tuple[str, bytes], ...]
    own: tuple[tuple[tuple[str, bytes], ...], ...]


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other.

    Attributes:
        labels: Of each run, all different.
        runs: What their folders hold.
        about: State, machine and versions.
        recipe: All settings that any run has.
        metrics: All numbers that any run has.
        pictures: Of the rows that all runs have.
    """

    labels: tuple[str, ...]
    runs: tuple[RunData, ...]
    about: tuple[Row, ...]
    recipe: tuple[Row, ...]
    metrics: tuple[MetricRow, ...]
    pictures: tuple[PictureStrip, ...]

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON data, without pictures; of settings and facts those that differ."""
        return {
            "runs": [
                {"label": label, "name": run.name, "folder": str(run.folder), "missing": run.missing}
                for label, run in zip(self.labels, self.runs, strict=True)
            ],
            "about": {row.name: list(row.values) for row in self.about if row.differs},
            "recipe": {row.name: list(row.values) for row in self.recipe if row.differs},
            "metrics": {
                row.name: {
                    "values": list(row.values),
                    "unit": row.unit,
                    "better": row.better,
                    "best": [self.labels[place] for place in row.best],
                    "measured_alike": row.alike,
                }
                for row in self.metrics
            },
        }


def compare_runs(folders: Sequence[RunFolder]) -> Comparison:
    """Read runs and put them beside each other, in the order that is given.

    Raises:
        CorruptFileError: the folder of one is damaged so that nothing can be said of it.
    """
    runs = tuple(read_folder(folder.path) for folder in folders)
    return Comparison(
        labels=_labels(runs),
        runs=runs,
        about=tuple(_rows([dict(_about(run)) for run in runs])),
        recipe=tuple(_rows([dict(settings_of(run.recipe)) for run in runs])),
        metrics=tuple(_metrics(runs)),
        pictures=tuple(_pictures(runs)),
    )


def _labels(runs: Sequence[RunData]) -> tuple[str, ...]:
    """Name the runs by as many last parts of their folders as tell them apart."""
    for count in range(1, 1 + max(len(run.folder.resolve().parts) for run in runs)):
        labels = tuple("/".join(run.folder.resolve().parts[-count:]) for run in runs)
        if len(set(labels)) == len(runs):
            return labels
    return tuple(f"{number}: {run.folder}" for number, run in enumerate(runs, 1))


def _about(run: RunData) -> Iterator[tuple[str, str]]:
    facts = {**run.run, "stages": ", ".join(still_finished(run.stages, present_keys(RunFolder(run.folder))))}
    for name in _ABOUT:
        value: Any = facts
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            yield name, str(value)
    versions = run.run.get("versions")
    for name in _VERSIONS:
        if isinstance(versions, Mapping) and name in versions:
            yield f"versions.{name}", str(versions[name])


def _rows(each: Sequence[Mapping[str, str]]) -> Iterator[Row]:
    for name in dict.fromkeys(name for facts in each for name in facts):
        yield Row(name, tuple(facts.get(name) for facts in each))


def _metrics(runs: Sequence[RunData]) -> Iterator[MetricRow]:
    for name in sorted({name for run in runs for name in run.numbers}):
        found = [run.numbers.get(name) for run in runs]
        there = [number for number in found if number is not None]
        values = tuple(None if number is None else number.value for number in found)
        alike = len({number.protocol for number in there}) == 1
        yield MetricRow(name, there[0].unit, there[0].better, values, alike)


def _pictures(runs: Sequence[RunData]) -> Iterator[PictureStrip]:
    """Yield the rows of pictures that all runs have by one name."""
    each = [{str(row.get("title")): row.get("pictures") for row in run.rows} for run in runs]
    for title, first in each[0].items():
        if not isinstance(first, Mapping) or not all(isinstance(rows.get(title), Mapping) for rows in each):
            continue
        columns = [_columns(run, rows[title]) for run, rows in zip(runs, each, strict=True)]
        shared = [name for name in columns[0] if len({column.get(name) for column in columns}) == 1]
        own = tuple(tuple((name, png) for name, png in column.items() if name not in shared) for column in columns)
        yield PictureStrip(title, tuple((name, columns[0][name]) for name in shared), own)


def _columns(run: RunData, pictures: Any) -> dict[str, bytes]:
    found = {str(name): run.picture(relative) for name, relative in pictures.items()}
    return {name: png for name, png in found.items() if png is not None}
