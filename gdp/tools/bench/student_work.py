"""A student in an engine: what its measuring process does at every turn.

It imports no torch by itself, as `gdp apply` does not, so the memory that is told is that of the engine.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy

from gdp.core.errors import GdpError
from gdp.core.interfaces.engines import EngineContext, Pictures
from gdp.tools.bench.tasks import Task
from gdp.tools.bench.turns import WARMUP, BenchPlugins, Turns
from gdp.tools.deploy.cards import read_card
from gdp.tools.deploy.models import WEIGHTS, Place, build_engine, find_model
from gdp.tools.deploy.opening import open_model


class StudentWork:
    """A student in an engine, one picture at a time."""

    def __init__(self, plugins: BenchPlugins, task: Task) -> None:
        place = find_model(task.place)
        context = EngineContext(task.device, task.threads)
        model = open_model(plugins, task.place, engine=task.engine, context=context, settings=dict(task.settings))
        self.pictures: Pictures = numpy.load(task.pictures)
        if self.pictures.shape[1] % model.size_multiple:
            raise GdpError(f"this student takes multiples of {model.size_multiple} pixels, and {task.size} is none")
        self.translate = model.translate
        self.facts: dict[str, Any] = {"runs_on": model.runs_on}
        self.facts["file_bytes"] = _file_bytes(place, task.engine, plugins, context)
        for _ in range(WARMUP):
            self.translate(self.pictures[:1])

    def serve(self, turns: Turns) -> None:
        """Translate one picture at every turn, another each time."""
        number = 0
        while turns.wait():
            picture = self.pictures[number % len(self.pictures)][None]
            started = perf_counter()
            self.translate(picture)
            turns.tell((perf_counter() - started) * 1000)
            number += 1

    def conclude(self) -> None:
        """Translate all pictures, to be compared with torch's."""
        self.facts["made"] = numpy.concatenate([self.translate(picture[None]) for picture in self.pictures])


def _file_bytes(place: Place, name: str, plugins: BenchPlugins, context: EngineContext) -> int:
    """Return the bytes of what the engine reads: an exported file with what belongs to it, or the weights."""
    if place.file is not None:
        return read_card(place.file).bytes
    engine = build_engine(plugins, name, context, {})
    if engine.runs_from_weights:
        return (place.folder / WEIGHTS).stat().st_size
    return read_card(place.folder / engine.file).bytes
