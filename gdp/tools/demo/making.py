"""Put the page of a student together: its student opened, exported where it has to be, samples, and engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gdp.core.errors import GdpError
from gdp.core.progress import Progress
from gdp.core.records import Plugins
from gdp.core.run_folder import RunFolder
from gdp.support.interfaces.engines import EngineContext
from gdp.tools.demo.content import Demo, Sample, samples_of_folder, samples_of_run, sizes_of
from gdp.tools.demo.runtime import browser_engine
from gdp.tools.demo.translating import Translator
from gdp.tools.deploy.limits import own_file
from gdp.tools.deploy.models import STUDENT, find_model
from gdp.tools.deploy.opening import open_model

OF_BROWSERS = "onnx"
"""The engine whose files browsers run."""
RUN, NONE = "run", "none"


@dataclass(frozen=True)
class Request:
    """What `gdp demo` was asked for."""

    run: Path
    engine: str = OF_BROWSERS
    """Of this machine."""
    context: EngineContext = field(default_factory=EngineContext)
    static: bool = False
    """Whether the page becomes a folder, behind which no engine of this machine stands."""
    only_server: bool = False
    """Whether browsers get no engine."""
    samples: str | None = None
    """`run`, `none`, or a folder of pictures."""


def make_demo(
    plugins: Plugins, request: Request, progress: Progress, tell: Callable[[str], None]
) -> tuple[Demo, Translator | None]:
    """Put the page together.

    Args:
        plugins: the registry.
        request: what was asked for.
        progress: shows a download.
        tell: is told, in a line, what takes a while.

    Returns:
        The page, and what translates pictures on this machine; None for a folder.

    Raises:
        MissingResourceError: there is no trained student, no such samples, an engine's package is not installed, or the
            browser's engine is not to be had.
        CorruptFileError: a file is damaged.
        ShapeError: the student takes two pictures at once.
        GdpError: it cannot be exported, or is an exported file that browsers cannot run.
    """
    place = find_model(request.run)
    file = place.file or place.folder / "student.onnx"
    if place.file is not None and place.file.suffix != ".onnx" and not request.only_server:
        raise GdpError(f"{place.file}: browsers run .onnx files alone. Name the run, or add --only-server")
    samples, said = _samples(request, RunFolder(place.folder.absolute().parent))
    served = OF_BROWSERS if request.static else request.engine
    model = open_model(plugins, request.run, engine=served, context=request.context, tell=tell)
    translator = Translator(plugins, model, request.context)
    engine = None
    if not request.only_server:
        if served != OF_BROWSERS:
            open_model(plugins, request.run, engine=OF_BROWSERS, context=request.context, tell=tell)
        engine = browser_engine(progress)
    parameters, macs = sizes_of(place.folder)
    name = request.run.resolve().name if request.run.exists() else request.run.name
    page = Demo(
        name=place.folder.absolute().parent.name if name == STUDENT else name,
        run=_without_folders(request.run),
        model=model,
        samples=samples,
        samples_said=said,
        student=None if engine is None else own_file(file),
        engine=engine,
        server=None if request.static else translator.told,
        parameters=parameters,
        macs=macs,
    )
    return page, None if request.static else translator


def _samples(request: Request, run: RunFolder) -> tuple[Sequence[Sample], str]:
    """Return the pictures that the page offers, and what it says of them."""
    which = request.samples or (NONE if request.static else RUN)
    if which == NONE:
        return [], ""
    if which != RUN:
        return samples_of_folder(Path(which)), ""
    return samples_of_run(run), "Held-out pictures of the run: the student has not learnt from them."


def _without_folders(run: Path) -> str:
    """Return the student as the page's command names it: relative paths as they are, of others the last part."""
    return run.name if run.is_absolute() or ".." in run.parts else run.as_posix()
