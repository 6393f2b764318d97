"""The slow route that the student replaces: project into w by backpropagation, edit, synthesise."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Metric, PictureRow
from gdp.core.interfaces.teachers import LatentTeacher, Projection
from gdp.core.pairs.records import PairBatch
from gdp.plugins.evaluators.config import SlowRouteConfig
from gdp.plugins.evaluators.pairs import NO_HELD_OUT, absent, spread_out
from gdp.plugins.evaluators.similarity import PSNR_PROTOCOL, psnr_db
from gdp.support.timing import Timing, describe_machine, time_interleaved, time_once

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
    """Quality and time of the slow route on a few held-out pictures, and the measured ratio to the student."""

    config: SlowRouteConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Send pictures the slow route one at a time, timing the student before each of them and after the last."""
        teacher = context.teacher
        if not isinstance(teacher, LatentTeacher):
            return absent(NAMES, "the recipe's teacher has no latents, so there is no slow route through them")
        if not context.held_out:
            return absent(NAMES, NO_HELD_OUT)
        if _edit(context, teacher.map(teacher.sample_z(0, [0]).to(context.device))) is None:
            return absent(NAMES, "the recipe's pair source is no edit of one latent, so there is no slow route")
        pairs = context.load(spread_out(context.held_out, self.config.pictures))
        journey = self._travel(context, teacher, pairs)
        return self._summarise(context, pairs, journey)

    def _travel(self, context: EvaluationContext, teacher: LatentTeacher, pairs: PairBatch) -> _Journey:
        journey = _Journey()
        with context.progress.task("slow route", len(pairs), "pictures") as task:
            for row in range(len(pairs)):
                source = pairs.source[row : row + 1].to(context.device)
                self._time_student(context, source, journey)
                go = partial(self._one, context, teacher, source, journey)
                journey.route_ms.append(time_once(go, context.device))
                journey.predicted.append(context.predict(source))
                task.advance()
            self._time_student(context, source, journey)
        return journey

    def _time_student(self, context: EvaluationContext, source: Tensor, journey: _Journey) -> None:
        timing = time_interleaved(
            {"student": lambda: context.predict(source)}, self.config.student_repeats, 2, context.device
        )
        journey.student_ms += timing["student"].milliseconds

    def _one(self, context: EvaluationContext, teacher: LatentTeacher, source: Tensor, journey: _Journey) -> None:
        """Go the slow route with one picture (1, 3, R, R)."""
        projection = teacher.project(source, self.config.steps, context.progress)
        with torch.no_grad():
            ws = _edit(context, projection.ws)
            assert ws is not None  # asked before the first picture
            journey.edited.append(teacher.synthesize(ws).clamp(-1, 1))
        journey.projected.append(projection)

    def _summarise(self, context: EvaluationContext, pairs: PairBatch, journey: _Journey) -> Evaluation:
        source, target = pairs.source.to(context.device), pairs.target.to(context.device)
        edited, predicted = torch.cat(journey.edited), torch.cat(journey.predicted)
        projected = torch.cat([projection.images for projection in journey.projected]).clamp(-1, 1)
        psnr = {
            "quality.slow_route.psnr_db": (psnr_db(edited, target), "the slow route's picture to the teacher's target"),
            "quality.slow_route.psnr_db_projection": (
                psnr_db(projected, source),
                "the projection, before the edit, to the source",
            ),
            "quality.student_on_same.psnr_db": (psnr_db(predicted, target), "the student to the teacher's target"),
            "quality.student_on_same.psnr_db_unchanged": (
                psnr_db(source, target),
                "the unchanged source to the target",
            ),
        }
        evaluation = Evaluation()
        for name, (values, words) in psnr.items():
            protocol = f"{PSNR_PROTOCOL}; {words}, on the {len(pairs)} held-out pictures that went the slow route."
            evaluation.metrics[name] = Metric(float(values.mean()), protocol, "dB", "higher")
        evaluation.metrics.update(_time_metrics(context, journey))
        for row, index in enumerate(pairs.indices):
            pictures = {"source": source[row], "teacher": target[row], "student": predicted[row]}
            pictures["slow route"] = edited[row]
            shown = {name: picture.cpu() for name, picture in pictures.items()}
            evaluation.rows.append(PictureRow(f"The slow route / pair {index}", shown))
        return evaluation


def _edit(context: EvaluationContext, ws: Tensor) -> Tensor | None:
    with torch.no_grad():
        return context.pair_source.edit(ws)


def _time_metrics(context: EvaluationContext, journey: _Journey) -> dict[str, Metric]:
    route, student, projection = Timing(journey.route_ms), Timing(journey.student_ms), journey.projected[0]
    machine = describe_machine(context.device)
    how = (
        f"{len(journey.route_ms)} pictures, one at a time: projection ({projection.steps} steps; "
        f"{projection.distance}), edit, synthesis; {machine}"
    )
    beside = f"{len(journey.student_ms)} runs as deployed, taken before each slow picture and after the last; {machine}"
    return {
        "speed.slow_route_ms": Metric(route.median, f"Median time of a picture: {how}.", "ms", "lower"),
        "speed.slow_route_ms_fastest": Metric(min(route.milliseconds), f"Fastest picture: {how}.", "ms"),
        "speed.slow_route_ms_slowest": Metric(max(route.milliseconds), f"Slowest picture: {how}.", "ms"),
        "speed.student_ms_beside_slow_route": Metric(student.median, f"Median: {beside}.", "ms", "lower"),
        "speed.ratio": Metric(
            route.median / student.median,
            "speed.slow_route_ms divided by speed.student_ms_beside_slow_route: both medians, measured in turns in one "
            "process on one machine.",
            "times",
            "higher",
        ),
        "speed.slow_route_steps": Metric(projection.steps, "Optimisation steps of one projection.", "steps"),
    }
