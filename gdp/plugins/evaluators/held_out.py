"""The student against the teacher's target, on pairs never trained on.

What several evaluators do with held-out pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gdp import (
    BuildContext,
    Evaluation,
    EvaluationContext,
    Evaluator,
    Headline,
    Metric,
    PictureRow,
    Sentence,
)
from gdp.plugins.evaluators import HeldOutConfig
from gdp.plugins.evaluators.similarity import MEASURES, PerceptualDistance, inception_statistics, laplacian_variance
from gdp.toolbox import plain, to_levels, with_unit

NO_HELD_OUT = (
    "no pair was held out: raise pairs.held_out or pairs.count, or let the filters keep more pairs, and run again"
)


def absent(names: Iterable[str], reason: str) -> Evaluation:
    """Say that none of these numbers could be measured, and why."""
    return Evaluation(absent=dict.fromkeys(names, reason))


def one_by_one(measure: Callable[..., Tensor], *pictures: Tensor) -> Tensor:
    """Measure pictures (N, C, H, W) each by itself: less memory, and no number depends on what else is measured.

    Args:
        measure: gives (1,) for one picture of each of the arguments.
        pictures: the arguments, N each.

    Returns:
        (N,).
    """
    return torch.cat([measure(*row) for row in zip(*(torch.split(each, 1) for each in pictures), strict=True)])


def picture_row(title: str, pictures: Mapping[str, Tensor]) -> PictureRow:
    """Return a row of the report; its pictures (3, H, W) in [-1, 1] are kept as 8-bit levels, a quarter as large."""
    return PictureRow(title, {name: to_levels(picture).cpu() for name, picture in pictures.items()})


def add_rows(
    evaluation: Evaluation, indices: Sequence[int], shown: Container[int], titles: Sequence[str], **columns: Tensor
) -> None:
    """Add a row of the report for each pair that is shown.

    Args:
        evaluation: gets the rows.
        indices: the pairs of a batch.
        shown: those to show.
        titles: the row's title for each pair of the batch.
        columns: column to pictures (N, 3, H, W) in [-1, 1], in the order to be shown in.
    """
    for row, index in enumerate(indices):
        if index in shown:
            evaluation.rows.append(picture_row(titles[row], {name: images[row] for name, images in columns.items()}))


def unchanged(source: Tensor) -> Tensor:
    """Return what a student that does nothing returns: the (first) source picture, (N, 3, H, W)."""
    return source[:, :3]


def source_pictures(source: Tensor) -> dict[str, Tensor]:
    """Return the report's columns for one source (C, H, W): `source`, or `source 1` and `source 2`."""
    if source.shape[0] == 3:
        return {"source": source}
    return {f"source {part // 3 + 1}": source[part : part + 3] for part in range(0, source.shape[0], 3)}


GAIN = "psnr_db_gain"
"""The number of what is gained over returning the source unchanged, wherever there is one."""


def spread_out(indices: Sequence[int], count: int) -> list[int]:
    """Choose `count` of the indices evenly, in order; all where there are fewer."""
    if len(indices) <= count:
        return list(indices)
    return [indices[position * len(indices) // count] for position in range(count)]


def gain_metric(prefix: str, metrics: Mapping[str, Metric]) -> Metric:
    """Return by how many decibels the student's pictures are nearer to the truth than its sources are."""
    student, source = (metrics[f"{prefix}.{name}"].value for name in ("psnr_db", "psnr_db_unchanged"))
    return Metric(student - source, f"{prefix}.psnr_db less {prefix}.psnr_db_unchanged.", "dB", "higher")


def gain_sentences(numbers: Mapping[str, float], prefix: str, on: str) -> Iterator[Sentence]:
    """Say first of all how much nearer to the truth the student comes than who does nothing."""
    student, source, gain = (numbers.get(f"{prefix}.{name}") for name in ("psnr_db", "psnr_db_unchanged", GAIN))
    if student is not None and source is not None and gain is not None:
        side = "nearer to" if gain >= 0 else "farther from"
        yield Sentence(
            f"{on}, the student's pictures are **{with_unit(abs(gain), 'dB')} {side} the truth** than their unchanged "
            f"sources ({with_unit(student, 'dB')} against {with_unit(source, 'dB')}).",
            rank=0,
        )


def gain_headlines(numbers: Mapping[str, float], prefix: str) -> Iterator[Headline]:
    """Show it first of all."""
    if (gain := numbers.get(f"{prefix}.{GAIN}")) is not None:
        side = "nearer to" if gain >= 0 else "farther from"
        words = f"{side} the truth than the unchanged source"
        yield Headline(signed_db(gain), words, 0, f"{prefix}.{GAIN}")


def signed_db(value: float) -> str:
    """Write a difference of decibels with its sign."""
    return f"{value:+.1f} dB".replace("-", "\u2212")


def stands_in_for_teacher(numbers: Mapping[str, float]) -> bool:
    """Say whether the student replaces the teacher's own forward, not a slow route through it."""
    return "speed.teacher_to_student" in numbers and "speed.ratio" not in numbers


PREFIX = "quality.held_out"
COMPARED = {"psnr_db": MEASURES["psnr_db"], "ssim": MEASURES["ssim"], "l1_to_teacher": MEASURES["l1"]}

NO_INCEPTION = (
    "no Inception weights at hand (they are never downloaded): install torch-fidelity and set inception_weights of "
    "this evaluator to a local copy of pt_inception-2015-12-05-6726825d.pth"
)
NO_LPIPS = (
    "no LPIPS trunk at hand (it is never downloaded): set lpips_trunk of this evaluator to a local copy of "
    "torchvision's vgg16-397923af.pth"
)


class HeldOutEvaluator(Evaluator):
    """PSNR, SSIM, L1 and sharpness beside what returning the source unchanged would get; FID, KID, LPIPS if possible.

    Raises:
        MissingResourceError: a weight file that the settings name is not there.
        CorruptFileError: such a file is unusable.
    """

    config: HeldOutConfig

    def __init__(self, config: HeldOutConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        weights, trunk, heads = config.inception_weights, config.lpips_trunk, config.lpips_heads
        self.features = inception_statistics(weights, context.device) if weights else None
        self.perceptual = PerceptualDistance(config.lpips_network, trunk, heads).to(context.device) if trunk else None

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Measure on the held-out pairs, each picture by itself, then average."""
        indices = spread_out(context.held_out, self.config.count or len(context.held_out))
        if not indices:
            names = [*COMPARED, *(f"{name}_unchanged" for name in COMPARED), "psnr_db_gain", "sharpness_ratio"]
            return absent([f"{PREFIX}.{name}" for name in names], NO_HELD_OUT)
        shown = set(spread_out(indices, self.config.pictures))
        columns: dict[str, list[Tensor]] = defaultdict(list)
        evaluation = Evaluation()
        for pairs in context.batches("held-out pairs", indices, self.config.batch):
            source, target = pairs.source.to(context.device), pairs.target.to(context.device)
            prediction = context.predict(source)
            for name, values in self._measure(prediction, target, unchanged(source)).items():
                columns[name].append(values.double().cpu())
            if self.features:
                for picture, reference in zip(torch.split(prediction, 1), torch.split(target, 1), strict=True):
                    self.features.update(picture, reference)
            for row, index in enumerate(pairs.indices):
                if index in shown:
                    evaluation.rows.append(_row(index, pairs.source[row], pairs.target[row], prediction[row]))
        size = f"{target.shape[-1]} x {target.shape[-2]} px"
        self._summarise({name: torch.cat(parts) for name, parts in columns.items()}, size, evaluation)
        return evaluation

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how near the pictures come to the teacher's, beside the unchanged source."""
        psnr, gain, count, distance = (
            numbers.get(f"{PREFIX}.{name}") for name in ("psnr_db", "psnr_db_gain", "count", "l1_to_teacher")
        )
        if psnr is None:
            return
        on = f"On {plain(count)} pairs it never saw" if count else "On pairs it never saw"
        text = f"{on} its pictures reach a PSNR of {with_unit(psnr, 'dB')} to the teacher's"
        if gain is not None:
            side = "above" if gain >= 0 else "below"
            text += f", **{with_unit(abs(gain), 'dB')} {side}** what the unchanged source gets"
        if distance is not None and stands_in_for_teacher(numbers):
            text += f"; they differ from them by an L1 of **{plain(distance, 3)}** in the range from \u22121 to 1"
        yield Sentence(f"{text}.", rank=30)

    @classmethod
    def headlines(cls, numbers: Mapping[str, float]) -> Iterator[Headline]:
        """Show the distance to a teacher that the student stands in for, and what it gains over the source."""
        if (distance := numbers.get(f"{PREFIX}.l1_to_teacher")) is not None and stands_in_for_teacher(numbers):
            yield Headline(plain(distance, 3), "L1 to the teacher", 40, f"{PREFIX}.l1_to_teacher")
        if (gain := numbers.get(f"{PREFIX}.psnr_db_gain")) is not None:
            words = f"{'above' if gain >= 0 else 'below'} the unchanged source, to the teacher"
            yield Headline(signed_db(gain), words, 60, f"{PREFIX}.psnr_db_gain")

    @torch.no_grad()
    def _measure(self, prediction: Tensor, target: Tensor, source: Tensor) -> dict[str, Tensor]:
        """Measure each picture; all arguments (N, 3, H, W) in [-1, 1]."""
        values = {
            "sharpness": one_by_one(laplacian_variance, prediction),
            "sharpness_target": one_by_one(laplacian_variance, target),
        }
        measures: dict[str, Callable[..., Tensor]] = {name: measure.of for name, measure in COMPARED.items()}
        if self.perceptual:
            measures["lpips"] = self.perceptual
        for name, measure in measures.items():
            values[name] = one_by_one(measure, prediction, target)
            values[f"{name}_unchanged"] = one_by_one(measure, source, target)
        return values

    def _summarise(self, columns: dict[str, Tensor], size: str, evaluation: Evaluation) -> None:
        """Turn the pictures' values into metrics with their protocols: PSNR, SSIM and sharpness belong to a size."""
        count = len(columns["psnr_db"])
        on = f"on {count} held-out pairs of {size}, against the teacher's target as stored (8 bits)"
        unchanged_words = "what returning the (first) source picture unchanged gets"
        protocols = {name: (how.protocol, how.unit, how.better) for name, how in COMPARED.items()}
        protocols["lpips"] = (f"LPIPS 0.1 with {self.config.lpips_network}, mean over pictures", "", "lower")
        for name, (protocol, unit, better) in protocols.items():
            if name in columns:
                value, base = float(columns[name].mean()), float(columns[f"{name}_unchanged"].mean())
                evaluation.metrics[f"{PREFIX}.{name}"] = Metric(value, f"{protocol}; {on}.", unit, better)
                evaluation.metrics[f"{PREFIX}.{name}_unchanged"] = Metric(
                    base, f"{protocol}; {on}: {unchanged_words}.", unit
                )
        evaluation.metrics[f"{PREFIX}.psnr_db_gain"] = Metric(
            float((columns["psnr_db"] - columns["psnr_db_unchanged"]).mean()),
            f"{PREFIX}.psnr_db less {PREFIX}.psnr_db_unchanged.",
            "dB",
            "higher",
        )
        evaluation.metrics[f"{PREFIX}.count"] = Metric(count, "Held-out pairs that these numbers were measured on.")
        self._summarise_sharpness(columns, on, evaluation)
        if self.features:
            evaluation.metrics.update(self.features.metrics(PREFIX))
        else:
            evaluation.absent |= {f"{PREFIX}.fid": NO_INCEPTION, f"{PREFIX}.kid": NO_INCEPTION}
        if not self.perceptual:
            evaluation.absent[f"{PREFIX}.lpips"] = NO_LPIPS

    def _summarise_sharpness(self, columns: dict[str, Tensor], on: str, evaluation: Evaluation) -> None:
        name, sharpness = f"{PREFIX}.sharpness_ratio", float(columns["sharpness_target"].mean())
        if sharpness == 0:
            evaluation.absent[name] = "the targets are flat pictures without any edge"
            return
        evaluation.metrics[name] = Metric(
            float(columns["sharpness"].mean()) / sharpness,
            f"Mean variance of the luminance's Laplacian of the student's pictures, divided by that of the targets; "
            f"{on}. Below 1 is blurrier than the teacher, above 1 harsher.",
        )


def _row(index: int, source: Tensor, target: Tensor, prediction: Tensor) -> PictureRow:
    pictures = {**source_pictures(source), "teacher": target, "student": prediction}
    return picture_row(f"Held-out pairs / pair {index}", pictures)
