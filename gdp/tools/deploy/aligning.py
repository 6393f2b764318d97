"""`gdp apply --align`: what an aligner finds in a picture goes through the student by itself, upright and scaled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy

from gdp.core.building import build
from gdp.core.errors import GdpError, ShapeError
from gdp.core.records import PluginRecord, Plugins
from gdp.support.interfaces.aligners import Aligner
from gdp.support.interfaces.engines import EngineContext, PictureArray
from gdp.support.settings import settings_of
from gdp.support.squares import Levels, Made, Square, cut, paste
from gdp.tools.deploy.applying import Frames, Transform
from gdp.tools.deploy.following import Follower
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling, pictures_together

if TYPE_CHECKING:
    from gdp.tools.deploy.depth import Watch

FEATHER = 0.1
FILE, FRAME = "file", "frame"
"""The settings of an aligner that the command line names."""
_NAME = re.compile(r"[a-z][a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class NamedAligner:
    """An aligner, and in whose name its failures are told."""

    aligner: Aligner
    name: str = ""
    """As `--align` takes it."""

    @property
    def one(self) -> str:
        """What it finds, in a word."""
        return self.aligner.finds[0]

    @property
    def many(self) -> str:
        """The same, of several."""
        return self.aligner.finds[1]

    def regions(self, pictures: PictureArray) -> list[list[Square]]:
        """Return the squares in each of pictures (N, H, W, 3).

        Raises:
            GdpError: what the aligner itself says is wrong.
            PluginError: it failed, or what it returned are no such squares.
        """
        return self.aligner.regions(pictures)


def open_aligner(
    plugins: Plugins, text: str, *, frame: str | None = None, for_files: str, context: EngineContext
) -> NamedAligner:
    """Build the aligner that `--align` names.

    Args:
        plugins: the registry.
        text: `NAME`, `NAME:FILE`, or a file alone.
        frame: of the teacher, as the aligner takes it; None leaves it to the aligner.
        for_files: name of the aligner that a file alone, or `builtin:...`, is meant for.
        context: device and threads.

    Raises:
        PluginNotFoundError, PluginError: there is none of that name, or it fails.
        GdpError: it takes no file or frame, or needs one; or what it says is wrong with these.
    """
    record, file = _choose(plugins, text, for_files)
    given = {FILE: file, FRAME: frame}
    known = record.config.model_fields
    for setting, value in given.items():
        if value is not None and setting not in known:
            raise GdpError(f"--align {text}: the aligner {record.name} takes no {setting}")
    if not file and FILE in known and known[FILE].is_required():
        raise GdpError(f"--align {text}: the aligner {record.name} needs a file: --align {record.name}:FILE")
    settings = settings_of(record, {name: value for name, value in given.items() if value is not None})
    aligner: Aligner = build(plugins, record, settings, context, kind=Aligner)
    _ = aligner.finds  # which is told before any picture is looked at
    return NamedAligner(aligner, record.name if file is None else f"{record.name}:{file}")


def _choose(plugins: Plugins, text: str, for_files: str) -> tuple[PluginRecord, str | None]:
    """Return the aligner that is meant, and its file."""
    name, _, file = text.partition(":")
    if name in plugins.names("aligner"):
        return plugins.get("aligner", name), file or None
    looks_like_a_name = _NAME.fullmatch(name) is not None and name != "builtin"
    if looks_like_a_name and not Path(text).exists():
        return plugins.get("aligner", name), file  # which says what there is
    return plugins.get("aligner", for_files), text or None


@dataclass
class AlignedSquares:
    """What `Application.transform` takes: finds squares, translates what is in them, and pastes it back.

    Raises:
        ShapeError: the student takes two pictures at once.
    """

    model: Model
    aligner: NamedAligner
    size: int | None = None
    """Pixels of the upright square that the student is shown; None for what it was trained at."""
    keep_detail: bool = True
    """Whether what is finer in the picture than the square's pixels stays, only the change being pasted."""
    tiling: Tiling = field(default_factory=Tiling)
    batch: int = 8
    """Squares that go through the student together, fewer where they are large."""
    feather: float = FEATHER
    """Share of a square's side over which the translation fades in from its edge."""
    watch: Watch | None = None
    """Looks at what is in the squares before it is translated."""
    counts: list[int] = field(default_factory=list)
    """How many were found in each picture that was translated so far, in their order."""

    def __post_init__(self) -> None:
        if self.model.input_channels != 3:
            raise ShapeError(
                f"this student mixes {self.model.input_channels // 3} pictures into one; it cannot be applied to "
                f"{self.aligner.many}"
            )

    def __call__(self, pictures: PictureArray) -> PictureArray:
        """Translate what is found in pictures (N, H, W, 3); a picture with nothing in it comes back as it is."""
        return self._translated(pictures, self.aligner.regions(pictures))

    def follow(self, frames: Frames) -> Transform:
        """Look for squares in all frames of a video, and return what translates them in the same order.

        What is found in frame after frame is followed and steadied, so that what is pasted does not tremble.

        Args:
            frames: some at a time, (N, H, W, 3) and the seconds when each is shown.
        """
        follower = Follower()
        for pictures, seconds in frames:
            for picture, squares, second in zip(pictures, self.aligner.regions(pictures), seconds, strict=True):
                follower.add(picture, squares, second)
        steadied = iter(follower.steadied())
        return lambda pictures: self._translated(pictures, list(islice(steadied, len(pictures))))

    def _translated(self, pictures: PictureArray, squares: Sequence[Sequence[Square]]) -> PictureArray:
        size = self.size or self.model.resolution
        shown = [
            [cut(picture, square, size) for square in of_picture]
            for picture, of_picture in zip(pictures, squares, strict=True)
        ]
        found_out = [] if self.watch is None else self.watch.look(shown)
        crops = [crop for of_picture in shown for crop in of_picture]
        before = crops if self.keep_detail else [None] * len(crops)
        made = zip(self._through_the_student(crops), before, strict=True)
        contents = [[Made(square, *next(made)) for square in of_picture] for of_picture in squares]
        pasted = [paste(picture, found, self.feather) for picture, found in zip(pictures, contents, strict=True)]
        self.counts += [len(of_picture) for of_picture in squares]
        if self.watch is not None:
            self.watch.keep(found_out)
        return numpy.stack(pasted)

    def summary(self) -> dict[str, int]:
        """Return how many were found, in how many pictures and frames, and how many of these held none."""
        return {
            "found": sum(self.counts),
            "pictures": len(self.counts),
            "pictures_without": self.counts.count(0),
        }

    def describe(self) -> str:
        """Return the summary in a line."""
        told = self.summary()
        line = f"{told['found']} {self.aligner.many} found in {told['pictures']} pictures and frames"
        without = told["pictures_without"]
        return f"{line}; {without} of them show no {self.aligner.one} and are written unchanged" if without else line

    def _through_the_student(self, crops: list[Levels]) -> Iterator[Levels]:
        size = pictures_together(self.batch, *crops[0].shape[:2]) if crops else self.batch
        for start in range(0, len(crops), size):
            yield from self.model(numpy.stack(crops[start : start + size]), self.tiling)
