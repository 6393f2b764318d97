"""Pieces of work handed out to the workers of an executor, each done once, whatever becomes of a worker."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gdp.core import errors
from gdp.core.building import name_of, plugin_errors
from gdp.core.errors import GdpError, PluginError, WorkersError
from gdp.core.progress import ProgressTask, Stopped
from gdp.support.interfaces.executors import Doing, Executor, Work, Worker, WorkerLostError

PATIENCE = 600.0
"""Seconds without a word after which a worker counts as hanging, where the user says nothing."""
ATTEMPTS = 5
"""At one piece, before it is taken for what ends the workers."""
_POLL = 0.2
"""Seconds between two looks at whether a stop was asked for, or a worker hangs."""


@dataclass(frozen=True)
class _Failed:
    """What a worker tells of an error: pickling the error itself might fail."""

    kind: str
    text: str

    def raised(self) -> Exception:
        kind = getattr(errors, self.kind, None)
        if isinstance(kind, type) and issubclass(kind, GdpError) and kind is not errors.RecipeError:
            return kind(self.text)
        return GdpError(self.text) if self.kind else RuntimeError(f"a worker failed:\n{self.text}")


@dataclass(frozen=True)
class _Word:
    """What a worker tells, with what says whether it is what comes next."""

    place: int
    """Of its piece among all."""
    attempt: int
    number: int
    """Among those of this attempt, from 0."""
    said: Any


class _Sign(Enum):
    """What a worker tells of itself, beside what its work says."""

    OPENED = "it is ready to work"
    ALL_TOLD = "all of its piece is told"


@dataclass(frozen=True)
class _Guarded:
    """A work whose errors are told instead of raised."""

    work: Work

    def __call__(self, number: int) -> Doing:
        doing: Doing | None = None

        def told(placed: tuple[int, Any], attempt: int) -> Iterator[_Word]:
            place, piece = placed
            for words, said in enumerate(said_of(piece, attempt)):
                yield _Word(place, attempt, words, said)

        def said_of(piece: Any, attempt: int) -> Iterator[Any]:
            nonlocal doing
            try:
                if doing is None:  # not before: what goes wrong with it is told as of a piece
                    doing = self.work(number)
                    yield _Sign.OPENED
                yield from doing(piece, attempt)
                yield _Sign.ALL_TOLD
            except GdpError as error:
                yield _Failed(type(error).__name__, str(error))
            except Exception:  # noqa: BLE001 # told in the process that asked for it
                yield _Failed("", traceback.format_exc())

        return told


@dataclass
class _Hand:
    """A worker, and what it has in hand."""

    number: int
    worker: Worker | None = None
    piece: Any = None
    place: int = -1
    """Of the piece among all; below 0 for none."""
    attempt: int = 0
    words: int = 0
    """That were told of the piece in this attempt."""
    is_all_told: bool = False
    last_word: float = 0.0
    is_open: bool = False
    """Whether its worker is ready to work: to import and load all that it needs may take longer than a piece."""


@dataclass
class Dispatcher:
    """The workers of an executor, kept from one set of pieces to the next until `rest` or `close`.

    Attributes:
        executor: that starts them.
        work: what each of them opens.
        tell: told in a line of each worker that was lost.
        stop_requested: True ends the work; pieces in hand are given up.
        patience: seconds without a word after which a worker is replaced.
    """

    executor: Executor
    work: Work
    tell: Callable[[str], None]
    stop_requested: Callable[[], bool]
    patience: float = PATIENCE
    lost: int = 0
    """Workers that were replaced so far."""
    _hands: list[_Hand] = field(default_factory=list)
    _settled: set[int] = field(default_factory=set)

    def do(
        self, pieces: Iterable[Any], name: Callable[[Any], str], task: ProgressTask | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Let the workers do pieces, begun in order, and yield what they tell, each with its piece's place.

        What a lost worker had in hand is begun anew by another, so that of such a piece the same may be told twice.

        Args:
            pieces: each is pickled; taken one by one, when a worker is free.
            name: what errors call a piece, such as `pairs 64 to 127`.
            task: shows how many of the workers are at work, as soon as that changes.

        Raises:
            Stopped: the user asked to stop.
            GdpError: a worker tells of an error.
            WorkersError: a piece has ended as many workers as it may.
            PluginError: the executor fails, or loses, repeats or mixes up what its workers tell.
        """
        rest, again = enumerate(pieces), deque[tuple[int, Any, int]]()
        self._settled.clear()
        if not self._hands:
            self._hands = [_Hand(number) for number in range(self.executor.workers)]
        shown: Mapping[str, float | str] = {}
        try:
            while self._give(rest, again, name):
                if self.stop_requested():
                    raise Stopped
                status = self.status()
                if task is not None and status != shown:
                    task.advance(0, **status)
                    shown = status
                yield from self._listen(again, name)
        except BaseException:  # whoever asked is gone, too: what is in hand would be told to the next
            self.rest()
            raise

    def status(self) -> Mapping[str, float | str]:
        """Return what is to be shown of the workers: how many of how many are at work, and how many were lost."""
        ready = sum(hand.is_open for hand in self._hands)
        return {"workers": f"{ready}/{self.executor.workers}", **({"lost": self.lost} if self.lost else {})}

    def settle(self, place: int) -> None:
        """Take all that matters of a piece for told: it is not begun again if its worker is lost before it says so."""
        self._settled.add(place)

    def rest(self) -> None:
        """End all workers, and with them what they hold; `do` starts them again."""
        hands, self._hands = self._hands, []
        with ExitStack() as stack:  # of which every one is called, whatever one raises
            for hand in hands:
                if hand.worker is not None:
                    stack.callback(self._end, hand.worker)

    def close(self) -> None:
        """End all workers and let go of the executor."""
        self.rest()
        self.executor.close()

    def _give(
        self, rest: Iterator[tuple[int, Any]], again: deque[tuple[int, Any, int]], name: Callable[[Any], str]
    ) -> bool:
        """Give every free worker a piece, those of lost workers first; say whether anything is left."""
        for hand in self._hands:
            if hand.place < 0:
                hand.place, hand.piece, hand.attempt = again.popleft() if again else (*next(rest, (-1, None)), 1)
                if hand.place >= 0:
                    self._begin(hand, again, name)
        return bool(again) or any(hand.place >= 0 for hand in self._hands)

    def _begin(self, hand: _Hand, again: deque[tuple[int, Any, int]], name: Callable[[Any], str]) -> None:
        if hand.worker is None:
            hand.worker = self.executor.start(_Guarded(self.work), hand.number)
        hand.last_word, hand.words, hand.is_all_told = time.monotonic(), 0, False
        try:
            with self._blamed():
                hand.worker.begin((hand.place, hand.piece), hand.attempt)
        except WorkerLostError as lost:
            self._replace(hand, again, name, f"was lost ({lost})")

    def _listen(self, again: deque[tuple[int, Any, int]], name: Callable[[Any], str]) -> Iterator[tuple[int, Any]]:
        busy = {id(hand.worker): hand for hand in self._hands if hand.worker is not None and hand.place >= 0}
        workers = [hand.worker for hand in busy.values() if hand.worker is not None]
        for worker in self.executor.ready(workers, _POLL):
            hand = busy[id(worker)]
            hand.last_word, hand.is_open = time.monotonic(), True
            try:
                with self._blamed():
                    word = worker.told()
            except StopIteration:
                self._require(hand.is_all_told, f"takes {name(hand.piece)} for done before all of it is told")
                hand.place, hand.piece = -1, None
            except WorkerLostError as lost:
                self._replace(hand, again, name, f"was lost ({lost})")
            else:
                told = self._next_said(hand, word, name)
                if isinstance(told, _Failed):
                    raise told.raised()
                hand.is_all_told = told is _Sign.ALL_TOLD
                if not isinstance(told, _Sign):
                    yield hand.place, told
        for hand in busy.values():
            patience = self.patience if hand.is_open else max(PATIENCE, self.patience)
            if hand.place >= 0 and time.monotonic() - hand.last_word > patience:
                self._replace(hand, again, name, f"has said nothing for {patience:g} s")

    def _next_said(self, hand: _Hand, word: Any, name: Callable[[Any], str]) -> Any:
        """Return what a word says that is the next of what a worker has in hand."""
        expected = (hand.place, hand.attempt, hand.words)
        is_next = isinstance(word, _Word) and (word.place, word.attempt, word.number) == expected
        self._require(is_next, f"hands over something else than what a worker told next of {name(hand.piece)}")
        hand.words += 1
        return word.said

    def _end(self, worker: Worker) -> None:
        with self._blamed():
            worker.end()

    def _blamed(self) -> AbstractContextManager[None]:
        """Name the executor in what its workers raise, but for what they are to raise."""
        return plugin_errors(name_of(self.executor), (StopIteration, WorkerLostError))

    def _require(self, good: bool, otherwise: str) -> None:
        if not good:
            wrong = PluginError(
                f"{otherwise}. This is a fault of the plugin: tell its author. What was stored before is kept, and "
                f"--executor processes goes on from there."
            )
            wrong.blame(name_of(self.executor))
            raise wrong

    def _replace(self, hand: _Hand, again: deque[tuple[int, Any, int]], name: Callable[[Any], str], why: str) -> None:
        assert hand.worker is not None
        self._end(hand.worker)
        what = name(hand.piece)
        if hand.attempt >= ATTEMPTS:
            raise WorkersError(
                f"{what} ended {ATTEMPTS} workers; the last one {why}. What was done before is kept. If nobody ended "
                f"them, the memory may be full: take fewer --workers, or lower --memory; a worker that is slow rather "
                f"than dead wants a longer --patience."
            )
        self.lost += 1
        if hand.place in self._settled:
            self.tell(f"worker {hand.number + 1} {why}: another takes its place (it was done with {what})")
        else:
            self.tell(f"worker {hand.number + 1} {why}: another takes its place and begins again with {what}")
            again.append((hand.place, hand.piece, hand.attempt + 1))
        hand.worker, hand.is_open, hand.place, hand.piece = None, False, -1, None
