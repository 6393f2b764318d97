"""What pair sources promise: pair number i is determined by the recipe's seed and i."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import PairBatch
from gdp.testing.findings import (
    DoesNotApplyError,
    require,
    require_pictures,
    require_plain,
    require_same,
    require_tensor,
)
from gdp.testing.subject import SEED, Subject

_FAR = 100_000
_MEND = (
    "make each pair from context.seed and its number alone; networks in chunks: gdp.support.batching.in_fixed_chunks"
)


def exercise(subject: Subject, source: PairSource) -> Any:
    """Make the first pairs."""
    return source.fingerprint, source.make(_numbers(source))


def _numbers(source: PairSource) -> list[int]:
    return list(range(4 if source.count is None else min(4, source.count)))


def the_pairs_are_pictures(subject: Subject) -> None:
    """Sources and targets are float32 in [-1, 1] and of the size and channels that it tells."""
    source: PairSource = subject.build()
    side, channels = source.resolution, source.input_channels
    require(
        channels in (3, 6), f"input_channels is {channels!r}", "3 for each input picture, of which there are 1 or 2"
    )
    require(
        source.count is None or source.count > 0, f"count is {source.count}", "raise gdp.GdpError if there is nothing"
    )
    numbers = _numbers(source) + ([_FAR] if source.count is None else [])
    made = source.make(numbers)
    require(isinstance(made, PairBatch), f"make returned a {type(made).__name__}", "return a gdp.PairBatch")
    require(made.indices == numbers, f"asked for the pairs {numbers}, it made {made.indices}", "make those, in order")
    require_pictures(made.source, (len(numbers), channels, side, side), "the source")
    require_pictures(made.target, (len(numbers), 3, side, side), "the target")


def a_pair_does_not_depend_on_the_batch(subject: Subject) -> None:
    """A pair is the same, to the bit, alone, together and in another order, and when a run goes on in a new process."""
    source: PairSource = subject.build()
    numbers = _numbers(source)
    together = source.make(numbers)
    backwards = source.make(numbers[::-1])
    for words, pictures, others in (
        ("source", together.source, backwards.source),
        ("target", together.target, backwards.target),
    ):
        require_same(pictures, others.flip(0), f"backwards, a {words} came out otherwise", _MEND, subject.tolerance)
    again: PairSource = subject.build()
    alone = [again.make([number]) for number in numbers[1:]]
    for position, pair in enumerate(alone, start=1):
        first = PairBatch(
            pair.indices, together.source[[position]], together.target[[position]], [together.records[position]]
        )
        require_same(first, pair, f"pair {numbers[position]} alone came out otherwise", _MEND, subject.tolerance)


def the_record_tells_where_a_pair_comes_from(subject: Subject) -> None:
    """A pair's record has the recipe's seed and the teacher's hash, and can be stored."""
    source: PairSource = subject.build()
    teacher = subject.world.teacher
    for record in source.make(_numbers(source)).records:
        require(
            record.seed == SEED, f"pair {record.index} has the seed {record.seed}, not the recipe's", "use context.seed"
        )
        known = ("",) if teacher is None else ("", teacher.fingerprint)
        require(record.teacher in known, f"pair {record.index} names the teacher {record.teacher!r}",
                "give the record context.teacher.fingerprint")  # fmt: skip
        for name, data in (("edit", record.edit), ("extra", record.extra)):
            require_plain(
                data,
                f"`{name}` of the record of pair {record.index}",
                "put JSON values: lists, no tuples",
                comes_back=True,
            )


def the_fingerprint_is_stable(subject: Subject) -> None:
    """The fingerprint of the files that the settings name is the same for every build."""
    first, second = subject.build().fingerprint, subject.build().fingerprint
    require(isinstance(first, str), f"the fingerprint is {first!r}", "return text, '' where no file is read")
    require_same(
        first, second, "two builds have different fingerprints", "hash the files' bytes, no times and no paths"
    )


def the_forecast_is_of_calls(subject: Subject) -> None:
    """`forecast` tells calls, their rate and their price, in proportion to the pairs, before any is made."""
    source: PairSource = subject.build()
    none, some = source.forecast(0), source.forecast(1000)
    numbers = (some.calls, some.seconds_between_calls, some.dollars)
    require(
        all(math.isfinite(number) and number >= 0 for number in numbers) and (none.calls, none.dollars) == (0, 0),
        f"forecast returned {none} for no pairs and {some} for 1000",
        "return gdp.Forecast(calls, seconds_between_calls, dollars), in proportion to the pairs",
    )


def held_out_pairs_are_told_by_name(subject: Subject) -> None:
    """`held_out` says of each name yes or no, or leaves it all to the recipe."""
    source: PairSource = subject.build()
    names: Sequence[str | None] = [record.name for record in source.make(_numbers(source)).records]
    answer = source.held_out(names)
    if answer is None:
        raise DoesNotApplyError("it leaves the choice to the recipe")
    require(len(answer) == len(names) and all(isinstance(one, bool) for one in answer),
            f"of {len(names)} names held_out said {list(answer)!r}", "return one bool for each name")  # fmt: skip


def live_targets_fit_their_sources(subject: Subject) -> None:
    """With `live`, `teach` makes targets of any crop, without gradient, always the same ones."""
    source: PairSource = subject.build()
    if not source.live:
        raise DoesNotApplyError("its targets are stored")
    given = source.make(_numbers(source)).source.flip(3)
    with torch.no_grad():
        target = require_pictures(source.teach(given), (len(given), 3, *given.shape[2:]), "teach(source)")
        require_same(target, source.teach(given), "teach gave another target the second time", "draw nothing at random")


def unpaired_pictures_are_uint8(subject: Subject) -> None:
    """Unpaired pictures of the target's domain come as uint8, by number."""
    source: PairSource = subject.build()
    unpaired = source.unpaired
    if unpaired is None:
        raise DoesNotApplyError("it has no unpaired pictures")
    numbers = list(range(min(3, unpaired.count)))
    require(unpaired.count > 0, "there are 0 unpaired pictures", "let unpaired be None where there are none")
    shape = (len(numbers), 3, source.resolution, source.resolution)
    images = require_tensor(unpaired.load_uint8(numbers), shape, "load_uint8", dtype=torch.uint8)
    require_same(images.flip(0), unpaired.load_uint8(numbers[::-1]), "in another order they differ", "load by number")


def the_edit_keeps_the_shape(subject: Subject) -> None:
    """`edit` moves ws to ws of the same shape, the same way every time, and leaves its argument alone."""
    source: PairSource = subject.build()
    teacher = subject.world.teacher
    if not isinstance(teacher, LatentTeacher):
        raise DoesNotApplyError("the teacher has no latents")
    ws = teacher.map(teacher.sample_z(SEED, range(2)))
    before = ws.clone()
    edited = source.edit(ws)
    if edited is None:
        raise DoesNotApplyError("it is no edit of one latent")
    require_tensor(edited, tuple(ws.shape), "edit(ws)")
    require_same(before, ws, "edit changed its argument", "work on a clone")
    require_same(edited, source.edit(ws), "edit gave something else the second time", "draw nothing at random")


PROPERTIES = (
    the_pairs_are_pictures,
    a_pair_does_not_depend_on_the_batch,
    the_record_tells_where_a_pair_comes_from,
    the_fingerprint_is_stable,
    the_forecast_is_of_calls,
    held_out_pairs_are_told_by_name,
    live_targets_fit_their_sources,
    unpaired_pictures_are_uint8,
    the_edit_keeps_the_shape,
)
