"""`gdp apply --align`: every face of a picture goes through the student on its own, in the teacher's frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy

from gdp.core.errors import ShapeError
from gdp.core.interfaces.engines import PictureArray
from gdp.plugins.face_alignment.finder import Found, LandmarkFinder
from gdp.plugins.face_alignment.frames import Frame, open_frame
from gdp.support.squares import Levels, Made, cut, paste
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling

FEATHER = 0.1


def open_finder(model: Path, frame: str | None = None, threads: int | None = None) -> tuple[LandmarkFinder, Frame]:
    """Open a landmark model, and the teacher's frame: the one of that name or file, or the model's own.

    Raises:
        MissingResourceError, CorruptFileError, ShapeError: one of them cannot be used, see `LandmarkFinder`.
    """
    finder = LandmarkFinder(model, threads)
    return finder, finder.frame if frame is None else open_frame(frame)


@dataclass
class AlignedFaces:
    """What `Application.transform` takes: finds faces, aligns, translates and pastes them back.

    Raises:
        ShapeError: the student takes two pictures at once.
    """

    model: Model
    finder: LandmarkFinder
    frame: Frame
    size: int | None = None
    """Pixels of the aligned face that the student is shown; None for what it was trained at."""
    keep_detail: bool = True
    """Whether what is finer in the picture than the aligned face's pixels stays, only the change being pasted."""
    tiling: Tiling = field(default_factory=Tiling)
    batch: int = 8
    """Faces that go through the student together."""
    feather: float = FEATHER
    """Share of the aligned square's side over which the translation fades in from its edge."""
    faces: list[int] = field(default_factory=list)
    """How many were found in each picture so far, in the order in which they came."""

    def __post_init__(self) -> None:
        if self.model.input_channels != 3:
            raise ShapeError(
                f"this student mixes {self.model.input_channels // 3} pictures into one; it cannot be applied to faces"
            )

    def __call__(self, pictures: PictureArray) -> PictureArray:
        """Translate the faces of pictures (N, H, W, 3); a picture without a face comes back as it is."""
        found = [self.find(picture) for picture in pictures]
        self.faces += [len(faces) for faces in found]
        size = self.size or self.model.resolution
        squares = [[self.frame.square(face.landmarks) for face in faces] for faces in found]
        crops = [
            cut(picture, square, size)
            for picture, of_picture in zip(pictures, squares, strict=True)
            for square in of_picture
        ]
        before = crops if self.keep_detail else [None] * len(crops)
        made = zip(self._translate(crops), before, strict=True)
        contents = [[Made(square, *next(made)) for square in of_picture] for of_picture in squares]
        return numpy.stack(
            [paste(picture, faces, self.feather) for picture, faces in zip(pictures, contents, strict=True)]
        )

    def summary(self) -> dict[str, int]:
        """Return how many faces were found, in how many pictures and frames, and how many of these held none."""
        return {
            "found": sum(self.faces),
            "pictures": len(self.faces),
            "pictures_without": self.faces.count(0),
        }

    def describe(self) -> str:
        """Return the summary in a line."""
        told = self.summary()
        line = f"{told['found']} faces found in {told['pictures']} pictures and frames"
        without = told["pictures_without"]
        return f"{line}; {without} of them show no face and are written unchanged" if without else line

    def find(self, picture: Levels) -> list[Found]:
        """Return the faces of a picture (H, W, 3), best first."""
        return self.finder.find(picture, self.frame)

    def _translate(self, crops: list[Levels]) -> list[Levels]:
        made: list[Levels] = []
        for start in range(0, len(crops), self.batch):
            made += list(self.model(numpy.stack(crops[start : start + self.batch]), self.tiling))
        return made
