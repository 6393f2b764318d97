"""From pairs to scores, whatever the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

from gdp.core.answers import AnswerBook
from gdp.core.pairs import PairBatch, Score, Scores
from gdp.core.pairs.records import Json
from gdp.plugins.face_services.config import ServiceConfig
from gdp.plugins.face_services.interview import Interview
from gdp.plugins.face_services.service import Service


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
