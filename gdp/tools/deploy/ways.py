"""How the files of one call of `gdp apply` are translated, as plain data: each worker opens it in its own process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gdp.core.memory import MemoryBound
from gdp.core.progress import Progress
from gdp.core.records import Plugins
from gdp.support.interfaces.engines import EngineContext
from gdp.tools.deploy.aligners import NamedAligner, open_aligner
from gdp.tools.deploy.aligning import AlignedSquares
from gdp.tools.deploy.depth import Watch, Watched
from gdp.tools.deploy.files import Job
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.opening import Tell, open_model
from gdp.tools.deploy.resizing import FittedPictures
from gdp.tools.deploy.tiling import Tiling
from gdp.tools.deploy.translating import Translation, translate_files
from gdp.tools.deploy.watching import choose_transform, open_watch

FOR_FILES = "landmarks"
"""The aligner that a file alone behind --align is meant for."""


@dataclass(frozen=True)
class Way:
    """What the options of `gdp apply` say; each field is what its option is."""

    model: Path
    engine: str | None = None
    align: str | None = None
    align_frame: str | None = None
    align_size: int | None = None
    align_detail: bool = True
    resize: bool = False
    strict: bool = False
    compare: bool = False
    batch: int = 8
    tile: int = 1024
    overlap: int = 64
    memory: str | None = None
    threads: int | None = None
    device: str = "cpu"

    def open(self, plugins: Plugins, tell: Tell = lambda text: None) -> OpenedWay:
        """Open student and aligner.

        Args:
            plugins: the registry.
            tell: told in a line what takes a while.

        Raises:
            GdpError: one of them cannot be opened.
        """
        context = EngineContext(self.device, self.threads)
        aligner: NamedAligner | None = None
        if self.align is not None:
            aligner = open_aligner(plugins, self.align, frame=self.align_frame, for_files=FOR_FILES, context=context)
        model = open_model(plugins, self.model, engine=self.engine, context=context, tell=tell)
        watch = open_watch(plugins, model, aligner, resize=self.resize, strict=self.strict, context=context)
        tiling = Tiling(self.tile, self.overlap)
        transform = choose_transform(
            model, watch, size=self.align_size, keep_detail=self.align_detail, tiling=tiling, batch=self.batch
        )
        return OpenedWay(replace(self, engine=model.engine), model, watch, transform)


@dataclass(frozen=True)
class OpenedWay:
    """A way whose student and aligner are loaded."""

    way: Way
    """With the engine that was found to be the fastest where none was named."""
    model: Model
    watch: Watch
    transform: AlignedSquares | FittedPictures | Watched

    def translate(
        self, jobs: Sequence[Job], progress: Progress, stop_requested: Callable[[], bool] = lambda: False
    ) -> Translation:
        """Translate files; see `translate_files`."""
        bound = MemoryBound.written(self.way.memory, self.way.device)
        return translate_files(
            jobs,
            self.model,
            self.transform,
            self.watch,
            progress,
            stop_requested,
            compare=self.way.compare,
            batch=self.way.batch,
            bound=bound,
        )
