"""Time and size of the student beside one forward of the teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from gdp import (
    Evaluation,
    EvaluationContext,
    Evaluator,
    Headline,
    LatentTeacher,
    Metric,
    Sentence,
    Teacher,
)
from gdp.plugins.evaluators import SpeedConfig
from gdp.toolbox import (
    Timing,
    count_macs,
    count_parameters,
    describe_machine,
    duration,
    percent,
    time_interleaved,
    times,
)

HERE = "both measured in this run on this machine"
TIMES = "\u00a0\u00d7"
STUDENT = "speed.student_ms"
"""The one time of a student, whichever evaluator comes to it first."""
MACS_RATIO, PARAMETERS_RATIO = "size.macs_ratio", "size.parameters_ratio"


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
        if STUDENT in context.measured:
            del timings["student"]  # told once: what the evaluator before this one measured
        for name, timing in timings.items():
            evaluation.metrics.update(self._timing_metrics(name, timing, context))
        evaluation.metrics["speed.threads"] = Metric(
            torch.get_num_threads(), "Threads that torch used for the times above."
        )
        generator = context.student.generator
        evaluation.metrics.update(_size_metrics("student", generator, (source,)))
        if context.teacher is None:
            evaluation.absent["speed.teacher_ms"] = "the recipe has no teacher: the pairs were there before"
        else:
            inputs = context.teacher.example_inputs()
            evaluation.metrics.update(_size_metrics("teacher", context.teacher.module, inputs))
            student = context.measured.get(STUDENT) or evaluation.metrics[STUDENT].value
            evaluation.metrics.update(_against_teacher(student, evaluation.metrics))
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Hold size and time against one forward of the teacher; a slow route is that evaluator's to tell of."""
        parameters, macs = (share_of_teacher(numbers, part) for part in ("parameters", "macs"))
        if parameters is not None and macs is not None:
            yield Sentence(
                f"It has **{percent(parameters)}** of its teacher's parameters and does **{percent(macs)}** of the "
                f"arithmetic of one forward of it.",
                rank=10,
            )
        student, teacher = numbers.get(STUDENT), numbers.get("speed.teacher_ms")
        if student is None:
            return
        text = f"It takes **{duration(student / 1000)}** a picture"
        if student and teacher:
            faster = teacher >= student
            ratio = times(teacher / student if faster else student / teacher)
            text += f", where a forward of the teacher takes {duration(teacher / 1000)}: "
            text += f"it is **{ratio} times {'faster' if faster else 'slower'}**, {HERE}"
        yield Sentence(f"{text}.", rank=20)

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show the time, and the teacher's speed and size for a measure."""
        share = share_of_teacher(numbers, "macs")
        if "speed.ratio" in numbers:  # the time stands beside the slow route's, and the teacher is a part of that
            if share is not None:
                yield Headline(percent(share), "of the arithmetic of the teacher's forward", 15, MACS_RATIO)
            return
        if (ratio := numbers.get("speed.teacher_to_student")) is not None:
            yield Headline(f"{times(ratio)}{TIMES}", "the teacher's speed", 10, "speed.teacher_to_student")
        if (student := numbers.get(STUDENT)) is not None:
            yield Headline(duration(student / 1000), "a picture", 20, STUDENT)
        if (parameters := share_of_teacher(numbers, "parameters")) is not None:
            yield Headline(percent(parameters), "of the teacher's parameters", 30, PARAMETERS_RATIO)
        if share is not None:
            yield Headline(percent(share), "of its arithmetic", 31, MACS_RATIO)

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


def _against_teacher(student_ms: float, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Return how the student's time and size stand to those of one forward of the teacher."""
    sizes = {name: metric.value for name, metric in metrics.items()}
    found = {
        "speed.teacher_to_student": Metric(
            metrics["speed.teacher_ms"].value / student_ms,
            "speed.teacher_ms divided by speed.student_ms: both medians.",
            "times",
            "higher",
        )
    }
    for name, part, words in (
        (MACS_RATIO, "macs", "Multiply-accumulates of one forward of the student divided by those of the teacher"),
        (PARAMETERS_RATIO, "parameters", "Parameters of the student divided by those of the teacher"),
    ):
        if (share := share_of_teacher(sizes, part)) is not None:
            found[name] = Metric(share, f"{words}: size.student.{part} by size.teacher.{part}.", "share", "lower")
    return found


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
