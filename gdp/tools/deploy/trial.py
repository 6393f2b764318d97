"""Which engine is the fastest here: a short measured trial, remembered beside the student."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy
import torch

from gdp.core.errors import GdpError, RunFolderError
from gdp.core.files import write_atomically
from gdp.core.interfaces.engines import CalibratedEngine, Engine, EngineContext, Translate
from gdp.core.records import PluginRecord, Plugins
from gdp.support.measuring import Timing, time_interleaved
from gdp.tools.deploy.cards import read_card
from gdp.tools.deploy.export import WORST_PSNR_DB, export_run, open_student, picture_network
from gdp.tools.deploy.models import CHOICE, build_engine, circumstances, is_current
from gdp.tools.deploy.student import DeployedStudent

REPEATS, FEWEST_REPEATS = 7, 2
ENOUGH_MILLISECONDS = 10_000
"""Of measuring: large networks are measured fewer times, their times differing less from turn to turn."""


def installed_engines(plugins: Plugins) -> list[PluginRecord]:
    """Return the engines whose packages are there, without those that make a student worse."""
    there = [record for record in plugins.records("engine") if not record.needs.missing_modules()]
    return [record for record in there if not issubclass(plugins.load(record), CalibratedEngine)]


def engines_to_try(plugins: Plugins, folder: Path) -> list[PluginRecord]:
    """Return the installed engines, and of those that round to few bits the ones whose export is there and good.

    Good is one of the student's present weights that was measured at `WORST_PSNR_DB` or nearer to torch.
    """
    plain = installed_engines(plugins)
    rest = [record for record in plugins.records("engine") if record not in plain]
    there = [record for record in rest if not record.needs.missing_modules()]
    return [*plain, *(record for record in there if _is_good(folder / plugins.load(record).file, folder))]


def _is_good(path: Path, folder: Path) -> bool:
    if not is_current(path, folder):
        return False
    psnr_db = read_card(path).difference.psnr_db
    return psnr_db is None or psnr_db >= WORST_PSNR_DB


def find_fastest(plugins: Plugins, folder: Path, context: EngineContext, tell: Callable[[str], None]) -> str:
    """Time one picture of the training size through every engine to try, in turns; return the fastest's name.

    Args:
        plugins: the registry.
        folder: of the student; gets exported files that are lacking, and engine.json.
        context: device and threads.
        tell: is told, in a line, what takes a while and what was found.

    Raises:
        GdpError: no engine can run the student.
    """
    student = open_student(plugins, folder)
    works: dict[str, Translate] = {}
    failures = []
    for record in engines_to_try(plugins, folder):
        engine = build_engine(plugins, record.name, context, {})
        try:
            works[record.name] = _opened(plugins, student, folder, engine, record.name, tell)
        except GdpError as error:
            failures.append(f"{record.name}: {error}")
    if not works:
        raise GdpError(f"{folder}: no engine can run this student. {'; '.join(failures)}")
    timings = time_engines(works, student, context)
    fastest = min(timings, key=lambda name: timings[name].median)
    found = ", ".join(f"{name} {timing.median:.1f} ms" for name, timing in timings.items())
    tell(f"a picture of {student.resolution} px takes: {found}; from now on {fastest} is used (--engine overrides)")
    for failure in failures:
        tell(f"left out: {failure}")
    _remember(folder, context, fastest, timings, tell)
    return fastest


def time_engines(works: dict[str, Translate], student: DeployedStudent, context: EngineContext) -> dict[str, Timing]:
    """Time one picture of the training size through several engines, in turns, after two unmeasured ones."""
    size, device = student.resolution, torch.device(context.device)
    picture = numpy.random.default_rng(0).integers(0, 256, (1, size, size, student.input_channels), dtype=numpy.uint8)
    runs = {name: (lambda translate=translate: translate(picture)) for name, translate in works.items()}
    turn = sum(timing.median for timing in time_interleaved(runs, 1, 1, device).values())
    repeats = min(REPEATS, max(FEWEST_REPEATS, int(ENOUGH_MILLISECONDS / turn)))
    return time_interleaved(runs, repeats, 0, device)


def _opened(
    plugins: Plugins,
    student: DeployedStudent,
    folder: Path,
    engine: Engine,
    name: str,
    tell: Callable[[str], None],
) -> Translate:
    if engine.runs_from_weights:
        return engine.open(folder / engine.file, lambda: picture_network(student))
    if not is_current(folder / engine.file, folder):
        tell(f"exporting the student for {name}, once")
        export_run(plugins, folder, engine, name)
    return engine.open(folder / engine.file)


def _remember(
    folder: Path, context: EngineContext, name: str, timings: dict[str, Timing], tell: Callable[[str], None]
) -> None:
    repeats = len(timings[name].milliseconds)
    data = {
        "engine": name,
        "milliseconds": {each: timing.median for each, timing in timings.items()},
        "protocol": f"medians of {repeats} runs of one picture at the training size, engines in turns",
        "circumstances": circumstances(folder, context),
    }
    try:
        write_atomically(folder / CHOICE, (json.dumps(data, indent=2) + "\n").encode())
    except RunFolderError as error:  # a student on a read-only disk works, too
        tell(f"the choice is not remembered: {error}")
