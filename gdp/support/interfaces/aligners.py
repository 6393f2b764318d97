"""Aligners: what finds in any picture the places that a student knows how to translate. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from gdp.support.interfaces.engines import EngineContext, PictureArray

if TYPE_CHECKING:
    from gdp.support.squares import Square


class Aligner(ABC):
    """Finds squares in pictures that show something as the student's training pictures did: upright faces, say.

    `gdp apply --align NAME` shows the student what is in each square, turned upright and scaled, and pastes what it
    makes back into its place; the rest of the picture stays as it is, bit for bit. What a user writes behind the name
    (`--align NAME:FILE`) is the setting `file`, and `--align-frame` is the setting `frame`; an aligner whose settings
    have none of that name takes none. Where it needs no torch, its module should import none.
    """

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
