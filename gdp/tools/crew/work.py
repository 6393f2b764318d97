"""What a worker does: it makes or judges pairs of a range of numbers. Importing this imports no torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gdp.core.errors import UnpaidError

if TYPE_CHECKING:
    from gdp.core.interfaces.filters import Filter, ScoringFilter
    from gdp.core.pairs.layout import ImageFormat
    from gdp.core.run.session import Session


@dataclass(frozen=True)
class MakePairs:
    """A piece of work: make the pairs `start` to `stop` - 1, which are of one shard, and hand them over."""

    start: int
    stop: int
    image_format: ImageFormat
    place: str
    """Where, as `gdp.tools.crew.handing` knows it."""
    life: str
    """Of the process that asks, so that no name is written twice."""

    def __str__(self) -> str:
        """Return what errors call it."""
        return f"pairs {self.start} to {self.stop - 1}"


@dataclass(frozen=True)
class JudgePairs:
    """A piece of work: let a filter judge pairs."""

    position: int
    """Of the filter in the recipe."""
    pairs: bytes
    """As `gdp.tools.crew.handing` packs them."""
    image_format: ImageFormat
    first: int
    last: int

    def __str__(self) -> str:
        """Return what errors call it."""
        return f"the judging of pairs {self.first} to {self.last}"


class NothingPaid:
    """Refuses every call that costs money: the process that counts it is another."""

    def admit(self, spent: float, dollars: float) -> None:
        """Refuse it.

        Raises:
            UnpaidError: always.
        """
        raise UnpaidError(f"a worker was about to make a call at {dollars:g} $, which workers may not")


@dataclass(frozen=True)
class RunWork:
    """Opens a worker of a run.

    Attributes:
        open: opens the run, by the worker's number.
    """

    open: Callable[[int], Session]

    def __call__(self, number: int) -> Callable[[Any, int], Iterator[Any]]:
        """Open the run, of which nothing is written, and return what does its pieces."""
        session = self.open(number)
        session.limit = NothingPaid()
        return _Worker(session).do


@dataclass
class _Worker:
    session: Session

    def do(self, piece: MakePairs | JudgePairs, attempt: int) -> Iterator[Any]:
        """Do a piece: tell how many pairs are made, then where they are; or what is said of pairs, by their numbers."""
        if isinstance(piece, MakePairs):
            yield from self._make(piece, attempt)
        else:
            yield from self._judge(piece)

    def _make(self, piece: MakePairs, attempt: int) -> Iterator[Any]:
        from gdp.core.pairs.store import THREADS, encode_batch
        from gdp.core.run.stages.pairs import make_batch
        from gdp.tools.crew.handing import Handing, pack

        encoded = []
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(piece.start, piece.stop, self._together):
                indices = list(range(start, min(start + self._together, piece.stop)))
                encoded += encode_batch(make_batch(self.session, indices), piece.image_format, pool)
                yield len(encoded)
        data = pack(encoded, piece.image_format)
        yield Handing(piece.place).put(piece.start, piece.stop, f"{piece.life}n{attempt}", data)

    @cached_property
    def _together(self) -> int:
        from gdp.core.run.stages.pairs import pairs_together

        return pairs_together(self.session)

    def _judge(self, piece: JudgePairs) -> Iterator[Any]:
        from gdp.core.building import name_of
        from gdp.core.memory import readable_memory_errors
        from gdp.core.pairs.store import PairStore
        from gdp.core.run.judging import DecodedPairs, stream_of
        from gdp.tools.crew.handing import unpack

        judge = self._judges(piece.position)
        mend = "Take fewer --workers, or lower --memory, so that fewer are judged together."
        with (
            readable_memory_errors(f"{name_of(judge)}: what a worker judges together", mend),
            tempfile.TemporaryDirectory() as folder,
            PairStore.open(folder, image_format=piece.image_format) as store,
        ):
            store.add(unpack(piece.pairs))
            yield from stream_of(self.session, judge, DecodedPairs(store), store.indices())

    def _judges(self, position: int) -> Filter | ScoringFilter:
        found: dict[int, Any] = self.__dict__.setdefault("_built", {})
        if position not in found:
            found[position] = self.session.new_filter(self.session.recipe.filters[position])
        judge: Filter | ScoringFilter = found[position]
        return judge
