"""Asks a service about the pictures of pairs, many at once, and tells of each pair as soon as all is known of it.

From pairs to scores, whatever the service.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from gdp.core.answers import AnswerBook
from gdp.core.ledger import Ledger
from gdp.core.pairs.records import Json, PairBatch, Score, Scores
from gdp.support.services.asking import Asker, HaltedError, SpentError
from gdp.support.services.pictures import Picture, pictures
from gdp.support.services.service import Service
from gdp.support.services.settings import ServiceConfig

_LEAST_ROOM = 64
"""Pictures that wait their turn, at least, so that reading pairs never holds the calls up."""

Answers = dict[str, Json]
"""Answers on one pair by the picture's name: source, target, source2."""


class Interview:
    """One pass over pairs; what is in memory does not grow with their number."""

    def __init__(self, service: Service, settings: ServiceConfig, ledger: Ledger) -> None:
        self._asker = Asker(service, settings, ledger)
        self._service = service
        self._settings = settings
        self._ledger = ledger
        self._room = max(_LEAST_ROOM, 4 * settings.connections)
        self._arrived: queue.SimpleQueue[tuple[str, Json | BaseException]] = queue.SimpleQueue()
        self._asked: dict[str, list[tuple[int, str]]] = {}
        """By a picture's hash, the pairs and names of the pictures that wait for the answer."""
        self._missing: dict[int, int] = {}
        """How many answers a pair still waits for."""
        self._known: dict[int, Answers] = {}
        self._trouble: BaseException | None = None

    def run(self, batches: Iterable[PairBatch]) -> Generator[Mapping[int, Answers], None, None]:
        """Yield the answers on pairs, by number, as they are complete.

        Raises:
            GdpError: the budget is spent, or the service cannot be asked; or what `batches` raises. Before, whatever
                was under way has arrived and was yielded.
        """
        # More threads than connections: while some encode a picture or note an answer, no connection stands idle.
        threads = self._settings.connections + max(2, self._settings.connections // 4)
        with ThreadPoolExecutor(threads, "paid-service") as pool:
            try:
                for pairs in self._until_trouble(batches):
                    self._submit(pairs, pool)
                    yield from self._complete()
                    while len(self._asked) >= self._room:
                        self._collect()
                        yield from self._complete()
                while self._asked:
                    self._collect()
                    yield from self._complete()
            finally:
                self._asker.halt()
        if isinstance(self._trouble, SpentError):
            raise self._asker.budget_error()
        if self._trouble is not None:
            raise self._trouble

    def _until_trouble(self, batches: Iterable[PairBatch]) -> Iterator[PairBatch]:
        feed = iter(batches)
        while self._trouble is None:
            try:
                pairs = next(feed)
            except StopIteration:
                return
            except BaseException as error:  # noqa: BLE001 # `run` raises it after what is under way arrived
                self._stop(error)
                return
            yield pairs

    def _submit(self, pairs: PairBatch, pool: ThreadPoolExecutor) -> None:
        """Look the pictures up in the book, and put those that are not there to the threads."""
        wanted: dict[str, Picture] = {}
        owners: list[tuple[int, str, str]] = []
        for index, shown in pictures(pairs, self._settings.of, self._settings.enlarge_to):
            self._missing[index], self._known[index] = len(shown), {}
            for name, picture in shown.items():
                wanted[picture.sha256] = picture
                owners.append((index, name, picture.sha256))
        unasked = [sha256 for sha256 in wanted if sha256 not in self._asked]
        found = self._ledger.find(self._asker.questions, unasked)
        if found:
            self._ledger.note_reused(self._service.name, len(found))
        for index, name, sha256 in owners:
            if sha256 in found:
                self._note(index, name, found[sha256])
            else:
                self._asked.setdefault(sha256, []).append((index, name))
        for sha256 in unasked:
            if sha256 not in found:
                pool.submit(self._ask, wanted[sha256], sha256)

    def _ask(self, picture: Picture, sha256: str) -> None:
        try:
            self._arrived.put((sha256, self._asker.answer(picture, sha256)))
        except BaseException as error:  # noqa: BLE001 # handed to the thread that called, which raises it
            self._arrived.put((sha256, error))

    def _collect(self) -> None:
        """Wait for an answer, and take all that are there."""
        arrived = [self._arrived.get()]
        with suppress(queue.Empty):
            while True:
                arrived.append(self._arrived.get_nowait())
        for sha256, answer in arrived:
            owners = self._asked.pop(sha256)
            if isinstance(answer, BaseException):
                if not isinstance(answer, HaltedError):
                    self._stop(answer)
                continue
            for index, name in owners:
                self._note(index, name, answer)

    def _note(self, index: int, name: str, answer: Json) -> None:
        self._known[index][name] = answer
        self._missing[index] -= 1

    def _complete(self) -> Iterator[Mapping[int, Answers]]:
        complete = [index for index, missing in self._missing.items() if missing == 0]
        if complete:
            for index in complete:
                del self._missing[index]
            yield {index: self._known.pop(index) for index in complete}

    def _stop(self, error: BaseException) -> None:
        self._asker.halt()
        if self._trouble is None:
            self._trouble = error


def scores_of_pairs(
    service: Service,
    settings: ServiceConfig,
    book: AnswerBook,
    batches: Iterable[PairBatch],
    measure: Callable[[Json], Mapping[str, Score]],
) -> Iterator[Mapping[int, Scores]]:
    """Ask about all pairs and yield their scores, each named after its picture: `source_faces`, `target_faces`.

    Raises:
        GdpError: see `Interview.run`.
    """
    with (
        closing(service),
        book.opened() as ledger,
        closing(Interview(service, settings, ledger).run(batches)) as interview,
    ):
        for answered in interview:
            yield {
                index: {
                    f"{name}_{score}": value
                    for name, answer in answers.items()
                    for score, value in measure(answer).items()
                }
                for index, answers in answered.items()
            }


def in_order(stream: Iterable[Mapping[int, Scores]], indices: Sequence[int]) -> list[Scores]:
    """Return the scores of all pairs of a stream in the order of these numbers."""
    found = {index: scores for part in stream for index, scores in part.items()}
    return [found[index] for index in indices]
