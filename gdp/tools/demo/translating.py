"""Pictures of the page that this machine's engine translates, one at a time. Imports no torch by itself."""

from __future__ import annotations

import io
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from gdp.core.errors import GdpError
from gdp.core.records import Plugins
from gdp.support.interfaces.engines import EngineContext, PictureArray, Translate
from gdp.support.picture_files import read_picture
from gdp.support.squares import Levels
from gdp.tools.demo.content import ServedBy
from gdp.tools.deploy.applying import whole_pictures
from gdp.tools.deploy.depth import Watch, Way
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling
from gdp.tools.deploy.trained_on import TrainedOn
from gdp.tools.deploy.watching import aligner_at_hand, choose_transform

TOGETHER = 8
"""Most things that are found in a picture and go through the student at once, as of `gdp apply`."""


@dataclass(frozen=True)
class Translated:
    """What became of a picture."""

    png: bytes
    runs: list[tuple[int, int]]
    """Width and height in pixels of each picture that went through the student: one, its tiles, or what was found."""
    milliseconds: float
    """That the student took, without what is done before and after."""
    told: list[str]
    """What the student may be out of its depth with."""


class Translator:
    """The student as `gdp apply` runs it, for pictures that come as files.

    Args:
        plugins: the registry, where an aligner is looked for.
        model: the student.
        context: device and threads of an aligner.

    Raises:
        ShapeError: the student takes two pictures at once.
    """

    def __init__(self, plugins: Plugins, model: Model, context: EngineContext) -> None:
        whole_pictures(model, Tiling())
        self._model = replace(model, translate=self._timed(model.translate))
        self._trained_on = model.trained_on or TrainedOn(model.resolution)
        self._aligner = aligner_at_hand(plugins, self._trained_on.shows, context=context)
        self._turn = threading.Lock()
        self._runs: list[tuple[int, int]] = []
        self._seconds = 0.0

    @property
    def told(self) -> ServedBy:
        """What the page says of it."""
        aligned = None if self._aligner is None else (self._aligner.one, self._aligner.many)
        return ServedBy(self._model.engine, self._model.runs_on, aligned)

    @property
    def ways(self) -> tuple[Way, ...]:
        """How pictures may be shown to the student."""
        return ("resized", "whole") if self._aligner is None else ("resized", "whole", "aligned")

    def translate(self, content: bytes, way: Way) -> Translated:
        """Translate a picture file; one at a time, whoever asks.

        Args:
            content: of the file, of any kind that gdp reads.
            way: `resized` and `aligned` as `gdp apply --resize` and `--align`, `whole` as without them.

        Raises:
            GdpError: it is no picture, is too large for the memory, or the engine fails.
        """
        with self._turn:
            levels = _levels(content)
            self._runs, self._seconds = [], 0.0
            watch = Watch(self._trained_on, way, aligner=self._aligner)
            transform = choose_transform(
                self._model, watch, size=None, keep_detail=True, tiling=Tiling(), batch=TOGETHER
            )
            made = transform(levels[None])[0]
            told = [f"{finding.told[:1].upper()}{finding.told[1:]}." for seen in watch.found for finding in seen]
            written = io.BytesIO()
            Image.fromarray(made).save(written, "PNG", compress_level=1)
            return Translated(written.getvalue(), self._runs, 1000 * self._seconds, told)

    def _timed(self, translate: Translate) -> Translate:
        def timed(pictures: PictureArray) -> PictureArray:
            start = time.perf_counter()
            made = translate(pictures)
            self._seconds += time.perf_counter() - start
            self._runs += [(pictures.shape[2], pictures.shape[1])] * len(pictures)
            return made

        return timed


def _levels(content: bytes) -> Levels:
    with tempfile.TemporaryDirectory(prefix="gdp-demo-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            return read_picture(path).on_white()
        except GdpError as error:
            told = str(error).replace(f"{path}: ", "").replace(f" '{path}'", "")  # the file is not the user's
            raise type(error)(told) from error
