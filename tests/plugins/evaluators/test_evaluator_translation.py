"""Evaluators of translation: against the truth of a dataset of two domains, and there and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Part, UnpairedDataset
from gdp.core.interfaces.teachers import Teacher, TranslatorTeacher
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.core.pairs.store import PairStore
from gdp.plugins.evaluators import CycleConfig, UnpairedTruthConfig
from gdp.plugins.evaluators.translation import CycleEvaluator, UnpairedTruthEvaluator
from gdp.plugins.pair_sources import TranslateConfig
from gdp.plugins.pair_sources.translate import TranslateSource
from gdp.plugins.scenes import RenderedScenesConfig
from gdp.plugins.scenes.renderer import RenderedScenes

SIZE = 16


class Greys(UnpairedDataset):
    """Domain A: picture i of testA is grey level 10 i; its true counterpart is 40 levels brighter."""

    fingerprint = "greys"
    resolution = SIZE

    def __init__(self, known: bool = True) -> None:
        super().__init__(None, BuildContext())
        self.known = known
        self.asked: list[tuple[Part, list[int]]] = []

    def count(self, part: Part) -> int:
        return 6

    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        levels = torch.tensor([10 * index for index in indices], dtype=torch.uint8)
        return levels.reshape(-1, 1, 1, 1).expand(-1, 3, SIZE, SIZE)

    def truth(self, part: Part, indices: Sequence[int]) -> Tensor | None:
        self.asked.append((part, list(indices)))
        return self.images(part, indices) + 40 if self.known else None


class Brightener(TranslatorTeacher):
    """Adds 30 of 255 levels; its way back takes as many off, or is not there."""

    fingerprint = "brightener"
    resolution = SIZE

    def __init__(self, way_back: bool = True) -> None:
        super().__init__(None, BuildContext())
        self.way_back = way_back

    @property
    def module(self) -> nn.Module:
        return Add(30)

    def example_inputs(self) -> tuple[Any, ...]:
        return (torch.zeros(1, 3, SIZE, SIZE),)

    def translate(self, images: Tensor) -> Tensor:
        return images + levels(30)

    @property
    def opposite(self) -> nn.Module | None:
        return Add(-30) if self.way_back else None


class Add(nn.Module):
    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, images: Tensor) -> Tensor:
        return images + levels(self.amount)


def levels(amount: float) -> float:
    """A difference of 8-bit levels in the range [-1, 1]."""
    return amount / 127.5


def brighter(amount: float) -> Any:
    return lambda images: images + levels(amount)


@pytest.fixture
def greys() -> Greys:
    return Greys()


def context_of(world: Any, dataset: Greys, predict: Any, teacher: Teacher | None = None, **changes: Any) -> Any:
    """Pairs 6 to 11 of `translate`: the test pictures."""
    teacher = teacher or Brightener()
    source = TranslateSource(TranslateConfig(), BuildContext(teacher=teacher, dataset=dataset))
    settings = {"held_out": range(6, 12), "load": source.make, "teacher": teacher, "pair_source": source, **changes}
    return world.context(predict, **settings)


def truth_of(dataset: UnpairedDataset | None, context: Any, **settings: Any) -> Any:
    config = UnpairedTruthConfig(**settings)
    return UnpairedTruthEvaluator(config, BuildContext(dataset=dataset)).evaluate(context)


def test_student_teacher_and_source_are_held_against_the_true_counterpart(world: Any, greys: Greys) -> None:
    metrics = truth_of(greys, context_of(world, greys, brighter(38))).metrics
    for name, wrong_by in (("l1", 2), ("teacher_l1", 10), ("l1_unchanged", 40)):
        assert metrics[f"quality.truth.{name}"].value == pytest.approx(levels(wrong_by), abs=1e-6)
    assert metrics["quality.truth.teacher_psnr_db"].value == pytest.approx(28.131, abs=1e-3)  # 20 log10(255 / 10)
    assert metrics["quality.truth.psnr_db"].value == pytest.approx(42.110, abs=1e-3)
    assert metrics["quality.truth.psnr_db_below_teacher"].value == pytest.approx(-13.979, abs=1e-3)
    gain = metrics["quality.truth.psnr_db"].value - metrics["quality.truth.psnr_db_unchanged"].value
    assert metrics["quality.truth.psnr_db_gain"].value == gain
    assert metrics["quality.truth.count"].value == 6


def test_the_student_that_equals_its_teacher_is_not_below_it(world: Any, greys: Greys) -> None:
    metrics = truth_of(greys, context_of(world, greys, brighter(30))).metrics
    assert metrics["quality.truth.psnr_db_below_teacher"].value == pytest.approx(0, abs=1e-3)
    assert metrics["quality.truth.ssim"].value == pytest.approx(metrics["quality.truth.teacher_ssim"].value, abs=1e-5)


def test_the_truth_is_that_of_the_picture_that_each_pair_names_whatever_the_batch(world: Any, greys: Greys) -> None:
    whole = truth_of(greys, context_of(world, greys, brighter(38)), batch=16).metrics
    in_parts = truth_of(greys, context_of(world, greys, brighter(38), held_out=[11, 3, 7]), batch=2)
    assert greys.asked == [
        ("testA", [0, 1, 2, 3, 4, 5]),
        ("testA", [5]),
        ("trainA", [3]),
        ("testA", [1]),
    ]
    name = "quality.truth.l1"
    assert in_parts.metrics[name].value == pytest.approx(whole[name].value, abs=1e-6)


def test_rows_stand_beside_the_truth_under_the_names_of_the_pictures(world: Any, greys: Greys) -> None:
    rows = truth_of(greys, context_of(world, greys, brighter(38)), pictures=2).rows
    assert [row.title for row in rows] == [
        "Beside the true counterpart / 000000",
        "Beside the true counterpart / 000003",
    ]
    assert list(rows[1].pictures) == ["source", "teacher", "student", "truth"]
    shades = [round(float(picture.float().mean())) for picture in rows[1].pictures.values()]
    assert shades == [30, 60, 68, 70]


def test_where_nobody_knows_the_truth_the_reason_is_told(world: Any, greys: Greys) -> None:
    strangers = Greys(known=False)
    context = context_of(world, greys, brighter(38))
    for dataset, reason in ((None, "no [dataset]"), (strangers, "nobody knows")):
        evaluation = truth_of(dataset, context)
        assert evaluation.metrics == {} and evaluation.rows == []
        assert reason in evaluation.absent["quality.truth.psnr_db_below_teacher"]


def test_pairs_that_do_not_name_their_picture_have_no_known_truth(world: Any, greys: Greys) -> None:
    def load(indices: Sequence[int]) -> PairBatch:
        flat = torch.zeros(len(indices), 3, SIZE, SIZE)
        return PairBatch(list(indices), flat, flat, [PairRecord(index, 0) for index in indices])

    evaluation = truth_of(greys, context_of(world, greys, brighter(38), load=load))
    assert "translate" in evaluation.absent["quality.truth.psnr_db"]


def test_without_held_out_pairs_nothing_is_measured(world: Any, greys: Greys) -> None:
    context = context_of(world, greys, brighter(38), held_out=[])
    assert "pairs.held_out" in truth_of(greys, context).absent["quality.truth.psnr_db"]
    evaluation = CycleEvaluator(CycleConfig(), BuildContext()).evaluate(context)
    assert "pairs.held_out" in evaluation.absent["quality.cycle.l1_student"]


def test_stored_pairs_of_rendered_scenes_find_their_true_paintings(world: Any, tmp_path: Path) -> None:
    """The way through the pair store, whose records come back from a file."""
    dataset = RenderedScenes(RenderedScenesConfig(train_count=2, test_count=2, resolution=32), BuildContext())
    source = TranslateSource(TranslateConfig(), BuildContext(teacher=Brightener(), dataset=dataset))
    with PairStore.open(tmp_path / "pairs", image_format="png") as store:
        store.append(source.make(range(4)))
        context = world.context(lambda images: images, held_out=[2, 3], load=store.load)
        evaluation = truth_of(dataset, context)
    true = dataset.truth("testA", [1])[0]
    assert torch.equal(evaluation.rows[1].pictures["truth"], true)
    name = "quality.truth.psnr_db"
    assert evaluation.metrics[name].value == evaluation.metrics[f"{name}_unchanged"].value < 40


def test_there_and_back_compares_the_source_with_its_reconstruction(world: Any, greys: Greys) -> None:
    evaluation = CycleEvaluator(CycleConfig(batch=4), BuildContext()).evaluate(context_of(world, greys, brighter(35)))
    assert evaluation.metrics["quality.cycle.l1_student"].value == pytest.approx(levels(5), abs=1e-6)
    assert evaluation.metrics["quality.cycle.l1_teacher"].value == pytest.approx(0, abs=1e-6)
    row = evaluation.rows[3]
    assert list(row.pictures) == ["source", "student", "reconstruction"]
    assert row.title == "There and back / pair 10"
    assert [round(float(picture.float().mean())) for picture in row.pictures.values()] == [40, 75, 45]


def test_without_a_way_back_the_reason_is_told(world: Any, greys: Greys) -> None:
    evaluator = CycleEvaluator(CycleConfig(), BuildContext())
    alone = evaluator.evaluate(context_of(world, greys, brighter(38), Brightener(way_back=False)))
    assert "way back" in alone.absent["quality.cycle.l1_teacher"]
    assert "translates no pictures" in evaluator.evaluate(world.context()).absent["quality.cycle.l1_student"]


def test_every_number_of_translation_tells_how_it_was_measured(world: Any, greys: Greys) -> None:
    context = context_of(world, greys, brighter(38))
    metrics = truth_of(greys, context).metrics | CycleEvaluator(CycleConfig(), BuildContext()).evaluate(context).metrics
    assert all(len(metric.protocol) > 20 for metric in metrics.values())
