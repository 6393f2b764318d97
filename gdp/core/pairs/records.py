"""What is known of a pair: its provenance, its pictures in memory, and what filters say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gdp.core.errors import PairStoreError, ShapeError

if TYPE_CHECKING:
    from torch import Tensor

Json = Any
"""A value of JSON: None, bool, int, finite float, str, or a list or string-keyed dict of such."""

Score = float | int | str | bool | None
"""One thing that was measured of a pair; None where it could not be measured."""

Scores = Mapping[str, Score]
"""What was measured of a pair, by name."""

Decision = Literal["keep", "drop", "unknown"]
"""What a filter says of a pair."""


@dataclass(frozen=True)
class PairRecord:
    """Where a pair comes from: with the teacher and the recipe at hand, enough to make it again.

    Attributes:
        index: Number of the pair in its recipe, from 0.
        seed: The recipe's seed.
        edit: What was done to the source, such as `{"direction": "brightness", "strength": 2.0}`.
        teacher: sha256 of the teacher's weights, in hexadecimal; empty where no teacher made the pair.
        latent: The source's latent as raw little-endian float32, C order.
        latent_shape: Shape of the packed latent; None where there is none.
        name: Name of the file that the pair was read from.
        extra: What else a source wants to remember, as JSON.
    """

    index: int
    seed: int
    edit: dict[str, Json] = field(default_factory=dict)
    teacher: str = ""
    latent: bytes | None = None
    latent_shape: tuple[int, ...] | None = None
    name: str | None = None
    extra: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.latent is None) != (self.latent_shape is None):
            raise ShapeError(f"pair {self.index}: a latent and its shape come together; only one of them is given")
        if self.latent is not None and len(self.latent) != 4 * math.prod(self.latent_shape or ()):
            raise ShapeError(
                f"pair {self.index}: a float32 latent of shape {self.latent_shape} takes "
                f"{4 * math.prod(self.latent_shape or ())} bytes, not {len(self.latent)}"
            )

    @staticmethod
    def pack_latent(latent: Tensor) -> tuple[bytes, tuple[int, ...]]:
        """Return the bytes and the shape that a record keeps of a latent of any shape and float type."""
        array = latent.detach().cpu().float().contiguous().numpy()
        return array.astype("<f4").tobytes(), tuple(array.shape)

    def latent_tensor(self) -> Tensor | None:
        """Return the latent as a new float32 tensor of `latent_shape`; None where there is none."""
        if self.latent is None or self.latent_shape is None:
            return None
        import numpy
        import torch

        values = numpy.frombuffer(self.latent, "<f4").astype(numpy.float32)
        return torch.from_numpy(values).reshape(self.latent_shape)


@dataclass(frozen=True)
class PairBatch:
    """Some pairs in memory.

    Raises:
        ShapeError: the parts do not fit together.

    Attributes:
        indices: Numbers of the pairs.
        source: (N, C, H, W) float32 RGB in [-1, 1]; C is 3, or 6 where the student takes two pictures. On any device;
            uint8 levels where they are rounded already.
        target: (N, 3, H, W), likewise.
        records: Where each pair comes from; empty where nobody asks.
    """

    indices: list[int]
    source: Tensor
    target: Tensor
    records: list[PairRecord]

    def __post_init__(self) -> None:
        source, target, count = tuple(self.source.shape), tuple(self.target.shape), len(self.indices)
        if len(source) != 4 or len(target) != 4 or source[1] not in (3, 6) or target[1] != 3:
            raise ShapeError(f"pairs need a source (N, 3 or 6, H, W) and a target (N, 3, H, W); got {source}, {target}")
        if source[2:] != target[2:]:
            raise ShapeError(f"source and target of a pair need the same height and width; got {source}, {target}")
        if not source[0] == target[0] == len(self.records) == count:
            raise ShapeError(
                f"{count} indices came with {source[0]} sources, {target[0]} targets, {len(self.records)} records"
            )
        if [record.index for record in self.records] != list(self.indices):
            raise ShapeError("the records of a batch of pairs have other indices than the batch")

    def __len__(self) -> int:
        return len(self.indices)


def pictures_by_part(pairs: PairBatch) -> dict[str, Tensor]:
    """Return the pictures, each (N, 3, H, W), as `source`, `target` and, with two sources, `source2`."""
    pictures = {"source": pairs.source[:, :3], "target": pairs.target}
    if pairs.source.shape[1] > 3:
        pictures["source2"] = pairs.source[:, 3:]
    return pictures


def number(row: Scores, name: str) -> float | None:
    """Return a score that is a number; None where it could not be measured."""
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Verdict:
    """What a filter says of one pair. Filters annotate; nothing is deleted.

    Raises:
        PairStoreError: a score is no word, finite number, bool or None.

    Attributes:
        decision: keep, drop or unknown.
        scores: What was measured of the pair.
        reason: Why it was dropped or could not be judged, in words for the report's funnel.
    """

    decision: Decision
    scores: Scores = field(default_factory=dict)
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.decision not in ("keep", "drop", "unknown"):
            raise PairStoreError(f"a verdict is keep, drop or unknown, not {self.decision!r}")
        check_scores(self.scores)

    @classmethod
    def keep(cls, **scores: Score) -> Verdict:
        """Keep the pair."""
        return cls("keep", scores)

    @classmethod
    def drop(cls, reason: str, **scores: Score) -> Verdict:
        """Drop the pair."""
        return cls("drop", scores, reason)

    @classmethod
    def unknown(cls, reason: str, **scores: Score) -> Verdict:
        """Say that the pair could not be judged."""
        return cls("unknown", scores, reason)

    @classmethod
    def keep_if(cls, condition: bool, *, reason: str | None = None, **scores: Score) -> Verdict:
        """Keep the pair if the condition holds, else drop it for `reason`."""
        return cls("keep", scores) if condition else cls("drop", scores, reason)


@dataclass(frozen=True)
class NotYet:
    """Stands for the verdict, or the scores, of a pair that a filter cannot look at now: its budget is spent, say.

    Nothing is stored for the pair, it goes no further, and a later run asks for it again.

    Attributes:
        reason: Why not, in words for the report's funnel.
    """

    reason: str


def check_scores(scores: Scores) -> None:
    """Make sure that scores can be stored and come back as they are.

    Raises:
        PairStoreError: a score is no word, finite number, bool or None.
    """
    for name, score in scores.items():
        plain = score is None or isinstance(score, bool | int | float | str)
        if not plain or (isinstance(score, float) and not math.isfinite(score)):
            raise PairStoreError(
                f"score {name} is {score!r} ({type(score).__name__}); a score is a word, a finite number, true, false "
                f"or None (None for what could not be measured): convert tensors with float()"
            )
