"""What several evaluators do with held-out pairs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence

from torch import Tensor

from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, PictureRow
from gdp.core.pairs.records import PairBatch

NO_HELD_OUT = (
    "no pair was held out: raise pairs.held_out or pairs.count, or let the filters keep more pairs, and run again"
)


def absent(names: Iterable[str], reason: str) -> Evaluation:
    """Say that none of these numbers could be measured, and why."""
    return Evaluation(absent=dict.fromkeys(names, reason))


def batches(context: EvaluationContext, title: str, indices: Sequence[int], size: int) -> Iterator[PairBatch]:
    """Load pairs in batches, telling the progress."""
    with context.progress.task(title, len(indices), "pairs") as task:
        for start in range(0, len(indices), size):
            pairs = context.load(indices[start : start + size])
            yield pairs
            task.advance(len(pairs))


def add_rows(
    evaluation: Evaluation, indices: Sequence[int], shown: Container[int], titles: Sequence[str], **columns: Tensor
) -> None:
    """Add a row of the report for each pair that is shown.

    Args:
        evaluation: gets the rows.
        indices: the pairs of a batch.
        shown: those to show.
        titles: the row's title for each pair of the batch.
        columns: column to pictures (N, 3, H, W) in [-1, 1], in the order to be shown in.
    """
    for row, index in enumerate(indices):
        if index in shown:
            pictures = {name: images[row].cpu() for name, images in columns.items()}
            evaluation.rows.append(PictureRow(titles[row], pictures))


def unchanged(source: Tensor) -> Tensor:
    """Return what a student that does nothing returns: the (first) source picture, (N, 3, H, W)."""
    return source[:, :3]


def source_pictures(source: Tensor) -> dict[str, Tensor]:
    """Return the report's columns for one source (C, H, W): `source`, or `source 1` and `source 2`."""
    if source.shape[0] == 3:
        return {"source": source}
    return {f"source {part // 3 + 1}": source[part : part + 3] for part in range(0, source.shape[0], 3)}


def spread_out(indices: Sequence[int], count: int) -> list[int]:
    """Choose `count` of the indices evenly, in order; all where there are fewer."""
    if len(indices) <= count:
        return list(indices)
    return [indices[position * len(indices) // count] for position in range(count)]
