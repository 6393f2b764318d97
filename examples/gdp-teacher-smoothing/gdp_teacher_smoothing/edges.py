"""The evaluator: what is left of edges and of texture."""

from collections.abc import Iterator, Mapping

import gdp
import torch
from gdp.toolbox import percent
from torch import Tensor

from gdp_teacher_smoothing.config import EdgesConfig

PREFIX = "quality.edges"
NAMES = tuple(f"{PREFIX}.{who}_{what}" for who in ("student", "teacher") for what in ("edges", "texture"))


class EdgesEvaluator(gdp.Evaluator):
    """Measures, on held-out pairs, how much of the source's strong and weak gradients student and teacher keep.

    A good student keeps what its teacher keeps: strong ones (edges) nearly whole, weak ones (texture) hardly.
    """

    config: EdgesConfig

    def evaluate(self, context: gdp.EvaluationContext) -> gdp.Evaluation:
        """Measure; without held-out pairs all numbers are absent."""
        indices = list(context.held_out)
        if not indices:
            return gdp.Evaluation(absent=dict.fromkeys(NAMES, "no pair is held out: set pairs.held_out above 0"))
        sums = torch.zeros(3, 2, dtype=torch.float64)  # source, student, teacher; edges and texture
        with context.progress.task("edges", len(indices), "pairs") as task:
            for start in range(0, len(indices), self.config.batch):
                pairs = context.load(indices[start : start + self.config.batch])
                prediction = context.predict(pairs.source.to(context.device)).cpu()
                sums += self._sums(pairs.source[:, :3], prediction, pairs.target)
                task.advance(len(pairs))
        protocol = (
            f"Sum of absolute differences of neighbouring pixels, as a share of the source's, where the source's is "
            f"above (edges) or below (texture) {self.config.strong}; over {len(indices)} held-out pairs"
        )
        shares = (sums[1:] / sums[0].clamp(min=1e-12)).flatten().tolist()
        metrics = {name: gdp.Metric(share, protocol) for name, share in zip(NAMES, shares, strict=True)}
        return gdp.Evaluation(metrics=metrics)

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[gdp.Sentence]:
        """Hold what the student leaves of edges and of texture against what its teacher leaves."""
        if all(name in numbers for name in NAMES):
            edges, texture, teachers_edges, teachers_texture = (percent(numbers[name]) for name in NAMES)
            yield gdp.Sentence(
                f"It keeps **{edges}** of the strength of edges and {texture} of that of texture, where its teacher "
                f"keeps {teachers_edges} and {teachers_texture}."
            )

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[gdp.Headline]:
        """Show what is left of edges, beside the teacher."""
        edges, teachers = numbers.get(f"{PREFIX}.student_edges"), numbers.get(f"{PREFIX}.teacher_edges")
        if edges is not None and teachers:
            yield gdp.Headline(percent(edges / teachers), "of the teacher's edges")

    def _sums(self, *pictures: Tensor) -> Tensor:
        """Return (pictures, 2) float64: gradients where the first picture has edges, and where it has texture."""
        gradients = torch.stack([gradient(images) for images in pictures])  # (pictures, differences)
        strong = gradients[0] > self.config.strong
        return torch.stack([gradients[:, strong].sum(dim=1), gradients[:, ~strong].sum(dim=1)], dim=1)


def gradient(images: Tensor) -> Tensor:
    """Return all absolute differences of horizontal and vertical neighbours in (N, 3, H, W), flat, as float64."""
    wide = images.double()
    return torch.cat([wide.diff(dim=-1).abs().flatten(), wide.diff(dim=-2).abs().flatten()])
