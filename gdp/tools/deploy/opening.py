"""Opening a trained student to translate pictures: by a named engine, or by the fastest. Imports no torch by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gdp.core.interfaces.engines import Engine, EngineContext, Translate
from gdp.core.records import Plugins
from gdp.tools.deploy.cards import Card, read_card
from gdp.tools.deploy.models import Model, build_engine, find_model, is_current, remembered


def open_model(
    plugins: Plugins,
    model: Path,
    *,
    engine: str | None = None,
    context: EngineContext | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Model:
    """Open a trained student to translate pictures.

    Args:
        plugins: the registry.
        model: a run, its `student/` folder, or an exported file.
        engine: its name; None for the fastest, which is found by a short trial once and remembered beside the student.
        context: device and threads.
        settings: of the engine, where one is named.
        tell: is told, in a line, what takes a while.

    Raises:
        MissingResourceError: there is no trained student, or an engine's package is not installed.
        CorruptFileError: a file is damaged.
        GdpError: the student cannot be exported for the engine.
    """
    place, context = find_model(model), context or EngineContext()
    if place.file is not None:
        card = read_card(place.file)
        name = engine or card.engine
        runner = build_engine(plugins, name, context, settings or {})
        return _model(runner.open(place.file), card, name, runner)
    name = engine or remembered(place.folder, context) or _find_fastest(plugins, place.folder, context, tell)
    runner = build_engine(plugins, name, context, settings or {})
    if runner.runs_from_weights:
        from gdp.tools.deploy.export import open_student, picture_network

        student = open_student(plugins, place.folder)
        translate = runner.open(place.folder / runner.file, lambda: picture_network(student))
        sizes = (student.size_multiple, student.input_channels, student.resolution)
        return Model(translate, *sizes, name, runner.describe())
    path = place.folder / runner.file
    if not is_current(path, place.folder):
        from gdp.tools.deploy.export import export_run

        tell(f"exporting the student for {name}, once")
        export_run(plugins, place.folder, runner, name)
    return _model(runner.open(path), read_card(path), name, runner)


def _find_fastest(plugins: Plugins, folder: Path, context: EngineContext, tell: Callable[[str], None]) -> str:
    from gdp.tools.deploy.trial import find_fastest  # imports torch

    return find_fastest(plugins, folder, context, tell)


def _model(translate: Translate, card: Card, name: str, engine: Engine) -> Model:
    return Model(translate, card.size_multiple, card.input_channels, card.resolution, name, engine.describe())
