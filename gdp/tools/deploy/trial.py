"""Which engine is the fastest here: a short measured trial, remembered beside the student."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy
import torch

from gdp.core.errors import CorruptFileError, GdpError, RunFolderError
from gdp.core.files import write_atomically
from gdp.core.records import PluginRecord, Plugins
from gdp.support.interfaces.engines import CalibratedEngine, Engine, EngineContext, PictureArray, Translate
from gdp.support.measuring import Timing, time_interleaved
from gdp.tools.deploy.export import WORST_PSNR_DB, export_run, open_student, picture_network
from gdp.tools.deploy.limits import own_file
from gdp.tools.deploy.models import build_engine, open_engine
from gdp.tools.deploy.student import DeployedStudent
from gdp.tools.deploy.student_folder import CHOICE, StudentFolder

REPEATS, FEWEST_REPEATS = 7, 2
ENOUGH_MILLISECONDS = 10_000
"""Of measuring: large networks are measured fewer times, their times differing less from turn to turn."""

LeftOut = dict[str, str]
"""Engines that cannot take part, with the reasons."""


@dataclass(frozen=True)
class Fastest:
    """What a trial found."""

    engine: str
    left_out: Mapping[str, str]
    """Engines that could not take part, with the reasons."""


def installed_engines(plugins: Plugins, left_out: LeftOut | None = None) -> list[PluginRecord]:
    """Return the engines whose packages are there, without those that make a student worse.

    Args:
        plugins: the registry.
        left_out: gets those that cannot be used.
    """
    classes = _classes(plugins, {} if left_out is None else left_out)
    return [record for record, kind in classes if not issubclass(kind, CalibratedEngine)]


def engines_to_try(plugins: Plugins, folder: StudentFolder, left_out: LeftOut | None = None) -> list[PluginRecord]:
    """Return the installed engines, and of those that round to few bits the ones whose export is there and good.

    Good is one of the student's present weights that was measured at `WORST_PSNR_DB` or nearer to torch.

    Args:
        plugins: the registry.
        folder: of the student.
        left_out: gets those that cannot be used.
    """
    left_out = {} if left_out is None else left_out
    classes = _classes(plugins, left_out)
    plain = [record for record, kind in classes if not issubclass(kind, CalibratedEngine)]
    rounding = [(record, kind) for record, kind in classes if issubclass(kind, CalibratedEngine)]
    for record, kind in rounding:
        try:
            good = _is_good(getattr(kind, "file", None), folder)
        except GdpError as error:
            left_out[record.name] = str(error)
            continue
        plain += [record] if good else []
    return plain


def _classes(plugins: Plugins, left_out: LeftOut) -> list[tuple[PluginRecord, type[Engine]]]:
    """Import the engines whose packages are there."""
    left_out |= plugins.unusable("engine")
    found: list[tuple[PluginRecord, type[Engine]]] = []
    for record in plugins.records("engine"):
        if record.needs.missing_modules():
            continue
        try:
            found.append((record, plugins.load(record)))
        except GdpError as error:
            left_out[record.name] = str(error)
    return found


def _is_good(file: object, folder: StudentFolder) -> bool:
    card = folder.current(file) if isinstance(file, str) else None
    return card is not None and (card.difference.psnr_db is None or card.difference.psnr_db >= WORST_PSNR_DB)


def find_fastest(
    plugins: Plugins, folder: StudentFolder, context: EngineContext, tell: Callable[[str], None]
) -> Fastest:
    """Time one picture of the training size through every engine to try, in turns; the fastest is remembered.

    An engine that fails, however it does, is left out and told; it keeps no other from being tried.

    Args:
        plugins: the registry.
        folder: of the student; gets exported files that are lacking, and engine.json.
        context: device and threads.
        tell: is told, in a line, what takes a while and what was found.

    Raises:
        GdpError: no engine can run the student.
    """
    student = open_student(plugins, folder.path)
    works: dict[str, Translate] = {}
    left_out: LeftOut = {}
    for record in engines_to_try(plugins, folder, left_out):
        try:
            works[record.name] = _opened(plugins, student, folder, record, context, tell)
        except GdpError as error:
            left_out[record.name] = str(error)
    timings = time_engines(works, student, context, left_out)
    if not timings:
        told = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise GdpError(f"{folder.path}: no engine can run this student. {told}")
    fastest = min(timings, key=lambda name: timings[name].median)
    found = ", ".join(f"{name} {timing.median:.1f} ms" for name, timing in timings.items())
    tell(f"a picture of {student.resolution} px takes: {found}; from now on {fastest} is used (--engine overrides)")
    for name, reason in left_out.items():
        tell(f"left out: {name}: {reason}")
    _remember(plugins, folder, context, fastest, timings, tell)
    return Fastest(fastest, left_out)


def time_engines(
    works: Mapping[str, Translate], student: DeployedStudent, context: EngineContext, left_out: LeftOut
) -> dict[str, Timing]:
    """Time one picture of the training size through several engines, in turns, after two unmeasured ones.

    Args:
        works: the engines.
        student: whose pictures they take.
        context: on which device.
        left_out: gets the engines that fail at it, which have no times.
    """
    size, device = student.resolution, torch.device(context.device)
    picture = numpy.random.default_rng(0).integers(0, 256, (1, size, size, student.input_channels), dtype=numpy.uint8)
    runs = {name: _contained(name, translate, picture, left_out) for name, translate in works.items()}
    once = time_interleaved(runs, 1, 1, device)
    runs = {name: run for name, run in runs.items() if name not in left_out}
    turn = sum(once[name].median for name in runs)
    repeats = min(REPEATS, max(FEWEST_REPEATS, int(ENOUGH_MILLISECONDS / max(turn, 1.0))))
    timings = time_interleaved(runs, repeats, 0, device)
    return {name: timing for name, timing in timings.items() if name not in left_out}


def _contained(name: str, translate: Translate, picture: PictureArray, left_out: LeftOut) -> Callable[[], None]:
    """Return work that notes its failure instead of ending the others'."""

    def run() -> None:
        try:
            translate(picture)
        except GdpError as error:
            left_out.setdefault(name, str(error))

    return run


def _opened(
    plugins: Plugins,
    student: DeployedStudent,
    folder: StudentFolder,
    record: PluginRecord,
    context: EngineContext,
    tell: Callable[[str], None],
) -> Translate:
    engine = build_engine(plugins, record.name, context, {})
    engine.describe()  # asked of whichever is the fastest
    if engine.runs_from_weights:
        return open_engine(engine, folder.path / engine.file, lambda: picture_network(student))
    if folder.current(engine.file) is None:
        tell(folder.why_exported(engine.file, record.name))
        path, card = export_run(plugins, folder.path, engine, record.name)
        folder.exported(path.name, card)
    return open_engine(engine, folder.path / engine.file)


def _remember(
    plugins: Plugins,
    folder: StudentFolder,
    context: EngineContext,
    name: str,
    timings: dict[str, Timing],
    tell: Callable[[str], None],
) -> None:
    repeats = len(timings[name].milliseconds)
    data = {
        "engine": name,
        "milliseconds": {each: timing.median for each, timing in timings.items()},
        "protocol": f"medians of {repeats} runs of one picture at the training size, engines in turns",
        "circumstances": folder.circumstances(context, plugins.records("engine")),
    }
    try:
        write_atomically(own_file(folder.path / CHOICE), (json.dumps(data, indent=2) + "\n").encode())
    except (RunFolderError, CorruptFileError) as error:  # a student on a read-only disk works, too
        tell(f"the choice is not remembered: {error}")
