"""What filters promise, in each of their three forms."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from gdp.core.errors import GdpError
from gdp.core.interfaces.filters import CombiningFilter, Filter, PairJudge, ScoringFilter
from gdp.core.pairs.records import NotYet, PairBatch, Scores, Verdict, check_scores
from gdp.testing.examples import pairs, part_of
from gdp.testing.findings import DoesNotApplyError, NotConformantError, fail, require, require_plain, require_same
from gdp.testing.other_settings import other_choices
from gdp.testing.subject import Subject

T = TypeVar("T")

_SCORES_MAY_DIFFER = 1e-5
_FIXED_CHUNKS = (
    "judge each pair by itself; networks can be run by gdp.toolbox.in_fixed_chunks, and tolerance=... allows more"
)


def exercise(subject: Subject, judge: PairJudge) -> Any:
    """Judge the world's pairs."""
    return _verdicts(subject, judge, subject.world.pairs)


def _verdicts(subject: Subject, judge: PairJudge, batch: PairBatch) -> Mapping[int, Verdict]:
    match judge:
        case ScoringFilter():
            return judge.decide(_scores(judge, batch))
        case CombiningFilter():
            return judge.decide(_earlier_scores(subject, batch.indices))
        case Filter():
            verdicts = judge.judge(batch)
            mend = "return a list with one gdp.Verdict for each pair, in order"
            require(isinstance(verdicts, list), f"judge returned a {type(verdicts).__name__}", mend)
            require(len(verdicts) == len(batch), f"judge gave {len(verdicts)} verdicts on {len(batch)} pairs", mend)
            return _looked_at(dict(zip(batch.indices, verdicts, strict=True)))
        case _:
            fail(
                f"{type(judge).__name__} is no form of filter",
                "derive from gdp.Filter, ScoringFilter or CombiningFilter",
            )


def _scores(judge: ScoringFilter, batch: PairBatch) -> dict[int, Scores]:
    scores = judge.score(batch)
    mend = "return a list with one mapping of names to numbers, words or None for each pair, in order"
    require(isinstance(scores, list), f"score returned a {type(scores).__name__}", mend)
    require(len(scores) == len(batch), f"score gave {len(scores)} scores on {len(batch)} pairs", mend)
    return _looked_at(dict(zip(batch.indices, scores, strict=True)))


def _looked_at(answers: Mapping[int, T | NotYet]) -> dict[int, T]:
    """Return the answers; the kit's pairs are to be looked at."""
    found: dict[int, T] = {}
    for index, answer in answers.items():
        if isinstance(answer, NotYet):
            fail(
                f"pair {index} was not yet looked at: {answer.reason}", "give settings=... whose budget allows the kit"
            )
        else:
            found[index] = answer
    return found


def _earlier_scores(subject: Subject, indices: Sequence[int]) -> dict[int, Mapping[str, Scores]]:
    scores = subject.world.scores
    if not scores:
        fail(
            "a combining filter was given no scores to combine",
            'give world=replace(examples.latent_world(), scores={0: {"sharpness": {"sharpness": 250.0}}, ...})',
        )
    known = list(scores.values())
    return {index: scores.get(index, known[position % len(known)]) for position, index in enumerate(indices)}


def _measured(subject: Subject, judge: PairJudge, batch: PairBatch) -> Any:
    """Return scores of a scoring filter, else verdicts: what must not depend on the batch."""
    return _scores(judge, batch) if isinstance(judge, ScoringFilter) else _verdicts(subject, judge, batch)


def every_pair_gets_a_verdict(subject: Subject) -> None:
    """Every pair gets one verdict, whose scores can be stored, and whose reason says why where it is not kept."""
    batch = subject.world.pairs
    verdicts = _verdicts(subject, subject.build(), batch)
    require(
        set(verdicts) == set(batch.indices),
        f"there are verdicts on the pairs {sorted(verdicts)}, and {batch.indices} were asked for",
        "decide on exactly the pairs that were given, by their numbers",
    )
    for index, verdict in verdicts.items():
        require(
            isinstance(verdict, Verdict),
            f"pair {index} got {verdict!r}",
            "return gdp.Verdict.keep(), .drop(reason) ...",
        )
        check_scores(verdict.scores)
        require(
            verdict.decision != "unknown" or bool((verdict.reason or "").strip()),
            f"pair {index} is unknown without a reason",
            "say in words what could not be judged: gdp.Verdict.unknown(reason)",
        )


def verdicts_do_not_depend_on_the_batch(subject: Subject) -> None:
    """Pairs judged one by one, or in another order, get what they get together."""
    judge, batch = subject.build(), subject.world.pairs
    if isinstance(judge, CombiningFilter):
        raise DoesNotApplyError("a combining filter sees no batch of pictures")
    tolerance = max(subject.tolerance, _SCORES_MAY_DIFFER)
    together = _measured(subject, judge, batch)
    order = list(range(len(batch)))
    backwards = _measured(subject, judge, part_of(batch, order[::-1]))
    require_same(together, backwards, "backwards, pairs were judged otherwise", _FIXED_CHUNKS, tolerance)
    alone: dict[int, Any] = {}
    for position in order:
        alone |= _measured(subject, judge, part_of(batch, [position]))
    require_same(together, alone, "one by one, pairs were judged otherwise than together", _FIXED_CHUNKS, tolerance)


def two_input_pictures_are_judged_or_refused(subject: Subject) -> None:
    """Pairs whose student sees two pictures (6 channels) are judged, or refused with a readable error."""
    judge = subject.build(input_channels=6)
    batch = pairs(4, subject.world.resolution, source_pictures=2)
    if isinstance(judge, CombiningFilter):
        raise DoesNotApplyError("a combining filter sees no picture")
    try:
        _verdicts(subject, judge, batch)
    except GdpError:
        return
    except (DoesNotApplyError, NotConformantError):
        raise
    except Exception as error:  # noqa: BLE001 # any other error is the finding
        fail(f"on sources of 6 channels it raised {type(error).__name__}: {error}",
             "take source[:, :3] and source[:, 3:] for two pictures, or raise gdp.GdpError")  # fmt: skip


def score_settings_are_settings(subject: Subject) -> None:
    """`score_settings` names settings, so that changing any other one repeats no measurement."""
    judge = _scoring(subject)
    unknown = (judge.score_settings or frozenset()) - set(type(subject.config).model_fields)
    require(not unknown, f"score_settings names {', '.join(sorted(unknown))}", "name fields of the settings model")
    require(isinstance(judge.score_version, int), "score_version is no int", "count it up from 1")
    require_same(judge.fingerprint, subject.build().fingerprint, "two builds have different fingerprints",
                 "hash the model files, nothing else")  # fmt: skip


def scores_depend_on_score_settings_alone(subject: Subject) -> None:
    """No setting but those that `score_settings` names changes a score: else stored ones would be taken for others."""
    judge = _scoring(subject)
    if judge.score_settings is None:
        raise DoesNotApplyError("all its settings count")
    scores = _scores(judge, subject.world.pairs)
    for name, value, choice in other_choices(subject):
        if name in judge.score_settings:
            continue
        try:
            other = subject.build(choice.config)
            found = _scores(other, subject.world.pairs)
        except (GdpError, NotConformantError):  # a value that fits nothing here, or allows it to look at nothing
            continue
        if other.fingerprint == judge.fingerprint:
            words = f"with {name} = {value!r} it measures otherwise, and score_settings does not name that"
            mend = f'add "{name}" to score_settings'
            require_same(scores, found, words, mend, subject.tolerance)


def decisions_are_made_from_stored_scores(subject: Subject) -> None:
    """Scores that were stored and read again, in any order, lead to the same verdicts."""
    judge = _scoring(subject)
    scores = _scores(judge, subject.world.pairs)
    for found in scores.values():
        check_scores(found)
    stored = {int(index): found for index, found in json.loads(json.dumps(scores)).items()}
    first = judge.decide(scores)
    mend = "decide from the scores alone; go through the pairs by number (sorted) where their order matters"
    require_same(first, judge.decide(stored), "stored scores led to other verdicts", mend)
    require_same(first, judge.decide(dict(reversed(stored.items()))), "in another order pairs got other verdicts", mend)
    require_same(first, subject.build().decide(stored), "a filter that measured nothing itself decided otherwise", mend)


def the_stream_gives_every_pair_its_scores(subject: Subject) -> None:
    """`score_stream` gives each pair's scores once, and lets the stop of its batches through with none lost."""
    judge, batch = _scoring(subject), subject.world.pairs
    half = len(batch) // 2
    parts = [part_of(batch, list(range(half))), part_of(batch, list(range(half, len(batch))))]
    mend = "yield {number: scores} of each given pair once; do not catch what `batches` raises"
    tolerance = max(subject.tolerance, _SCORES_MAY_DIFFER)
    streamed = _gather(judge.score_stream(iter(parts)), mend)
    require_same(_scores(judge, batch), streamed, "the stream gave other scores than score", mend, tolerance)
    stopped = subject.build()
    arrived: dict[int, Scores] = {}
    try:
        for found in stopped.score_stream(_stopping(parts[:1])):
            arrived |= _looked_at(found)
        fail("the stop that `batches` raised did not come through score_stream", mend)
    except _StopAskedError:
        paid = bool(subject.forecast(stopped).calls)  # a stop lets no call go out that would cost money
        require(set(arrived) == set(parts[0].indices) or (paid and set(arrived) <= set(parts[0].indices)),
                f"of the pairs {parts[0].indices}, asked for before the stop, {sorted(arrived)} were yielded",
                "let what is in flight arrive, yield it, and then let the exception through")  # fmt: skip


class _StopAskedError(Exception):
    pass


def _stopping(parts: Sequence[PairBatch]) -> Iterator[PairBatch]:
    yield from parts
    raise _StopAskedError


def _gather(stream: Iterator[Mapping[int, Scores | NotYet]], mend: str) -> dict[int, Scores]:
    scores: dict[int, Scores] = {}
    for found in stream:
        twice = set(scores) & set(found)
        require(not twice, f"the stream gave the pairs {sorted(twice)} twice", mend)
        scores |= _looked_at(found)
    return scores


def _scoring(subject: Subject) -> ScoringFilter:
    judge = subject.build()
    if not isinstance(judge, ScoringFilter):
        raise DoesNotApplyError("it is no gdp.ScoringFilter")
    return judge


def the_look_ahead_is_a_line(subject: Subject) -> None:
    """`check` returns a remark of one line, `summary` plain data and `forecast` calls, before anything is judged."""
    judge: PairJudge = subject.build()
    remark = judge.check()
    require(isinstance(remark, str) and "\n" not in remark, f"check returned {remark!r}", "return one line, or ''")
    require_plain(dict(judge.summary()), "summary", "return names with JSON values")
    none, some = judge.forecast(0, 1), judge.forecast(1000, 1)
    numbers = (some.calls, some.seconds_between_calls, some.dollars)
    require(
        all(math.isfinite(number) and number >= 0 for number in numbers) and (none.calls, none.dollars) == (0, 0),
        f"forecast returned {none} for no pairs and {some} for 1000",
        "return gdp.Forecast(calls, seconds_between_calls, dollars), in proportion to the pairs",
    )


PROPERTIES = (
    every_pair_gets_a_verdict,
    verdicts_do_not_depend_on_the_batch,
    two_input_pictures_are_judged_or_refused,
    score_settings_are_settings,
    scores_depend_on_score_settings_alone,
    decisions_are_made_from_stored_scores,
    the_stream_gives_every_pair_its_scores,
    the_look_ahead_is_a_line,
)
