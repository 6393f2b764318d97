"""Flat frames: what a student draws where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gdp import Evaluation, EvaluationContext, Evaluator, Headline, Metric, Sentence
from gdp.plugins.evaluators import FlatFramesConfig
from gdp.plugins.evaluators.held_out import picture_row
from gdp.toolbox import from_levels, plain, to_levels

FLAT = "quality.flat"
LARGEST = f"{FLAT}.largest_levels"


class FlatFramesEvaluator(Evaluator):
    """The largest deviation from flat of the student's pictures of frames of one colour each.

    Videos begin black, photos have plain walls: a student that learnt from pictures full of edges alone may draw
    patterns there. A colour that it changes evenly is no deviation.
    """

    config: FlatFramesConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Show the student two frames of each colour."""
        size, channels = context.pair_source.resolution, context.pair_source.input_channels
        evaluation = Evaluation()
        for name, colour in self.config.colours.items():
            frames = nearly_flat(colour, size).repeat(1, channels // 3, 1, 1).to(context.device)
            students = torch.cat([context.predict(frame) for frame in torch.split(frames, 1)])
            deviations = [deviation_from_flat(student) for student in torch.split(students, 1)]
            evaluation.metrics[f"{FLAT}.levels.{name}"] = Metric(
                max(deviations),
                f"Largest difference, in 8-bit levels, of any value of the student's picture from the mean of its "
                f"channel; of two frames of {size} x {size} px, RGB {', '.join(map(str, colour))}: one flat, and one "
                f"with a single value one level off, for what is exactly flat may cancel out by chance.",
                "levels",
                "lower",
            )
            worst = deviations.index(max(deviations))
            pictures = {"source": frames[worst, :3], "student": students[worst]}
            evaluation.rows.append(picture_row(f"Flat frames / {name}", pictures))
        colours = ", ".join(self.config.colours)
        evaluation.metrics[LARGEST] = Metric(
            max(metric.value for metric in evaluation.metrics.values()),
            f"The largest of {FLAT}.levels over {colours}.",
            "levels",
            "lower",
        )
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how flat the student leaves what is flat."""
        if (levels := numbers.get(LARGEST)) is not None:
            yield Sentence(
                f"Into frames of one colour it draws patterns of up to **{plain(levels, 3)} levels** of 255.", rank=90
            )

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show the largest deviation."""
        if (levels := numbers.get(LARGEST)) is not None:
            yield Headline(plain(levels, 3), "levels of 255 drawn into flat frames", 90, LARGEST)


def nearly_flat(colour: tuple[int, int, int], size: int) -> Tensor:
    """Return two frames (2, 3, size, size) in [-1, 1] of one colour; the second has one value that is one level off."""
    frames = torch.tensor(colour, dtype=torch.uint8).reshape(1, 3, 1, 1).repeat(2, 1, size, size)
    red = colour[0]
    frames[1, 0, size // 2, size // 2] = red + 1 if red < 255 else red - 1
    return from_levels(frames)


def deviation_from_flat(images: Tensor) -> float:
    """Return the largest difference, in 8-bit levels, of pictures (N, 3, H, W) in [-1, 1] from their channels' means.

    The pictures are rounded to levels first, as they are when they are written.
    """
    levels = to_levels(images).double()
    return float((levels - levels.mean(dim=(2, 3), keepdim=True)).abs().max())
