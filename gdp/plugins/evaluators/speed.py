"""Time and size of the student beside the teacher's.

The slow route that the student replaces: project into w by backpropagation, edit, synthesise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

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
    Teacher,
)
from gdp.plugins.evaluators import SlowRouteConfig, SpeedConfig
from gdp.plugins.evaluators.held_out import NO_HELD_OUT, absent, picture_row, spread_out, stands_in_for_teacher
from gdp.plugins.evaluators.similarity import PSNR_PROTOCOL, psnr_db
from gdp.plugins.losses import PERCEPTUAL
from gdp.plugins.losses.shift_tolerant import load_distance, measured, st_lpips_protocol
from gdp.toolbox import (
    Timing,
    count_macs,
    count_parameters,
    describe_machine,
    duration,
    from_levels,
    percent,
    reduced,
    reduction,
    time_interleaved,
    time_once,
    times,
    to_levels,
    with_unit,
)

HERE = "both measured in this run on this machine"
TIMES = "\u00a0\u00d7"


class SpeedEvaluator(Evaluator):
    """Median times of one picture at a time, taken in turns; parameters, MACs and size of the weights."""

    config: SpeedConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Measure student and teacher in turns."""
        source = example_source(context)
        works: dict[str, Callable[[], object]] = {"student": lambda: context.predict(source)}
        if context.teacher is not None:
            works["teacher"] = _teacher_forward(context.teacher)
        with context.progress.task("speed", 1, "measurements") as task:
            timings = time_interleaved(works, self.config.repeats, self.config.warmup, context.device)
            task.advance()
        evaluation = Evaluation()
        if context.teacher is None:
            evaluation.absent["speed.teacher_ms"] = "the recipe has no teacher: the pairs were there before"
        else:
            evaluation.metrics["speed.teacher_to_student"] = Metric(
                timings["teacher"].median / timings["student"].median,
                "speed.teacher_ms divided by speed.student_ms: both medians, measured in turns.",
                "times",
                "higher",
            )
        for name, timing in timings.items():
            evaluation.metrics.update(self._timing_metrics(name, timing, context))
        evaluation.metrics["speed.threads"] = Metric(
            torch.get_num_threads(), "Threads that torch used for the times above."
        )
        generator = context.student.generator
        evaluation.metrics.update(_size_metrics("student", generator, (source,)))
        if context.teacher is not None:
            evaluation.metrics.update(
                _size_metrics("teacher", context.teacher.module, context.teacher.example_inputs())
            )
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Hold size and time against the teacher's; the time against a slow route is that evaluator's to tell."""
        stands_in = stands_in_for_teacher(numbers)
        parameters, macs = (share_of_teacher(numbers, part) for part in ("parameters", "macs"))
        if stands_in and parameters is not None and macs is not None:
            yield Sentence(
                f"It has **{percent(parameters)}** of its teacher's parameters and does {percent(macs)} of its "
                f"arithmetic.",
                rank=10,
            )
        student, teacher = numbers.get("speed.student_ms"), numbers.get("speed.teacher_ms")
        if student is None or "speed.ratio" in numbers:
            return
        text = f"It takes **{duration(student / 1000)}** a picture"
        if student and teacher and stands_in:
            faster = teacher >= student
            ratio = times(teacher / student if faster else student / teacher)
            text += f", where the teacher takes {duration(teacher / 1000)}: "
            text += f"it is **{ratio} times {'faster' if faster else 'slower'}**, {HERE}"
        yield Sentence(f"{text}.", rank=20)

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show the time, and the teacher's speed and size for a measure."""
        if "speed.ratio" in numbers:
            return
        if (ratio := numbers.get("speed.teacher_to_student")) is not None:
            yield Headline(f"{times(ratio)}{TIMES}", "the teacher's speed", rank=10)
        if (student := numbers.get("speed.student_ms")) is not None:
            yield Headline(duration(student / 1000), "a picture", rank=20)
        if (share := share_of_teacher(numbers, "parameters")) is not None and stands_in_for_teacher(numbers):
            yield Headline(percent(share), "of the teacher's parameters", rank=30)

    def _timing_metrics(self, name: str, timing: Timing, context: EvaluationContext) -> dict[str, Metric]:
        what = {
            "student": "the student as deployed (the recipe's precision)",
            "teacher": "one forward of the teacher's network (latent to picture, or picture to picture) in float32",
        }[name]
        size = context.pair_source.resolution
        if name == "teacher" and isinstance(context.teacher, LatentTeacher):
            size = context.teacher.resolution
        protocol = (
            f"{what[0].upper()}{what[1:]}, one picture at a time at {size} px, "
            f"{self.config.repeats} runs in turns with the others after {self.config.warmup} unmeasured; "
            f"{describe_machine(context.device)}"
        )
        return timing_metrics(name, timing, protocol)


def timing_metrics(name: str, timing: Timing, protocol: str) -> dict[str, Metric]:
    """Return `speed.NAME_ms`, the median in milliseconds, and its 10th and 90th percentile.

    Args:
        name: of what was timed.
        timing: its times.
        protocol: how they were taken, without a full stop.
    """
    low, high = timing.spread
    return {
        f"speed.{name}_ms": Metric(timing.median, f"Median: {protocol}.", "ms", "lower"),
        f"speed.{name}_ms_p10": Metric(low, f"10th percentile: {protocol}.", "ms"),
        f"speed.{name}_ms_p90": Metric(high, f"90th percentile: {protocol}.", "ms"),
    }


def share_of_teacher(numbers: Mapping[str, float], part: str) -> float | None:
    """Return how big the student is, in `parameters` or `macs`, as a share of the teacher."""
    student, teacher = (numbers.get(f"size.{whose}.{part}") for whose in ("student", "teacher"))
    return student / teacher if student is not None and teacher else None


def example_source(context: EvaluationContext) -> Tensor:
    """Return one source picture (1, C, H, W): the first held-out one, or a grey one where none was held out."""
    if context.held_out:
        return context.load(context.held_out[:1]).source.to(context.device)
    size = context.pair_source.resolution
    return torch.zeros(1, context.pair_source.input_channels, size, size, device=context.device)


def _teacher_forward(teacher: Teacher) -> Callable[[], object]:
    """Return one forward of the network itself: the teacher's methods may fill up batches so as to be repeatable."""
    inputs = teacher.example_inputs()

    @torch.no_grad()
    def forward() -> object:
        return teacher.module(*inputs)

    return forward


def _size_metrics(name: str, module: nn.Module, inputs: tuple[object, ...]) -> dict[str, Metric]:
    size = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    return {
        f"size.{name}.parameters": Metric(
            count_parameters(module), f"Parameters of the {name}'s generator.", "", "lower"
        ),
        f"size.{name}.macs": Metric(
            count_macs(module, *inputs),
            f"Multiply-accumulates of one forward of the {name} for one picture.",
            "",
            "lower",
        ),
        f"size.{name}.bytes": Metric(size, f"Bytes of the {name}'s weights and buffers in memory.", "bytes", "lower"),
    }


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
    """Quality and time of the slow route on a few held-out pictures, and the measured ratio to the student."""

    config: SlowRouteConfig

    def __init__(self, config: SlowRouteConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        network = None if PERCEPTUAL.missing_modules() else config.st_lpips
        self._distance = None if network is None else load_distance(network, PERCEPTUAL_SIZE).to(context.device)

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

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Hold the student's time and pictures against the slow route's."""
        student, slow, ratio = _beside(numbers), numbers.get("speed.slow_route_ms"), numbers.get("speed.ratio")
        if student is not None and slow is not None and ratio is not None:
            yield Sentence(
                f"It takes **{duration(student / 1000)}** a picture, where the slow route takes "
                f"{duration(slow / 1000)}: it is **{times(ratio)} times faster**, {HERE}.",
                rank=20,
            )
        route, same = (numbers.get(f"quality.{whose}.psnr_db") for whose in ("slow_route", "student_on_same"))
        if route is not None and same is not None:
            yield Sentence(
                f"On the pictures that also went the slow route, that route gets {with_unit(route, 'dB')} and the "
                f"student {with_unit(same, 'dB')}.",
                rank=40,
            )

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show the ratio of the times, and the time from which it comes."""
        if (ratio := numbers.get("speed.ratio")) is not None:
            yield Headline(f"{times(ratio)}{TIMES}", "faster than the slow route", rank=10)
            if (student := _beside(numbers)) is not None:
                yield Headline(duration(student / 1000), "a picture", rank=20)

    def _travel(self, context: EvaluationContext, teacher: LatentTeacher, pairs: PairBatch) -> _Journey:
        journey = _Journey()
        with context.progress.task("slow route", len(pairs), "pictures") as task:
            for row in range(len(pairs)):
                source = pairs.source[row : row + 1].to(context.device)
                self._time_student(context, source, journey)
                photo = _at_teachers_size(context, teacher, pairs.indices[row], source)
                go = partial(self._one, context, teacher, photo, journey)
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
        """Go the slow route with one picture (1, 3, R, R) of the teacher's size."""
        projection = teacher.project(source, self.config.steps, context.progress)
        with torch.no_grad():
            ws = _edit(context, projection.ws)
            assert ws is not None  # asked before the first picture
            journey.edited.append(teacher.synthesize(ws).clamp(-1, 1))
        journey.projected.append(projection)

    def _summarise(self, context: EvaluationContext, pairs: PairBatch, journey: _Journey) -> Evaluation:
        source, target = pairs.source.to(context.device), pairs.target.to(context.device)
        size = target.shape[-1]
        edited = torch.cat([reduced(picture, size) for picture in journey.edited])
        predicted = torch.cat(journey.predicted)
        projected = torch.cat([reduced(projection.images.clamp(-1, 1), size) for projection in journey.projected])
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
        if self._distance is None and self.config.st_lpips is not None:
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


def _beside(numbers: Mapping[str, float]) -> float | None:
    """Return the student's time in ms, that from which the ratio comes where it is there, so that they fit together."""
    return numbers.get("speed.student_ms_beside_slow_route", numbers.get("speed.student_ms"))


def _at_teachers_size(context: EvaluationContext, teacher: LatentTeacher, index: int, source: Tensor) -> Tensor:
    """Return the source of a pair as the slow route is given it: (1, 3, R, R), in 8 bits as photos are."""
    if source.shape[-1] == teacher.resolution:
        return source
    whole = context.pair_source.unreduced([index]).source.to(context.device)
    return from_levels(to_levels(whole))


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
