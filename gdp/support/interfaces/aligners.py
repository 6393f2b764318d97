"""Aligners: what finds in any picture the places that a student knows how to translate. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy

from gdp.core.contracts.asking import Asked, Rule, WrongAnswerError, require, shown
from gdp.support.interfaces.engines import EngineContext, PictureArray

if TYPE_CHECKING:
    from gdp.support.squares import Square


LARGEST = 8
"""Times the picture's longer side that a square's may be, and that it may lie away: beyond is no finding."""


def _words(answer: Any, asked: Asked) -> Any:
    good = isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(word, str) and word for word in answer)
    if not good:
        raise WrongAnswerError(f"must be two words, of one and of many that it finds, and is {shown(answer)}")
    return answer


def _regions(answer: Any, asked: Asked) -> Any:
    pictures = asked.arguments[0]
    if not isinstance(answer, list):
        raise WrongAnswerError(f"must return a list of gdp.Square for each picture, and returned {shown(answer)}")
    require(len(answer) == len(pictures), f"looked at {len(pictures)} pictures, and returned squares of {len(answer)}")
    reach = LARGEST * max(pictures.shape[1:3])
    for number, squares in enumerate(answer):
        if not isinstance(squares, list | tuple):
            raise WrongAnswerError(f"gave {shown(squares)} as the squares of picture {number}")
        for square in squares:
            _square(square, reach, number)
    return [list(squares) for squares in answer]


def _square(square: Any, reach: float, number: int) -> None:
    from gdp.support.squares import Square

    if not isinstance(square, Square):
        raise WrongAnswerError(f"found {shown(square)} in picture {number}, and that is no gdp.Square")
    matrix = square.matrix
    good = isinstance(matrix, numpy.ndarray) and matrix.shape == (2, 3) and matrix.dtype.kind == "f"
    if not good:
        raise WrongAnswerError(
            f"found a square in picture {number} whose matrix must be floats (2, 3), and is {shown(matrix)}"
        )
    require(
        bool(numpy.isfinite(matrix).all()) and float(numpy.abs(matrix).max()) <= reach,
        f"found a square in picture {number} that is not finite, or larger or further away than {LARGEST} pictures",
    )
    require(
        abs(float(numpy.linalg.det(matrix[:, :2]))) > 0, f"found a square in picture {number} that is no larger than 0"
    )


class Aligner(ABC):
    """Finds squares in pictures that show something as the student's training pictures did: upright faces, say.

    `gdp apply --align NAME` shows the student what is in each square, turned upright and scaled, and pastes what it
    makes back into its place; the rest of the picture stays as it is, bit for bit. What a user writes behind the name
    (`--align NAME:FILE`) is the setting `file`, and `--align-frame` is the setting `frame`; an aligner whose settings
    have none of that name takes none. Where it needs no torch, its module should import none.
    """

    _contract: ClassVar[Mapping[str, Rule]] = {"finds": _words, "regions": _regions}

    finds: ClassVar[tuple[str, str]]
    """What it finds, one and many of it in lower-case words, as users read it: `("face", "faces")`."""

    def __init__(self, config: Any, context: EngineContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def regions(self, pictures: PictureArray) -> list[list[Square]]:
        """Return for each picture the squares that it finds there, the surest first; none where there is nothing.

        What is found in a picture does not depend on the others. Squares may be turned by any angle, overlap, and
        reach beyond the picture, which is mirrored at its edge then; those of eight times its size are refused.

        Args:
            pictures: (N, H, W, 3) of any size, not to be changed.

        Raises:
            GdpError: they cannot be looked at; the message says why.
        """
