"""Time and size of the student beside the teacher's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Metric
from gdp.core.interfaces.teachers import Teacher
from gdp.plugins.evaluators.config import SpeedConfig
from gdp.support.timing import Timing, describe_machine, time_interleaved


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

    def _timing_metrics(self, name: str, timing: Timing, context: EvaluationContext) -> dict[str, Metric]:
        what = {
            "student": "the student as deployed (the recipe's precision)",
            "teacher": "one forward of the teacher's network (latent to picture, or picture to picture) in float32",
        }[name]
        protocol = (
            f"{what[0].upper()}{what[1:]}, one picture at a time at {context.pair_source.resolution} px, "
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
