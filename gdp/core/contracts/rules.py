"""The contracts of core's kinds: for each interface and member, what an answer has to be."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gdp.core.contracts.asking import (
    Asked,
    Rule,
    WrongAnswerError,
    a,
    a_number,
    channels,
    check_pictures,
    json_figures,
    line,
    maybe,
    network,
    require,
    several,
    shown,
    text,
    yes_or_no,
)
from gdp.core.errors import PairStoreError, is_text
from gdp.core.interfaces.datasets import PictureKind
from gdp.core.interfaces.evaluators import Evaluation, Headline, Metric, PictureRow, Sentence
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.interfaces.losses import Watched
from gdp.core.interfaces.students import Opposite, TrainingPhase
from gdp.core.interfaces.teachers import Teacher
from gdp.core.pairs.records import NotYet, PairBatch, Verdict, check_scores


def _levels(answer: Any, asked: Asked) -> Any:
    """Pictures of a dataset: (N, 3, R, R) uint8; the numbers are the last argument."""
    import torch

    side, count = asked.plugin.resolution, len(asked.arguments[-1])
    good = isinstance(answer, torch.Tensor) and answer.dtype == torch.uint8
    if not (good and tuple(answer.shape) == (count, 3, side, side)):
        raise WrongAnswerError(f"must return uint8 pictures ({count}, 3, {side}, {side}), and returned {shown(answer)}")
    return answer


def _dataset_latents(answer: Any, asked: Asked) -> Any:
    import torch

    count = len(asked.arguments[0])
    good = isinstance(answer, torch.Tensor) and answer.is_floating_point() and answer.ndim == 2
    if not (good and len(answer) == count and bool(answer.isfinite().all())):
        raise WrongAnswerError(f"must return finite floats ({count}, any), and returned {shown(answer)}")
    return answer


def _synthesized(answer: Any, asked: Asked) -> Any:
    """Pictures of a latent teacher; their values are looked at once."""
    side = asked.plugin.resolution
    _check_once(answer, (len(asked.arguments[0]), 3, side, side), asked)
    return answer


def _translated(answer: Any, asked: Asked) -> Any:
    """Pictures of the size of those that a teacher or a pair source was given."""
    given = asked.arguments[0]
    _check_once(answer, (len(given), 3, *given.shape[2:]), asked)
    return answer


def _generated(answer: Any, asked: Asked) -> Any:
    """What a student makes of sources, the last argument; how good it is, is no question of a contract."""
    import torch

    source = asked.arguments[-1]
    good = isinstance(answer, torch.Tensor) and answer.is_floating_point() and answer.ndim == 4
    if not (good and tuple(answer.shape) == (len(source), 3, *source.shape[2:])):
        due = ", ".join(map(str, source.shape[2:]))
        raise WrongAnswerError(f"must return floats ({len(source)}, 3, {due}), and returned {shown(answer)}")
    return answer


def _shows(answer: Any, asked: Asked) -> Any:
    """What pictures show, in short lines."""
    if not isinstance(answer, PictureKind):
        raise WrongAnswerError(f"must be a gdp.PictureKind, or None, and is {shown(answer)}")
    for said in (answer.words, answer.one, answer.frame, answer.aligner):
        if said != "":
            line(said, asked)
    return answer


def _trained(answer: Any, asked: Asked) -> Any:
    """The file that a teacher's training has left in its folder, the third argument."""
    folder = asked.arguments[2]
    good = isinstance(answer, Path) and answer.is_relative_to(folder) and answer.is_file()
    if not good:
        raise WrongAnswerError(f"must return the file of the weights, below {folder}, and returned {shown(answer)}")
    return answer


def _check_once(answer: Any, shape: Sequence[int | None], asked: Asked) -> None:
    import torch

    if asked.first or not isinstance(answer, torch.Tensor):
        check_pictures(answer, shape, "what it returns")
        return
    fits = answer.ndim == 4 and all(due in (None, is_) for due, is_ in zip(shape, answer.shape, strict=True))
    if not fits:
        raise WrongAnswerError(f"must return pictures {tuple(shape)}, and returned {shown(answer)}")


def _mapped(answer: Any, asked: Asked) -> Any:
    import torch

    shape = (len(asked.arguments[0]), asked.plugin.num_ws, asked.plugin.w_dim)
    good = isinstance(answer, torch.Tensor) and answer.is_floating_point() and tuple(answer.shape) == shape
    if not good:
        raise WrongAnswerError(f"must return floats {shape}, and returned {shown(answer)}")
    return answer


# ------------------------------------------------------------------ pairs and verdicts


def _pairs(answer: Any, asked: Asked) -> Any:
    wanted = list(asked.arguments[0])
    if not isinstance(answer, PairBatch):
        raise WrongAnswerError(f"must return a gdp.PairBatch, and returned {shown(answer)}")
    require(list(answer.indices) == wanted, f"was asked for pairs {str(wanted[:4])[:-1]}, ...] and made others")
    side = asked.plugin.resolution if asked.member == "make" else None
    names = [f"pair {index}" for index in wanted]
    colours = asked.plugin.input_channels
    check_pictures(answer.source, (len(wanted), colours, side, side), "the source", names)
    check_pictures(answer.target, (len(wanted), 3, side, side), "the target", names)
    for record in answer.records:
        try:
            json.dumps([record.edit, record.extra], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise WrongAnswerError(
                f"says of pair {record.index} what JSON cannot hold (its record's edit or extra): {error}"
            ) from error
        if not (record.name is None or isinstance(record.name, str)):
            raise WrongAnswerError(f"names pair {record.index} {shown(record.name)}; a name is text or None")
        if not is_text(record.name or ""):
            raise WrongAnswerError(
                f"names pair {record.index} {shown(record.name)}, which is the name of a file that is not UTF-8 text; "
                f"os.fsencode(name).decode(errors='backslashreplace') is text"
            )
    return answer


def _held_out(answer: Any, asked: Asked) -> Any:
    count = len(asked.arguments[0])
    good = isinstance(answer, Sequence) and len(answer) == count and all(isinstance(each, bool) for each in answer)
    if not good:
        raise WrongAnswerError(
            f"must return True or False for each of {count} pairs, or None, and returned {shown(answer)}"
        )
    return answer


def _verdict(verdict: Any, name: object) -> None:
    if not isinstance(verdict, Verdict | NotYet):
        raise WrongAnswerError(f"must give a gdp.Verdict, and gave {shown(verdict)} on pair {name}")
    if not (verdict.reason is None or isinstance(verdict.reason, str)):
        raise WrongAnswerError(f"gave {shown(verdict.reason)} as the reason on pair {name}; a reason is text")


def _verdicts(answer: Any, asked: Asked) -> Any:
    batch = asked.arguments[0]
    if not isinstance(answer, Sequence):
        raise WrongAnswerError(f"must return a list of gdp.Verdict, and returned {shown(answer)}")
    require(len(answer) == len(batch), f"gave {len(answer)} verdicts on {len(batch)} pairs")
    for index, verdict in zip(batch.indices, answer, strict=True):
        _verdict(verdict, index)
    return answer


def _scores_of(scores: Any, index: object) -> None:
    named = isinstance(scores, Mapping) and all(isinstance(name, str) for name in scores)
    if not named:
        raise WrongAnswerError(f"must give scores by name, and gave {shown(scores)} on pair {index}")
    try:
        check_scores(scores)
    except PairStoreError as error:
        raise WrongAnswerError(f"was wrong on pair {index}: {error}") from error


def _scores(answer: Any, asked: Asked) -> Any:
    batch = asked.arguments[0]
    if not isinstance(answer, Sequence):
        raise WrongAnswerError(f"must return a list of scores by name, and returned {shown(answer)}")
    require(len(answer) == len(batch), f"gave scores of {len(answer)} pairs where {len(batch)} were asked")
    for index, scores in zip(batch.indices, answer, strict=True):
        _scores_of(scores, index)
    return answer


def _score_stream(answer: Any, asked: Asked) -> Any:
    try:
        stream = iter(answer)
    except TypeError as error:
        raise WrongAnswerError(f"must yield scores by pair, and returned {shown(answer)}") from error

    def checked() -> Iterator[Any]:
        for found in stream:
            if not isinstance(found, Mapping):
                raise WrongAnswerError(f"must yield scores by pair, and yielded {shown(found)}")
            for index, scores in found.items():
                _scores_of(scores, index)
            yield found

    return checked()


def _decided(answer: Any, asked: Asked) -> Any:
    wanted = asked.arguments[0].keys()
    if not isinstance(answer, Mapping):
        raise WrongAnswerError(f"must return a verdict by pair, and returned {shown(answer)}")
    lacking = sorted(wanted - answer.keys())
    require(
        not lacking, f"decided on {len(answer)} pairs where {len(wanted)} were asked: pair {lacking[:1]} is lacking"
    )
    require(answer.keys() == wanted, f"decided on {len(answer)} pairs where {len(wanted)} were asked")
    for index, verdict in answer.items():
        _verdict(verdict, index)
    return answer


def _score_settings(answer: Any, asked: Asked) -> Any:
    known = type(asked.plugin.config).model_fields.keys()
    require(
        not isinstance(answer, str) and answer <= known,
        f"names {', '.join(sorted(set(answer) - known))}, which is none of its settings",
    )
    return answer


# ------------------------------------------------------------------ training and measuring


def _phases(answer: Any, asked: Asked) -> Any:
    good = isinstance(answer, Sequence) and len(answer) > 0
    if not (good and all(isinstance(phase, TrainingPhase) for phase in answer)):
        raise WrongAnswerError(f"must be a list of gdp.TrainingPhase, and is {shown(answer)}")
    whole = math.fsum(phase.fraction for phase in answer)
    require(math.isclose(whole, 1, abs_tol=1e-6), f"must have shares that sum to 1, and they sum to {whole:.4g}")
    return answer


def _discriminated(answer: Any, asked: Asked) -> Any:
    import torch

    good = isinstance(answer, Sequence) and len(answer) > 0
    for scale in answer if good else ():
        good = good and isinstance(scale, Sequence) and len(scale) > 0 and isinstance(scale[-1], torch.Tensor)
    if not good:
        raise WrongAnswerError(
            f"must return for each scale a list of feature maps, the logits last, and returned {shown(answer)}"
        )
    return answer


def _term(answer: Any, asked: Asked) -> Any:
    """A term of the objective: a scalar, with a gradient where the generator learns."""
    import torch

    good = isinstance(answer, torch.Tensor) and answer.is_floating_point() and answer.numel() == 1
    if not good:
        raise WrongAnswerError(f"must return a scalar tensor, and returned {shown(answer)}")
    step = asked.arguments[0]
    learns = torch.is_grad_enabled() and vars(step).get("prediction", answer).requires_grad
    looks_at_it = asked.member == "generator" and "prediction" in vars(step)
    require(
        answer.requires_grad or not (learns and looks_at_it),
        "returned a number that has no gradient (detached, or made anew), so nothing can be learnt from it",
    )
    return answer.reshape(())


def _evaluation(answer: Any, asked: Asked) -> Any:
    if not isinstance(answer, Evaluation):
        raise WrongAnswerError(f"must return a gdp.Evaluation, and returned {shown(answer)}")
    for name, metric in answer.metrics.items():
        if not (isinstance(name, str) and bool(name)):
            raise WrongAnswerError(f"gave a number the name {shown(name)}; a name is dotted words")
        if not isinstance(metric, Metric):
            raise WrongAnswerError(f"gave {name} as {shown(metric)}; a number is a gdp.Metric")
        value: object = metric.value
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise WrongAnswerError(
                f"measured {name} as {shown(value)}; it must be a number: convert tensors with float()"
            )
        texts = (metric.protocol, metric.unit, metric.better, metric.judge)
        good = all(isinstance(text, str) for text in texts)
        require(good, f"gave {name} a protocol, unit, better or judge that is no text")
        parents = [other for other in answer.metrics if other != name and name.startswith(f"{other}.")]
        require(not parents, f"gave {parents[:1]} a number and {name}, which stands below it, another")
    good = all(isinstance(name, str) and isinstance(reason, str) for name, reason in answer.absent.items())
    require(good, "gave a reason for an absent number that is no text")
    for row in answer.rows:
        _row(row)
    return answer


def _row(row: Any) -> None:
    import torch

    if not isinstance(row, PictureRow):
        raise WrongAnswerError(f"gave {shown(row)} as a row of pictures; a row is a gdp.PictureRow")
    for column, picture in row.pictures.items():
        good = isinstance(picture, torch.Tensor) and picture.ndim == 3 and len(picture) == 3
        good = good and (picture.dtype == torch.uint8 or picture.is_floating_point())
        what = f"gave the row {row.title!r:.60} a picture {column!r:.40}"
        if not good:
            raise WrongAnswerError(f"{what} that is {shown(picture)}; it must be (3, H, W), floats in [-1, 1] or uint8")
        require(picture.dtype == torch.uint8 or bool(picture.isfinite().all()), f"{what} with NaN or infinite values")


_forecast = a(Forecast, "a gdp.Forecast")

RULES: Mapping[str, Mapping[str, Rule]] = {
    "PairSource": {
        "count": a_number(0, "a number of pairs, or None for any", or_none=True),
        "input_channels": channels,
        "resolution": a_number(1, "a number of pixels"),
        "fingerprint": text,
        "shows": maybe(_shows),
        "check": text,
        "make": _pairs,
        "unreduced": _pairs,
        "forecast": _forecast,
        "held_out": maybe(_held_out),
        "live": yes_or_no,
        "teach": _translated,
    },
    "PairJudge": {"check": text, "forecast": _forecast, "summary": json_figures},
    "Filter": {"judge": _verdicts},
    "ScoringFilter": {
        "score_settings": maybe(_score_settings),
        "fingerprint": text,
        "score": _scores,
        "score_stream": _score_stream,
        "decide": _decided,
    },
    "CombiningFilter": {"decide": _decided},
    "Teacher": {
        "fingerprint": text,
        "resolution": a_number(1, "a number of pixels"),
        "module": network,
        "discriminator": maybe(network),
        "example_inputs": a(tuple, "a tuple of arguments"),
        "weights_licence": maybe(line),
        "shows": maybe(_shows),
        "weight_files": several((str, Path), "the files that hold the weights"),
        "train": _trained,
        "trained_settings": a(Mapping, "settings by name"),
        "untrained": a(Teacher, "a gdp.Teacher"),
    },
    "LatentTeacher": {
        "z_dim": a_number(1, "a number"),
        "w_dim": a_number(1, "a number"),
        "num_ws": a_number(1, "a number"),
        "map": _mapped,
        "synthesize": _synthesized,
    },
    "TranslatorTeacher": {"translate": _translated, "opposite": maybe(network)},
    "Student": {
        "generator": network,
        "discriminator": maybe(network),
        "discriminate": _discriminated,
        "opposite": maybe(a(Opposite, "a gdp.Opposite, or None")),
        "discriminate_opposite": _discriminated,
        "initialise": json_figures,
        "phases": _phases,
        "generate_in_phase": _generated,
        "phase_downscale": a_number(1, "a whole number from 1 on"),
    },
    "Loss": {
        "watch": a(Watched, "a gdp.Watched"),
        "fit": maybe(network),
        "generator": _term,
        "discriminator": maybe(_term),
    },
    "Evaluator": {
        "evaluate": _evaluation,
        "sentences": several(Sentence, "gdp.Sentence"),
        "headlines": several(Headline, "gdp.Headline"),
    },
    "Dataset": {
        "__len__": a_number(0, "a number of pictures"),
        "resolution": a_number(1, "a number of pixels"),
        "images": _levels,
        "shows": maybe(_shows),
        "latents": maybe(_dataset_latents),
    },
    "UnpairedDataset": {
        "resolution": a_number(1, "a number of pixels"),
        "fingerprint": text,
        "count": a_number(0, "a number of pictures"),
        "images": _levels,
        "name": text,
        "truth": maybe(_levels),
        "shows": maybe(_shows),
    },
    "Stage": {"key": json_figures, "execute": json_figures, "is_there": yes_or_no, "applies": yes_or_no},
}
"""The rules of core's kinds, by interface and member; what tools ask of theirs they check where they ask."""
