"""`gdp apply --align`: every face of a picture goes through the student on its own, in the teacher's frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy

from gdp.core.deployment.alignment import Levels, Made, cut, paste
from gdp.core.deployment.frames import Frame
from gdp.core.deployment.landmarks import Found, LandmarkFinder
from gdp.core.deployment.models import Model
from gdp.core.deployment.tiling import Tiling
from gdp.core.errors import ShapeError
from gdp.core.interfaces.engines import Pictures

FEATHER = 0.1


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
    feather: float = FEATHER
    """Share of the aligned square's side over which the translation fades in from its edge."""
    tiling: Tiling = field(default_factory=Tiling)
    batch: int = 8
    """Faces that go through the student together."""
    faces: list[int] = field(default_factory=list)
    """How many were found in each picture so far, in the order in which they came."""

    def __post_init__(self) -> None:
        if self.model.input_channels != 3:
            raise ShapeError(
                f"this student mixes {self.model.input_channels // 3} pictures into one; it cannot be applied to faces"
            )

    def __call__(self, pictures: Pictures) -> Pictures:
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
        translated = iter(self._translate(crops))
        return numpy.stack(
            [
                paste(picture, [Made(square, next(translated)) for square in of_picture], self.feather)
                for picture, of_picture in zip(pictures, squares, strict=True)
            ]
        )

    def find(self, picture: Levels) -> list[Found]:
        """Return the faces of a picture (H, W, 3), best first."""
        return self.finder.find(picture, self.frame)

    def _translate(self, crops: list[Levels]) -> list[Levels]:
        made: list[Levels] = []
        for start in range(0, len(crops), self.batch):
            made += list(self.model(numpy.stack(crops[start : start + self.batch]), self.tiling))
        return made
