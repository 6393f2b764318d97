"""What the process that does a run has its workers do, and what it makes of that: it alone writes the pair store."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.interfaces.filters import CombiningFilter
from gdp.core.pairs.store import PairStore
from gdp.core.progress import ProgressTask
from gdp.core.recipe.reading import Choice
from gdp.core.run.session import Session
from gdp.core.run.stages.pairs import require_room
from gdp.support.dispatching import Dispatcher
from gdp.tools.crew.handing import Handed, Handing, pack
from gdp.tools.crew.work import JudgePairs, MakePairs

RANGE = 64
"""Pairs of a piece of work at most: what is lost with a worker."""

Span = tuple[int, int]
"""Of pairs: the first number, and one behind the last."""


@dataclass
class WorkerCrew:
    """The workers of a run, as `Session.crew` has them.

    Attributes:
        dispatcher: of them.
        place: where they hand pairs over; None for a folder beside the shards.
    """

    dispatcher: Dispatcher
    place: str | None = None
    _life: str = field(default_factory=lambda: secrets.token_hex(4), repr=False)

    def make(self, session: Session, store: PairStore, indices: Sequence[int], task: ProgressTask) -> bool:
        """Make pairs and store them; False where the pair source asks other machines, or costs money.

        What was handed over and not stored when this process was last killed is stored, not made again.
        """
        if not _may_be_shared(session.recipe.pairs, session.pair_source):
            return False
        task.advance(0, workers="being started")  # a cluster takes a while to say how many it has room for
        handing = Handing(self._place_of(session))
        most = min(RANGE, -(-len(indices) // (2 * self.dispatcher.executor.workers)))
        plan, there = _plan(indices, store.settings.shard_size, handing, most)
        spans = [span for span in plan if span not in there]
        told = _Told(session, store, handing, task, plan, there)
        told.store_ready()
        pieces = [MakePairs(*span, store.settings.image_format, handing.place, self._life) for span in spans]
        for place, said in self.dispatcher.do(pieces, str, task):
            told.hear(spans[place], said, self.dispatcher)
            if isinstance(said, Handed):
                self.dispatcher.settle(place)
        handing.remove(handing.found())
        return True

    def judged(
        self, session: Session, store: PairStore, choice: Choice[Any], indices: Sequence[int], task: ProgressTask
    ) -> Iterator[Mapping[int, Any]] | None:
        """Yield what a filter says; None for filters that ask services, or look at no picture."""
        position = next(place for place, (each, _) in enumerate(session.filters) if each is choice)
        judge = session.filters[position][1]
        if isinstance(judge, CombiningFilter) or not _may_be_shared(choice, judge):
            return None
        return self._judged(store, position, indices, task)

    def rest(self) -> None:
        """End the workers; they are started again when there is work."""
        self.dispatcher.rest()

    def _judged(
        self, store: PairStore, position: int, indices: Sequence[int], task: ProgressTask
    ) -> Iterator[Mapping[int, Any]]:
        image_format = store.settings.image_format

        def pieces() -> Iterator[JudgePairs]:
            for start in range(0, len(indices), RANGE):
                some = indices[start : start + RANGE]
                yield JudgePairs(position, pack(store.encoded(some), image_format), image_format, some[0], some[-1])

        known: set[int] = set()
        for _, said in self.dispatcher.do(pieces(), str, task):
            new = {index: answer for index, answer in said.items() if index not in known}
            known |= new.keys()
            if new:
                yield new

    def _place_of(self, session: Session) -> str:
        if self.place is None:
            return str(session.store_folder / "handed-over")
        return f"{self.place.rstrip('/')}/{session.keys['store']}"


@dataclass
class _Told:
    """What is known of the pieces of pairs; those that are there are stored in order."""

    session: Session
    store: PairStore
    handing: Handing
    task: ProgressTask
    plan: Sequence[Span]
    ready: dict[Span, Handed]
    cursor: int = 0
    """Of the first range of the plan that is not stored."""
    made: dict[Span, int] = field(default_factory=dict)
    """How many pairs of a range were told to be made, at most: another attempt begins anew."""

    def hear(self, span: Span, said: int | Handed, dispatcher: Dispatcher) -> None:
        """Take what a worker tells: how many pairs it has made, or where they are."""
        if isinstance(said, Handed):
            self.ready[span] = said
            self.store_ready()
            return
        before = self.made.get(span, 0)
        self.made[span] = max(before, said)
        if said > before:
            self.task.advance(said - before, **dispatcher.status())

    def store_ready(self) -> None:
        """Store what is there, up to the first range that is not."""
        while self.cursor < len(self.plan) and (span := self.plan[self.cursor]) in self.ready:
            handed = self.ready.pop(span)
            pairs = self.handing.take(handed)
            if pairs is None:
                raise CorruptFileError(f"{self.handing.place}/{handed.name}: is not what a worker has written there")
            self.store.add(pairs)
            self.handing.remove([handed])
            self.task.advance(len(pairs) - self.made.get(span, 0))
            self.cursor += 1
            left = sum(stop - start for start, stop in self.plan[self.cursor :])
            if self.cursor == 1 and left:
                require_room(self.session.store_folder, len(self.store), left)


def _may_be_shared(choice: Choice[Any], plugin: Any) -> bool:
    """Say whether other processes may do it: what asks services keeps to one rate and one budget, in this process."""
    forecast = plugin.forecast(1)
    return not (choice.record.needs.network or choice.record.images_leave_machine or forecast.calls or forecast.dollars)


def _plan(
    indices: Sequence[int], shard_size: int, handing: Handing, most: int
) -> tuple[list[Span], dict[Span, Handed]]:
    """Divide missing pairs into ranges, each of one shard, and find which were handed over already.

    Args:
        indices: of the missing pairs, ascending.
        shard_size: how many indices a shard spans.
        handing: where tars may lie.
        most: pairs of a range.
    """
    lying = {each.start: each for each in handing.found()}
    plan: list[Span] = []
    adopted: dict[Span, Handed] = {}
    for first, last in _runs(indices, shard_size):
        at = first
        while at < last:
            there = lying.get(at)
            if there is not None and at < there.stop <= last and handing.take(there) is not None:
                stop = there.stop
                adopted[at, stop] = there
            else:
                stop = min([last, at + most, *(start for start in lying if at < start)])
            plan.append((at, stop))
            at = stop
    return plan, adopted


def _runs(indices: Sequence[int], shard_size: int) -> Iterator[Span]:
    """Yield the runs of consecutive numbers, ended by the borders of shards, each as its first and one behind its last.

    >>> list(_runs([0, 1, 2, 5, 6, 7, 8], 4))
    [(0, 3), (5, 8), (8, 9)]
    """
    first = last = None
    for index in indices:
        if first is None or last is None:
            first = index
        elif index != last or index % shard_size == 0:
            yield first, last
            first = index
        last = index + 1
    if first is not None and last is not None:
        yield first, last
