"""`gdp apply --align`: what an aligner finds in a picture goes through the student by itself, upright and scaled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy

from gdp.core.errors import ShapeError
from gdp.support.interfaces.engines import PictureArray
from gdp.support.squares import Levels, Made, Square, cut, paste
from gdp.tools.deploy.aligners import NamedAligner
from gdp.tools.deploy.applying import Frames, Transform
from gdp.tools.deploy.depth import Watch
from gdp.tools.deploy.following import Follower
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling, pictures_together

FEATHER = 0.1


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
