"""Before anything is timed: pictures of every size, torch's answers to them, exported files, the list of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.errors import GdpError
from gdp.core.interfaces.teachers import LatentTeacher, Teacher
from gdp.core.progress import SilentProgress
from gdp.core.records import Plugins
from gdp.core.run.session import Session
from gdp.core.run_folder import RunFolder
from gdp.support.interfaces.engines import EngineContext, PictureArray
from gdp.tools.bench.request import Request, named_engine
from gdp.tools.bench.tasks import Task
from gdp.tools.deploy.cards import read_card
from gdp.tools.deploy.export import export_student, open_student, picture_network
from gdp.tools.deploy.models import STUDENT, Place, build_engine, find_model
from gdp.tools.deploy.pictures import pictures_of_run, reference
from gdp.tools.deploy.student_folder import StudentFolder
from gdp.tools.deploy.trial import LeftOut, installed_engines
from gdp.tools.run_recipes import load_run_recipe

PICTURES = 4
NO_LIMIT = -1000.0
"""Decibels; the table tells how far an engine's pictures are from torch's, so none is refused here."""


@dataclass(frozen=True)
class Prepared:
    """What is to be measured."""

    tasks: list[Task]
    counts: dict[int, dict[str, int]]
    """The student's parameters and multiply-accumulates by size; none of an exported file."""
    left_out: dict[str, str]
    """Engines that nobody asked for by name and that cannot take part, with the reasons."""


def prepare(plugins: Plugins, request: Request, folder: Path) -> Prepared:
    """Export what is lacking, write the pictures into a folder, and list the rows.

    Raises:
        GdpError: there is no student, or an engine that was named cannot run it.
    """
    place = find_model(request.model)
    run = None if place.file is not None else run_of(place.folder)
    left_out: LeftOut = {}
    engines = _engines(plugins, request, place, left_out)
    if place.file is None:
        engines = _exported(plugins, place, engines, run, None if request.engines else left_out)
    resolution, own = _pictures(plugins, place, run)
    teacher, reduced_to = (None, None) if run is None else _teacher(plugins, run)
    counts: dict[int, dict[str, int]] = {}
    tasks: list[Task] = []
    for size in request.sizes or (resolution,):
        pictures, expected = _write_pictures(plugins, place, own, size, folder)
        if place.file is None:
            counts[size] = count_student(plugins, place.folder, size)
        for threads in request.threads:
            shared: dict[str, Any] = {"size": size, "pictures": pictures, "threads": threads, "device": request.device}
            tasks += _of_teacher(request, run, teacher, reduced_to, size, shared)
            tasks += [
                Task(
                    "student",
                    f"student, {name}" + "".join(f" {value}" for _, value in settings),
                    place.file or place.folder,
                    engine=name,
                    settings=settings,
                    expected=expected,
                    **shared,
                )
                for name, settings in engines
            ]
    return Prepared(tasks, counts, left_out)


Chosen = tuple[str, tuple[tuple[str, str], ...]]
"""An engine's name and its settings."""


def _engines(plugins: Plugins, request: Request, place: Place, left_out: LeftOut) -> list[Chosen]:
    """Return the engines to measure."""
    if place.file is not None:
        name = request.engines[0] if request.engines else read_card(place.file).engine
        return [named_engine(name)]
    named = request.engines or tuple(record.name for record in installed_engines(plugins, left_out))
    return [named_engine(name) for name in named]


def _exported(
    plugins: Plugins, place: Place, engines: list[Chosen], run: Path | None, left_out: LeftOut | None
) -> list[Chosen]:
    """Write the files that engines lack, beside the student, as `gdp apply` does; return the engines that can run.

    Raises:
        GdpError: an engine cannot be used and `left_out`, which else gets it, is None.
    """
    good = set()
    for name in dict.fromkeys(name for name, _ in engines):
        try:
            _export(plugins, StudentFolder(place.folder), name, run)
            good.add(name)
        except GdpError as error:
            if left_out is None:
                raise
            left_out[name] = str(error)
    return [(name, settings) for name, settings in engines if name in good]


def _export(plugins: Plugins, folder: StudentFolder, name: str, run: Path | None) -> None:
    engine = build_engine(plugins, name, EngineContext(), {})
    if engine.runs_from_weights or folder.current(engine.file) is not None:
        return
    student = open_student(plugins, folder.path)
    real = None if run is None else pictures_of_run(RunFolder(run), PICTURES)
    pictures = synthetic(student.resolution, student.input_channels) if real is None else real
    export_student(student, engine, plugins.get("engine", name), pictures, folder.path, NO_LIMIT)


def _pictures(plugins: Plugins, place: Place, run: Path | None) -> tuple[int, PictureArray]:
    """Return the size that the student was trained at, and pictures of that size."""
    if place.file is not None:
        card = read_card(place.file)
        return card.resolution, synthetic(card.resolution, card.input_channels)
    student = open_student(plugins, place.folder)
    real = None if run is None else pictures_of_run(RunFolder(run), PICTURES)
    return student.resolution, synthetic(student.resolution, student.input_channels) if real is None else real


def synthetic(size: int, channels: int) -> PictureArray:
    """Return smooth random pictures (N, size, size, C), for where there are no real ones."""
    random = numpy.random.default_rng(0)
    coarse = random.integers(0, 256, (PICTURES, 8, 8, channels), dtype=numpy.uint8)
    return resized(coarse, size)


def resized(pictures: PictureArray, size: int) -> PictureArray:
    """Return pictures (N, size, size, C) of other ones, bicubic."""
    if pictures.shape[1:3] == (size, size):
        return pictures

    def scale(part: PictureArray) -> PictureArray:
        return numpy.asarray(Image.fromarray(part).resize((size, size), Image.Resampling.BICUBIC))

    channels = range(0, pictures.shape[3], 3)
    rows = [numpy.concatenate([scale(picture[..., at : at + 3]) for at in channels], axis=2) for picture in pictures]
    return numpy.stack(rows)


def _write_pictures(
    plugins: Plugins, place: Place, own: PictureArray, size: int, folder: Path
) -> tuple[Path, Path | None]:
    """Write the pictures of a size and, of a student with weights, what torch makes of them in float32."""
    pictures = resized(own, size)
    path, expected = folder / f"pictures-{size}.npy", folder / f"expected-{size}.npy"
    numpy.save(path, pictures)
    if place.file is not None:
        return path, None
    student = open_student(plugins, place.folder)
    if size % student.size_multiple:
        raise GdpError(f"this student takes multiples of {student.size_multiple} pixels, and {size} is none")
    network = picture_network(student)
    numpy.save(expected, numpy.concatenate([reference(network, picture[None]) for picture in pictures]))
    return path, expected


def _teacher(plugins: Plugins, run: Path) -> tuple[Teacher | None, int | None]:
    """Return the run's teacher, and to which size the run reduces its pairs; None where it does not."""
    folder = RunFolder(run)
    recipe = load_run_recipe(folder, plugins)
    session = Session(recipe, folder, plugins, SilentProgress(), torch.device("cpu"))
    return session.teacher, recipe.pairs.section.resolution


def _of_teacher(
    request: Request,
    run: Path | None,
    teacher: Teacher | None,
    reduced_to: int | None,
    size: int,
    shared: dict[str, Any],
) -> list[Task]:
    """List the rows of the teacher and of the slow route.

    A latent generator makes pictures of one size only, which stands beside the size that the run reduces them to.
    """
    if run is None or teacher is None:
        return []
    if isinstance(teacher, LatentTeacher) and size != (reduced_to or teacher.resolution):
        return []
    tasks = [Task("teacher", "teacher", run, **shared)]
    if isinstance(teacher, LatentTeacher) and request.slow_steps:
        tasks += [
            Task("slow route", each.name, run, overrides=each.overrides, **shared) for each in request.slow_routes
        ]
    return tasks


def count_student(plugins: Plugins, folder: Path, size: int) -> dict[str, int]:
    """Return parameters and multiply-accumulates of a student's network for one picture of a size."""
    student = open_student(plugins, folder)
    generator = student.student.generator
    example = torch.zeros(1, student.input_channels, size, size, device="meta")
    return {"parameters": count_parameters(generator), "macs": count_macs(generator, example)}


def run_of(place: Path) -> Path | None:
    """Return the run's folder around a student's folder; None where it is not in a run."""
    run = place.absolute().parent
    return run if place.name == STUDENT and (run / "recipe.toml").is_file() else None
