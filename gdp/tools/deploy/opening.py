"""Opening a trained student to translate pictures: by a named engine, or by the fastest. Imports no torch by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gdp.core.errors import GdpError, named_by_option
from gdp.core.records import Plugins
from gdp.support.interfaces.engines import Engine, EngineContext
from gdp.tools.deploy.cards import Card, card_path, files_of, read_whole_card
from gdp.tools.deploy.limits import own_file
from gdp.tools.deploy.models import Model, build_engine, find_model, open_engine
from gdp.tools.deploy.student_folder import StudentFolder
from gdp.tools.deploy.trained_on import TrainedOn, read_trained_on

Tell = Callable[[str], None]


def open_model(
    plugins: Plugins,
    model: Path,
    *,
    engine: str | None = None,
    context: EngineContext | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Tell = lambda text: None,
) -> Model:
    """Open a trained student to translate pictures.

    Args:
        plugins: the registry.
        model: a run, its `student/` folder, or an exported file.
        engine: its name; None for the fastest, which is found by a short trial once and remembered beside the student.
        context: device and threads.
        settings: of the engine, where one is named.
        tell: is told, in a line, what takes a while, and which engines the trial leaves out.

    Raises:
        MissingResourceError: there is no trained student, or an engine's package is not installed.
        CorruptFileError: a file is damaged.
        PluginError: the engine that was named fails.
        GdpError: the student cannot be exported for the engine.
    """
    place, context = find_model(model), context or EngineContext()
    if engine is not None:
        with named_by_option():
            plugins.get("engine", engine)
    if place.file is not None:
        card = read_whole_card(place.file)
        name = engine or card.engine
        runner = build_engine(plugins, name, context, settings or {})
        trained_on = read_trained_on(card.trained_on, card.resolution, str(card_path(place.file)))
        return _model(plugins, runner, name, place.file, card, trained_on)
    folder = StudentFolder(place.folder)
    if engine is not None:
        return _open(plugins, folder, engine, context, settings or {}, tell)
    known = folder.remembered(context, plugins.records("engine"))
    if known is not None:
        try:
            return _open(plugins, folder, known, context, {}, tell)
        except GdpError as error:
            tell(f"{known} was the fastest engine and cannot be used any more: {error}")
    from gdp.tools.deploy.trial import find_fastest  # imports torch

    found = find_fastest(plugins, folder, context, tell)
    return replace(_open(plugins, folder, found.engine, context, {}, tell), left_out=found.left_out)


def _open(
    plugins: Plugins,
    folder: StudentFolder,
    name: str,
    context: EngineContext,
    settings: Mapping[str, Any],
    tell: Tell,
) -> Model:
    """Open the student of a folder by an engine; what it runs from is exported where it lacks."""
    runner = build_engine(plugins, name, context, settings)
    if runner.runs_from_weights:
        return _from_weights(plugins, folder.path, runner, name)
    card = folder.current(runner.file)
    if card is None:
        from gdp.tools.deploy.export import export_run

        tell(folder.why_exported(runner.file, name))
        _, card = export_run(plugins, folder.path, runner, name)
    return _model(plugins, runner, name, folder.path / runner.file, card, folder.trained_on)


def _from_weights(plugins: Plugins, folder: Path, runner: Engine, name: str) -> Model:
    from gdp.tools.deploy.export import open_student, picture_network

    student = open_student(plugins, folder)
    translate = open_engine(runner, folder / runner.file, lambda: picture_network(student))
    sizes = (student.size_multiple, student.input_channels, student.resolution)
    return Model(translate, *sizes, name, runner.describe(), _together(runner), trained_on=student.trained_on)


def _model(plugins: Plugins, runner: Engine, name: str, file: Path, card: Card, trained_on: TrainedOn) -> Model:
    for part in files_of(file):
        own_file(part)
    translate = open_engine(runner, file)
    sizes = (card.size_multiple, card.input_channels, card.resolution)
    return Model(translate, *sizes, name, runner.describe(), _together(runner), trained_on=trained_on)


def _together(runner: Engine) -> bool:
    return runner.context.device != "cpu"
