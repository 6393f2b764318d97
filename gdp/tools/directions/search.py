"""Finding directions: draw samples, let a filter score them, ask the method, hold others still, and measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gdp.core.errors import PluginError, ShapeError
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.pairs.records import Json
from gdp.core.progress import Progress
from gdp.support.directions import Direction, chosen_layers, hold_by_effects, measure_scale, normalised
from gdp.support.interfaces.directions import DirectionMethod, DirectionSearch, FoundDirection
from gdp.tools.directions.border import BORDER_SCORES
from gdp.tools.directions.samples import (
    Effects,
    Sampling,
    ScoredSamples,
    deviations_of,
    draw_samples,
    mean_scores,
    measure_effects,
)

MEASURED_FROM = 1_000_000
"""Samples from this number on are measured on; those below have found the direction."""
ALL = "all"
REFINED_FROM = 2_000_000
"""Samples from this number on tell, while others are held still, what the directions do so far."""


@dataclass(frozen=True)
class SearchSettings:
    """What to look for, and on how many samples."""

    labels: tuple[str, ...] = ()
    """Names of scores; for each a direction along which it grows and the others stay. None for methods without."""
    hold: tuple[str, ...] = ()
    """Names of scores that are to stay as they are; `ALL` among them stands for every other one that is measured."""
    hold_border: bool = True
    """Whether the border's mean colours are to stay, too: what lies behind and beside what is changed."""
    name: str = ""
    """What the direction is called; empty for the label's or the method's name. For one direction alone."""
    samples: int = 5000
    """How many a method finds it from; one that looks at none gets none."""
    sampling: Sampling = field(default_factory=Sampling)
    layers: tuple[int, ...] | None = None
    """Numbers of the w's that the direction is made for; None for all."""
    components: int = 10
    """How many directions methods without labels return."""
    refine: int = 2
    """How often the held scores' measured change is taken out; 0 leaves it at the method's own orthogonalisation."""
    measured: int = 200
    """Other samples on which effects are measured, for refining and in the end; 0 measures nothing."""


@dataclass(frozen=True)
class Tools:
    """Who takes part in a search."""

    teacher: LatentTeacher
    method: DirectionMethod
    judge: ScoringFilter | None
    method_name: str
    filter_name: str
    progress: Progress


@dataclass(frozen=True)
class Finding:
    """A direction, and what it does."""

    direction: Direction
    effects: Effects | None
    """None where there is no filter, or nothing was to be measured."""


def find_directions(tools: Tools, settings: SearchSettings, samples: ScoredSamples | None = None) -> list[Finding]:
    """Find a direction for each label, or several without labels, and measure what they do.

    Args:
        tools: teacher, method and filter.
        settings: what to look for.
        samples: drawn and scored samples, where there are some already; None draws them.

    Raises:
        ShapeError: a name that is no score, a score that hardly varies, too few samples, or a wrong layer.
        PluginError: the method or the filter cannot do what is asked.
    """
    _check(tools, settings)
    chosen_layers(settings.layers, tools.teacher.num_ws, settings.name or tools.method_name)
    labelled = tools.method.labelled
    if samples is None:
        _require_samples(tools, settings.samples)
        judge = tools.judge if labelled or settings.measured else None
        # What a direction does is counted in the spread of the samples' scores, so a filter needs them in any case.
        count = settings.samples if tools.method.sampled or judge is not None else 0
        samples = draw_samples(tools.teacher, judge, settings.sampling, count, tools.progress)
    found = _labelled(tools, settings, samples) if labelled else _unlabelled(tools, settings, samples)
    return [_measured(tools, settings, samples, direction) for direction in found]


def _check(tools: Tools, settings: SearchSettings) -> None:
    labels, hold = settings.labels, settings.hold
    if not tools.method.labelled and (labels or hold):
        raise PluginError(f"direction method {tools.method_name} needs no labels; leave --label and --hold out")
    if tools.method.labelled and (tools.judge is None or not labels):
        raise PluginError(
            f"direction method {tools.method_name} finds a direction from a filter's scores: name the filter with "
            "--filter NAME and one of the scores that it measures with --label SCORE"
        )
    if both := set(labels) & set(hold):
        raise ShapeError(f"{', '.join(sorted(both))} cannot both grow (--label) and stay (--hold)")


def _require_samples(tools: Tools, samples: int) -> None:
    """Refuse fewer samples than the method needs, before drawing and judging them takes hours and perhaps money."""
    width = tools.teacher.w_dim
    fewest = tools.method.fewest_samples(width) if tools.method.sampled else 0
    if samples < fewest:
        left_out = "; those that the filter drops do not count" if tools.method.labelled else ""
        raise ShapeError(
            f"{samples} samples are too few for a direction of {width} numbers: direction method {tools.method_name} "
            f"needs {fewest}{left_out}. {5 * fewest} are better (--samples)."
        )


def _labelled(tools: Tools, settings: SearchSettings, samples: ScoredSamples) -> list[Direction]:
    names = (*settings.labels, *_held(settings, samples))
    known = _known(samples, names)
    # The border's colours are projected out of every direction; what the filter's own scores do is measured, too, and
    # mixing directions that leave the border alone leaves it alone, so that no filter is asked about it.
    asked = [name for name in names if name not in BORDER_SCORES or name in settings.labels]
    found = [_ask(tools, settings, known, name, [other for other in names if other != name]) for name in asked]
    vectors, leaks = torch.stack([each.vector for each in found]), torch.empty(0, len(asked))
    if len(asked) > 1 and settings.refine and settings.measured:
        vectors, leaks = _refined(tools, settings, vectors, asked, deviations_of(samples.scores))
    directions = []
    for number, label in enumerate(settings.labels):
        facts: dict[str, Json] = {
            "label": label,
            "held": [name for name in names if name != label],
            "leaks": [round(float(leak), 4) for leak in leaks[:, number]],
            **found[number].facts,
        }
        name = settings.name if settings.name and len(settings.labels) == 1 else label.removeprefix("source_")
        directions.append(_direction(tools, settings, name, vectors[number], len(known.w), facts))
    return directions


def _held(settings: SearchSettings, samples: ScoredSamples) -> tuple[str, ...]:
    """Return the names of the scores that stay beside the labels' own."""
    varying = deviations_of(samples.scores)
    named = [name for name in settings.hold if name != ALL]
    if ALL in settings.hold:
        whole = [name for name in varying if not samples.scores[name].isnan().any()]
        named += [name for name in whole if name not in BORDER_SCORES]
    if settings.hold_border:
        named += [name for name in BORDER_SCORES if name in varying]
    return tuple(name for name in dict.fromkeys(named) if name not in settings.labels)


def _unlabelled(tools: Tools, settings: SearchSettings, samples: ScoredSamples) -> list[Direction]:
    w = samples.w if tools.method.sampled else samples.w[:0]
    search = DirectionSearch(w, tools.teacher, layers=settings.layers, components=settings.components)
    name = settings.name or tools.method_name
    return [
        _direction(tools, settings, f"{name}-{number}", found.vector, len(w), {"component": number, **found.facts})
        for number, found in enumerate(tools.method.find(search), 1)
    ]


def _known(samples: ScoredSamples, names: Sequence[str]) -> ScoredSamples:
    """Keep the samples of which all these scores are known; each score is standardised."""
    scores = {name: samples.standardised(name) for name in names}
    known = ~torch.stack(list(scores.values())).isnan().any(dim=0)
    return ScoredSamples(samples.w[known], {name: score[known] for name, score in scores.items()})


def _ask(
    tools: Tools, settings: SearchSettings, samples: ScoredSamples, label: str, hold: Sequence[str]
) -> FoundDirection:
    """Let the method find the direction of a score with others held."""
    held = {name: samples.scores[name] for name in hold}
    search = DirectionSearch(samples.w, tools.teacher, samples.scores[label], held, settings.layers)
    (found,) = tools.method.find(search)
    return found


def _refined(
    tools: Tools,
    settings: SearchSettings,
    vectors: Tensor,
    names: Sequence[str],
    deviations: dict[str, float],
) -> tuple[Tensor, Tensor]:
    """Hold each other's scores by what the directions `vectors` (K, w_dim) are measured to do."""
    teacher, judge = tools.teacher, tools.judge
    assert judge is not None
    ws = settings.sampling.ws(teacher, range(REFINED_FROM, REFINED_FROM + settings.measured))
    layers = chosen_layers(settings.layers, teacher.num_ws, names[0])
    spread = teacher.map(teacher.sample_z(0, range(4096)))[:, 0].cpu().double()

    def unit(moves: Tensor) -> Tensor:
        directions = moves / moves.norm(dim=1, keepdim=True)
        deviations_along: Tensor = (spread @ directions.T).std(dim=0)
        return torch.mul(directions, deviations_along[:, None])

    def effects(moves: Tensor) -> Tensor:
        rows = []
        with tools.progress.task("holding others", 2 * len(moves) * len(ws), "pictures") as task:
            for move in moves:
                there = torch.zeros(teacher.num_ws, teacher.w_dim)
                there[layers] = move.float()
                high, low = (mean_scores(teacher, judge, ws, step, task.advance)[0] for step in (there, -there))
                rows.append([(high[name] - low[name]) / 2 / deviations[name] for name in names])
        return torch.tensor(rows, dtype=torch.float64)

    return hold_by_effects(unit(vectors), effects, unit, settings.refine)


def _direction(
    tools: Tools, settings: SearchSettings, name: str, vector: Tensor, samples: int, facts: dict[str, Json]
) -> Direction:
    try:
        vectors = normalised(vector[None])
    except ValueError as error:
        raise ShapeError(f"direction method {tools.method_name} found no direction for {name}: {error}") from error
    found: dict[str, Json] = {
        "method": tools.method_name,
        "method_settings": tools.method.config.model_dump(mode="json"),
        **({"filter": tools.filter_name} if tools.method.labelled else {}),
        **(_drawn(settings, samples) if tools.method.sampled else {}),
        **facts,
    }
    scale = measure_scale(tools.teacher, vectors)
    return Direction(name, vectors, scale, settings.layers, tools.teacher.fingerprint, found)


def _drawn(settings: SearchSettings, samples: int) -> dict[str, Json]:
    """Tell how samples were drawn, and how many served."""
    return {"samples": samples, "seed": settings.sampling.seed, "truncation": settings.sampling.truncation}


def _measured(tools: Tools, settings: SearchSettings, samples: ScoredSamples, direction: Direction) -> Finding:
    if tools.judge is None or not settings.measured:
        return Finding(direction, None)
    ws = measuring_ws(tools.teacher, settings)
    deviations = deviations_of(samples.scores)
    effects = measure_effects(tools.teacher, tools.judge, direction, ws, deviations, tools.progress)
    told: dict[str, Json] = {
        "filter": tools.filter_name,
        "seed": settings.sampling.seed,
        "truncation": settings.sampling.truncation,
        **effects.to_data(),
    }
    return Finding(replace(direction, found={**direction.found, "effects": told}), effects)


def measuring_ws(teacher: LatentTeacher, settings: SearchSettings) -> Tensor:
    """Return the ws (N, num_ws, w_dim) of the samples on which effects are measured."""
    return settings.sampling.ws(teacher, range(MEASURED_FROM, MEASURED_FROM + max(1, settings.measured)))
