"""Datasets: collections of pictures that teachers are trained on and that translators translate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gdp.core.interfaces.context import BuildContext

if TYPE_CHECKING:
    from torch import Tensor

Part = Literal["trainA", "trainB", "testA", "testB"]
"""A part of an unpaired dataset: domain A or B, to train on or never trained on."""


@dataclass(frozen=True)
class PictureKind:
    """What pictures show, in the words of whoever makes them; a student's card carries it, and its warnings tell it.

    Attributes:
        words: What they show, in some words, as `faces, cut as FFHQ's`.
        one: Where each shows one thing upright and in one place: what aligners call it (`Aligner.finds`), as `face`;
            empty where they are not aligned.
        frame: Name of the frame in which that stands, as aligners take it (`--align-frame`), as `ffhq`; empty where it
            has no name.
        aligner: What `gdp apply --align` takes to find it in photos, as `NAME` or `NAME:builtin:FILE`; empty where any
            aligner that finds such things will do.
    """

    words: str
    one: str = ""
    frame: str = ""
    aligner: str = ""


class Dataset(ABC):
    """Pictures by number, all of one size."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def __len__(self) -> int:
        """How many pictures there are."""

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Height and width in pixels."""

    @abstractmethod
    def images(self, indices: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, R, R) uint8 RGB; picture i is always the same."""

    @property
    def shows(self) -> PictureKind | None:
        """What the pictures show; None where nobody has said it, as of a folder."""
        return None

    def latents(self, indices: Sequence[int]) -> Tensor | None:
        """Return what determines these pictures as independent standard normal numbers (N, K) float32.

        None where that is not known, as of photographs. A renderer knows it, and a teacher may learn from it.
        """
        return None


class UnpairedDataset(ABC):
    """Pictures of two domains, A and B, which nobody has matched: what an unpaired translator is trained on.

    Raises (from its constructor or methods):
        MissingResourceError, CorruptFileError: pictures are not there or cannot be read.
    """

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    @property
    @abstractmethod
    def resolution(self) -> int:
        """Height and width of all pictures in pixels."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of what determines the pictures: settings of a renderer, names and bytes of files."""

    @abstractmethod
    def count(self, part: Part) -> int:
        """How many pictures a part has."""

    @abstractmethod
    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        """Return pictures (N, 3, R, R) uint8 RGB of a part; picture i is always the same."""

    def name(self, part: Part, index: int) -> str:
        """Return what a person would call a picture: the name of its file, say."""
        return f"{index:06d}"

    def shows(self, part: Part) -> PictureKind | None:
        """Return what the pictures of a part show; None where nobody has said it, as of folders."""
        return None

    def truth(self, part: Part, indices: Sequence[int]) -> Tensor | None:
        """Return the true counterparts in the other domain, (N, 3, R, R) uint8; None where nobody knows them.

        For measuring only: nothing is ever trained on it.
        """
        return None
