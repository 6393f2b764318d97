"""`gdp apply --resize`: whole pictures at the size at which the student was trained, given back at their own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy
from PIL import Image

from gdp.core.errors import ShapeError
from gdp.support.interfaces.engines import PictureArray
from gdp.support.picture_statistics import Levels, fitted
from gdp.tools.deploy.depth import Watch
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.tiling import Tiling, pictures_together

ROWS = 512
"""Of a picture that are put together at a time: large pictures are not held as wider numbers as a whole."""


@dataclass
class FittedPictures:
    """What `Application.transform` takes: translates pictures that are brought to the training size.

    A picture is scaled, its proportions kept, to as many pixels as the student's training pictures have.

    Raises:
        ShapeError: the student takes two pictures at once.
    """

    model: Model
    keep_detail: bool = True
    """Whether what is finer in the picture than the training size shows stays, only the change being pasted."""
    tiling: Tiling = field(default_factory=Tiling)
    batch: int = 8
    """Pictures that go through the student together, fewer where they are large."""
    watch: Watch | None = None
    """Looks at what the student is shown before it is translated."""

    def __post_init__(self) -> None:
        if self.model.input_channels != 3:
            raise ShapeError(
                f"this student mixes {self.model.input_channels // 3} pictures into one; --resize takes one"
            )

    def __call__(self, pictures: PictureArray) -> PictureArray:
        """Translate pictures (N, H, W, 3)."""
        shown = [fitted(picture, self.model.resolution) for picture in pictures]
        found = [] if self.watch is None else self.watch.look([[small] for small in shown])
        together = pictures_together(self.batch, *shown[0].shape[:2])
        made = numpy.concatenate(
            [
                self.model(numpy.stack(shown[start : start + together]), self.tiling)
                for start in range(0, len(shown), together)
            ]
        )
        if self.watch is not None:
            self.watch.keep(found)
        if shown[0].shape == pictures.shape[1:]:
            return made
        pairs = zip(pictures, made, shown, strict=True)
        return numpy.stack([_enlarged(*each, self.keep_detail) for each in pairs])


def _enlarged(picture: Levels, made: Levels, before: Levels, keep_detail: bool) -> Levels:
    """Return a picture (H, W, 3) with what became of it when it was small (h, w, 3): the change, or all of it."""
    height, width = picture.shape[:2]
    wide = [_resized(small, width, len(small), (0, len(small))) for small in (made, before)]
    written = numpy.empty_like(picture)
    for top in range(0, height, ROWS):
        bottom = min(top + ROWS, height)
        part = (top * len(made) / height, bottom * len(made) / height)
        shown = _resized(wide[0], width, bottom - top, part)
        if keep_detail:
            change = shown.astype(numpy.int16) - _resized(wide[1], width, bottom - top, part)
            shown = (picture[top:bottom] + change).clip(0, 255).astype(numpy.uint8)
        written[top:bottom] = shown
    return written


def _resized(picture: Levels, width: int, height: int, rows: tuple[float, float]) -> Levels:
    """Return a part of a picture, between two of its rows, in another size; what is beside it counts at its edges."""
    box = (0, rows[0], picture.shape[1], rows[1])
    return numpy.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC, box))
