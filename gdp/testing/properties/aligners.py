"""What aligners promise: squares in pictures of any size, those of each picture by themselves."""

from __future__ import annotations

from typing import Any

import numpy
import torch

from gdp.support.interfaces.aligners import Aligner
from gdp.support.interfaces.engines import PictureArray
from gdp.support.squares import Square
from gdp.testing.examples import as_uint8
from gdp.testing.findings import DoesNotApplyError, require
from gdp.testing.subject import Subject

_SIZES = ((16, 16), (17, 120), (90, 31))
_MAY_DIFFER = 1e-3
"""Pixels, between a picture by itself and beside others: engines add in another order."""
_MEND = "return [[gdp.Square(matrix), ...] for picture in pictures], matrix (2, 3) taking [0, 1] x [0, 1] to pixels"


def exercise(subject: Subject, aligner: Aligner) -> Any:
    """Look at the world's pictures."""
    return [torch.from_numpy(numpy.stack([square.matrix for square in found]))
            for found in aligner.regions(_pictures(subject)) if found]  # fmt: skip


def _pictures(subject: Subject) -> PictureArray:
    """Return the world's sources, (N, H, W, 3)."""
    source = as_uint8(subject.world.pairs.source[:, :3])
    return numpy.ascontiguousarray(source.permute(0, 2, 3, 1).numpy())


def _found(subject: Subject) -> tuple[Aligner, PictureArray, list[list[Square]]]:
    aligner, pictures = subject.build(), _pictures(subject)
    found = aligner.regions(pictures)
    if not any(found):
        raise DoesNotApplyError("it finds nothing in the pictures of the world; give world=... with some that it knows")
    return aligner, pictures, found


def what_it_finds_has_a_name(subject: Subject) -> None:
    """`finds` says in lower-case words what it finds, one and many of it."""
    words = getattr(subject.build(), "finds", None)
    good = isinstance(words, tuple) and len(words) == 2 and all(isinstance(word, str) and word for word in words)
    require(
        good and all(word == word.lower().strip() and word.isprintable() for word in words or ()),
        f"finds is {words!r}",
        'write finds = ("face", "faces"), as users shall read it',
    )


def squares_are_upright_views_of_the_picture(subject: Subject) -> None:
    """For each picture there is a list of squares: turned and scaled, never mirrored nor stretched, and finite."""
    _, pictures, found = _found(subject)
    fits = isinstance(found, list) and len(found) == len(pictures)
    require(fits, f"{len(found)} lists came for {len(pictures)} pictures", _MEND)
    for square in [square for of_picture in found for square in of_picture]:
        require(isinstance(square, Square), f"{square!r} came for a square", _MEND)
        good = numpy.shape(square.matrix) == (2, 3) and bool(numpy.isfinite(square.matrix).all())
        require(good, f"the matrix of a square is {square.matrix!r}", _MEND)
        (a, b), (c, d) = square.matrix[:, :2]
        side = square.side
        alike = bool(side > 0 and abs(a - d) <= 1e-4 * side and abs(b + c) <= 1e-4 * side)
        require(
            alike,
            f"the square of {square.matrix.tolist()} has no size, or is stretched or mirrored",
            "gdp.toolbox.fit_similarity makes such a matrix of points and their places in the square",
        )


def what_is_in_a_picture_does_not_depend_on_the_others(subject: Subject) -> None:
    """One by one, the same is found as in all pictures together."""
    aligner, pictures, together = _found(subject)
    alone = [aligner.regions(picture[None])[0] for picture in pictures]
    for number, (one, other) in enumerate(zip(alone, together, strict=True)):
        alike = len(one) == len(other) and all(
            numpy.allclose(first.matrix, second.matrix, rtol=0, atol=max(_MAY_DIFFER, subject.tolerance))
            for first, second in zip(one, other, strict=True)
        )
        require(alike, f"picture {number} by itself shows others than beside {len(pictures) - 1} others",
                "look at each picture by itself, and keep nothing of the last")  # fmt: skip


def pictures_of_any_size_are_looked_at(subject: Subject) -> None:
    """Small, wide and high pictures are looked at, as well as one of a single colour."""
    aligner = subject.build()
    for height, width in _SIZES:
        picture = numpy.random.default_rng(5).integers(0, 256, (1, height, width, 3), dtype=numpy.uint8)
        for shown in (picture, numpy.full_like(picture, 90)):
            found = aligner.regions(shown)
            require(len(found) == 1, f"{len(found)} lists came for one picture {shown.shape}", _MEND)


def pictures_are_left_as_they_are(subject: Subject) -> None:
    """Nothing is written into the pictures, which are pasted into afterwards."""
    pictures = _pictures(subject)
    given = pictures.copy()
    subject.build().regions(pictures)
    require(bool((pictures == given).all()), "it wrote into its input", "work on a copy")


PROPERTIES = (
    what_it_finds_has_a_name,
    squares_are_upright_views_of_the_picture,
    what_is_in_a_picture_does_not_depend_on_the_others,
    pictures_of_any_size_are_looked_at,
    pictures_are_left_as_they_are,
)
