"""The slow route that the student replaces: project into w by backpropagation, edit, synthesise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gdp import (
    BuildContext,
    Evaluation,
    EvaluationContext,
    Evaluator,
    Headline,
    LatentTeacher,
    Metric,
    PairBatch,
    Projection,
    Sentence,
    SilentProgress,
)
from gdp.plugins.evaluators import SlowRouteConfig
from gdp.plugins.evaluators.held_out import NO_HELD_OUT, absent, picture_row, spread_out
from gdp.plugins.evaluators.similarity import PSNR_PROTOCOL, psnr_db
from gdp.plugins.evaluators.speed import STUDENT, TIMES, timing_metrics
from gdp.plugins.losses import PERCEPTUAL
from gdp.plugins.losses.shift_tolerant import load_distance, measured, st_lpips_protocol
from gdp.toolbox import (
    Group,
    Timing,
    describe_machine,
    duration,
    from_levels,
    reduced,
    reduction,
    time_interleaved,
    time_once,
    times,
    to_levels,
    training_group,
    with_unit,
)

PERCEPTUAL_SIZE = 256
"""Pixels of the shorter side at which ST-LPIPS is measured."""
NO_ST_LPIPS = f"the weights are not installed: {PERCEPTUAL.how_to_install(PERCEPTUAL.modules[0])}"
NAMES = ("quality.slow_route.psnr_db", "speed.slow_route_ms", "speed.ratio")


@dataclass
class _Journey:
    """What is found on the way."""

    route_ms: list[float] = field(default_factory=list)
    student_ms: list[float] = field(default_factory=list)
    edited: list[Tensor] = field(default_factory=list)
    predicted: list[Tensor] = field(default_factory=list)
    projected: list[Projection] = field(default_factory=list)


class SlowRouteEvaluator(Evaluator):
    """Quality, time and arithmetic of the slow route on a few held-out pictures, and how they stand to the student's.

    The student's time is that of an evaluator before it in the recipe, so that a report has but one; else it is taken
    between the pictures.
    """

    config: SlowRouteConfig

    def __init__(self, config: SlowRouteConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._distance = None
        if config.st_lpips != "none" and not PERCEPTUAL.missing_modules():
            self._distance = load_distance(config.st_lpips, PERCEPTUAL_SIZE).to(context.device)

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Send pictures the slow route one at a time."""
        teacher = context.teacher
        if not isinstance(teacher, LatentTeacher):
            return absent(NAMES, "the recipe's teacher has no latents, so there is no slow route through them")
        if not context.held_out:
            return absent(NAMES, NO_HELD_OUT)
        if _edit(context, teacher.map(teacher.sample_z(0, [0]).to(context.device))) is None:
            return absent(NAMES, "the recipe's pair source is no edit of one latent, so there is no slow route")
        pairs = context.load(spread_out(context.held_out, self.config.pictures))
        journey = self._travel(context, teacher, pairs)
        evaluation = self._summarise(context, pairs, journey)
        macs = _route_macs(context, teacher, journey)
        how = "counted in projections of one and of two steps, which differ by a step, forward and backward"
        evaluation.metrics["size.slow_route.macs"] = Metric(
            macs, f"Multiply-accumulates of a picture's projection, edit and synthesis, {how}.", "", "lower"
        )
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Hold the student's time, arithmetic and pictures against the slow route's."""
        slow, ratio = numbers.get("speed.slow_route_ms"), numbers.get("speed.ratio")
        if slow is not None and ratio is not None:
            text = f"The slow route takes {duration(slow / 1000)} a picture, **{times(ratio)} times** as long"
            student, route = (numbers.get(f"size.{whose}.macs") for whose in ("student", "slow_route"))
            if student and route:
                text += f", and {times(route / student)} times the arithmetic"
            yield Sentence(f"{text}.", rank=21)
        route, same = (numbers.get(f"quality.{whose}.psnr_db") for whose in ("slow_route", "student_on_same"))
        if route is not None and same is not None:
            yield Sentence(
                f"On the pictures that also went the slow route, that route gets {with_unit(route, 'dB')} and the "
                f"student {with_unit(same, 'dB')}.",
                rank=40,
            )

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show the ratio of the times, and the student's, from which it comes."""
        if (ratio := numbers.get("speed.ratio")) is not None:
            yield Headline(f"{times(ratio)}{TIMES}", "faster than the slow route", 20, "speed.ratio")
            if (student := numbers.get(STUDENT)) is not None:
                yield Headline(duration(student / 1000), "a picture", 10, STUDENT)

    def take_part(self, context: EvaluationContext) -> list[Projection]:
        """Project the pictures behind the first, each in one of the processes; process 0 returns all."""
        teacher, group = context.teacher, training_group()
        assert isinstance(teacher, LatentTeacher)
        indices = spread_out(context.held_out, self.config.pictures)[1:]
        mine = []
        for index in indices[group.rank :: group.world]:
            photo = _at_teachers_size(context, teacher, index, context.load([index]).source.to(context.device))
            mine.append(teacher.project(photo, self.config.steps, context.progress))
        return _gathered(group, teacher, mine, len(indices))

    def _travel(self, context: EvaluationContext, teacher: LatentTeacher, pairs: PairBatch) -> _Journey:
        """Send each picture by itself. Where several processes share them only the first is timed, while they wait."""
        journey = _Journey()
        with context.progress.task("slow route", len(pairs), "pictures") as task:
            for row in range(len(pairs)):
                source = pairs.source[row : row + 1].to(context.device)
                if row < len(journey.projected):
                    self._finish(context, teacher, journey.projected[row], journey)
                else:
                    self._time_student(context, source, journey)
                    photo = _at_teachers_size(context, teacher, pairs.indices[row], source)
                    go = partial(self._one, context, teacher, photo, journey)
                    journey.route_ms.append(time_once(go, context.device))
                if row == 0:
                    journey.projected += self._shared(context, len(pairs) - 1)
                journey.predicted.append(context.predict(source))
                task.advance()
            self._time_student(context, source, journey)
        return journey

    def _shared(self, context: EvaluationContext, count: int) -> list[Projection]:
        """Let the processes of a run project the pictures behind the first; none where this one is alone."""
        if not count:
            return []
        with context.together():
            return self.take_part(context) if training_group().world > 1 else []

    def _time_student(self, context: EvaluationContext, source: Tensor, journey: _Journey) -> None:
        if STUDENT in context.measured:
            return
        timing = time_interleaved(
            {"student": lambda: context.predict(source)}, self.config.student_repeats, 2, context.device
        )
        journey.student_ms += timing["student"].milliseconds

    def _one(self, context: EvaluationContext, teacher: LatentTeacher, source: Tensor, journey: _Journey) -> None:
        """Go the slow route with one picture (1, 3, R, R) of the teacher's size."""
        journey.projected.append(teacher.project(source, self.config.steps, context.progress))
        self._finish(context, teacher, journey.projected[-1], journey)

    @torch.no_grad()
    def _finish(
        self, context: EvaluationContext, teacher: LatentTeacher, projection: Projection, journey: _Journey
    ) -> None:
        ws = _edit(context, projection.ws.to(context.device))
        assert ws is not None  # asked before the first picture
        journey.edited.append(teacher.synthesize(ws).clamp(-1, 1))

    def _summarise(self, context: EvaluationContext, pairs: PairBatch, journey: _Journey) -> Evaluation:
        source, target = pairs.source.to(context.device), pairs.target.to(context.device)
        size = target.shape[-1]
        edited = torch.cat([reduced(picture, size) for picture in journey.edited])
        predicted = torch.cat(journey.predicted)
        projected = torch.cat(
            [reduced(each.images.to(context.device).clamp(-1, 1), size) for each in journey.projected]
        )
        whole = journey.projected[0].images.shape[-1]
        at = "" if whole == size else f" at {whole} px, compared at {size} px ({reduction(whole, size)})"
        compared = {
            "quality.slow_route.{}": (edited, target, "the slow route's picture to the teacher's target"),
            "quality.slow_route.{}_projection": (projected, source, "the projection, before the edit, to the source"),
            "quality.student_on_same.{}": (predicted, target, "the student to the teacher's target"),
            "quality.student_on_same.{}_unchanged": (source, target, "the unchanged source to the target"),
        }
        evaluation = Evaluation()
        for name, (images, references, words) in compared.items():
            on = f"{words}, on the {len(pairs)} held-out pictures that went the slow route{at}"
            evaluation.metrics |= self._compare(name, images, references, on)
        if self._distance is None and self.config.st_lpips != "none":
            evaluation.absent["quality.slow_route.st_lpips"] = NO_ST_LPIPS
        evaluation.metrics.update(_time_metrics(context, journey))
        for row, index in enumerate(pairs.indices):
            pictures = {"source": source[row], "teacher": target[row], "student": predicted[row]}
            pictures["slow route"] = edited[row]
            evaluation.rows.append(picture_row(f"The slow route / pair {index}", pictures))
        return evaluation

    def _compare(self, name: str, images: Tensor, references: Tensor, on: str) -> dict[str, Metric]:
        """Compare pictures, both (N, 3, R, R) in [-1, 1]; `{}` in the name is where the measure's stands."""
        psnr = float(psnr_db(images, references).mean())
        metrics = {name.format("psnr_db"): Metric(psnr, f"{PSNR_PROTOCOL}; {on}.", "dB", "higher")}
        if self._distance is not None:
            value = float(measured(self._distance, images, references).mean())
            how = st_lpips_protocol(self._distance, str(self.config.st_lpips), *images.shape[2:])
            metrics[name.format("st_lpips")] = Metric(value, f"{how}; {on}.", "", "lower")
        return metrics


def _at_teachers_size(context: EvaluationContext, teacher: LatentTeacher, index: int, source: Tensor) -> Tensor:
    """Return the source of a pair as the slow route is given it: (1, 3, R, R), in 8 bits as photos are."""
    if source.shape[-1] == teacher.resolution:
        return source
    whole = context.pair_source.unreduced([index]).source.to(context.device)
    return from_levels(to_levels(whole))


def _gathered(group: Group, teacher: LatentTeacher, mine: Sequence[Projection], count: int) -> list[Projection]:
    """Return `count` projections, of which picture i was projected by process i modulo their number; of process 0."""
    rounds = -(-count // group.world)

    def of_all(parts: Sequence[Tensor], *shape: int) -> Tensor:
        whole = torch.zeros(1, rounds, *shape)  # on the processor: a process may have none
        for place, part in enumerate(parts):
            whole[0, place] = part[0]
        return group.gather(whole).transpose(0, 1).flatten(0, 1)[:count]

    ws = of_all([each.ws for each in mine], teacher.num_ws, teacher.w_dim)
    images = of_all([each.images for each in mine], 3, teacher.resolution, teacher.resolution)
    if not group.leads:
        return []
    return [Projection(ws[[i]], images[[i]], mine[0].steps, mine[0].distance) for i in range(count)]


def _edit(context: EvaluationContext, ws: Tensor) -> Tensor | None:
    with torch.no_grad():
        return context.pair_source.edit(ws)


def _route_macs(context: EvaluationContext, teacher: LatentTeacher, journey: _Journey) -> int:
    """Return the multiply-accumulates of one picture's slow route; those of short projections tell those of long."""
    picture, steps = journey.edited[0].detach(), journey.projected[0].steps
    one, two = (_macs_of(partial(teacher.project, picture, count, SilentProgress())) for count in (1, 2))

    @torch.no_grad()
    def edit_and_synthesise() -> object:
        edited = _edit(context, journey.projected[0].ws)
        return None if edited is None else teacher.synthesize(edited)

    return one + (steps - 1) * (two - one) + _macs_of(edit_and_synthesise)


def _macs_of(work: Callable[[], object]) -> int:
    """Count the multiply-accumulates of convolutions and matrix products, forward and backward, of what is done."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops()) // 2


def _time_metrics(context: EvaluationContext, journey: _Journey) -> dict[str, Metric]:
    route, projection = Timing(journey.route_ms), journey.projected[0]
    machine = describe_machine(context.device)
    timed, others = len(journey.route_ms), len(journey.projected) - len(journey.route_ms)
    shared = f" (several processes shared the other {others}, which were not timed)" if others else ""
    how = (
        f"{timed} picture{'s' if timed > 1 else ''}, one at a time{shared}: projection ({projection.steps} steps; "
        f"{projection.distance}), edit, synthesis; {machine}"
    )
    beside = (
        f"{len(journey.student_ms)} runs as deployed, one picture at a time at {context.pair_source.resolution} px, "
        f"taken before each slow picture that is timed and after the last; {machine}"
    )
    own = timing_metrics("student", Timing(journey.student_ms), beside) if journey.student_ms else {}
    student = own[STUDENT].value if own else context.measured[STUDENT]
    return {
        **own,
        "speed.slow_route_ms": Metric(route.median, f"Median time of a picture: {how}.", "ms", "lower"),
        "speed.slow_route_ms_fastest": Metric(min(route.milliseconds), f"Fastest picture: {how}.", "ms"),
        "speed.slow_route_ms_slowest": Metric(max(route.milliseconds), f"Slowest picture: {how}.", "ms"),
        "speed.ratio": Metric(
            route.median / student,
            "speed.slow_route_ms divided by speed.student_ms: both medians, measured in one process on one machine.",
            "times",
            "higher",
        ),
        "speed.slow_route_steps": Metric(projection.steps, "Optimisation steps of one projection.", "steps"),
    }
