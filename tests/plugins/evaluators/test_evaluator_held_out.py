from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs.records import PairBatch
from gdp.plugins.evaluators import HeldOutConfig
from gdp.plugins.evaluators import similarity as feature_statistics
from gdp.plugins.evaluators.held_out import HeldOutEvaluator
from gdp.plugins.evaluators.similarity import FeatureStatistics, PerceptualDistance

Loader = Callable[[Sequence[int]], PairBatch]


@pytest.fixture
def alexnet(tmp_path: Path) -> Path:
    """A file like torchvision's weights of AlexNet, with random convolutions and no classifier."""
    with torch.device("meta"):
        shapes = torchvision.models.alexnet(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    convolutions = {
        name: torch.randn(value.shape, generator=generator) * 0.05
        for name, value in shapes.items()
        if name.startswith("features.")
    }
    torch.save(convolutions, tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


def test_a_student_that_returns_its_source_gets_exactly_the_unchanged_numbers(world: Any, build: BuildContext) -> None:
    metrics = HeldOutEvaluator(HeldOutConfig(), build).evaluate(world.context()).metrics
    for name in ("psnr_db", "ssim", "l1_to_teacher"):
        ours, base = metrics[f"quality.held_out.{name}"], metrics[f"quality.held_out.{name}_unchanged"]
        assert ours.value == base.value


def test_a_perfect_student_gets_the_largest_psnr_and_a_sharpness_ratio_of_one(
    build: BuildContext, world: Any, pairs_of: Callable[[Tensor, Tensor], Loader]
) -> None:
    target = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    context = world.context(lambda source: source * -1, held_out=range(4), load=pairs_of(-target, target))
    metrics = HeldOutEvaluator(HeldOutConfig(), build).evaluate(context).metrics
    assert metrics["quality.held_out.psnr_db"].value == 100
    assert metrics["quality.held_out.l1_to_teacher"].value == 0
    assert metrics["quality.held_out.sharpness_ratio"].value == 1


def test_psnr_is_averaged_over_pictures_and_not_over_batches(
    build: BuildContext, world: Any, pairs_of: Callable[[Tensor, Tensor], Loader]
) -> None:
    source = torch.tensor([1.0, 0.1, 0.1]).reshape(3, 1, 1, 1).expand(3, 3, 16, 16)
    context = world.context(held_out=range(3), load=pairs_of(source, torch.zeros(3, 3, 16, 16)))
    metrics = HeldOutEvaluator(HeldOutConfig(batch=2), build).evaluate(context).metrics
    assert metrics["quality.held_out.psnr_db"].value == pytest.approx((6.0206 + 2 * 26.0206) / 3, abs=1e-4)
    assert world.predicted == [2, 1]


def test_the_gain_is_how_far_the_student_is_above_the_unchanged_source(
    build: BuildContext, world: Any, pairs_of: Callable[[Tensor, Tensor], Loader]
) -> None:
    source, target = torch.full((2, 3, 16, 16), 1.0), torch.zeros(2, 3, 16, 16)
    context = world.context(lambda images: images * 0.1, held_out=range(2), load=pairs_of(source, target))
    metrics = HeldOutEvaluator(HeldOutConfig(), build).evaluate(context).metrics
    assert metrics["quality.held_out.psnr_db_gain"].value == pytest.approx(20, abs=1e-4)


def test_flat_targets_make_no_sharpness_ratio(
    build: BuildContext, world: Any, pairs_of: Callable[[Tensor, Tensor], Loader]
) -> None:
    flat = torch.zeros(2, 3, 16, 16)
    evaluation = HeldOutEvaluator(HeldOutConfig(), build).evaluate(
        world.context(held_out=range(2), load=pairs_of(flat, flat))
    )
    assert "quality.held_out.sharpness_ratio" in evaluation.absent
    assert "quality.held_out.sharpness_ratio" not in evaluation.metrics


def test_of_two_source_pictures_the_first_is_the_unchanged_one(
    build: BuildContext, world: Any, pairs_of: Callable[[Tensor, Tensor], Loader]
) -> None:
    source = torch.cat([torch.zeros(2, 3, 16, 16), torch.ones(2, 3, 16, 16)], dim=1)
    context = world.context(held_out=range(2), load=pairs_of(source, torch.ones(2, 3, 16, 16)))
    evaluation = HeldOutEvaluator(HeldOutConfig(), build).evaluate(context)
    assert evaluation.metrics["quality.held_out.l1_to_teacher_unchanged"].value == 1
    assert list(evaluation.rows[0].pictures) == ["source 1", "source 2", "teacher", "student"]


def test_only_as_many_pairs_are_measured_and_shown_as_asked_for(build: BuildContext, world: Any) -> None:
    config = HeldOutConfig(count=4, pictures=2)
    evaluation = HeldOutEvaluator(config, build).evaluate(world.context(held_out=[10, 11, 12, 13, 14, 15, 16, 17]))
    assert evaluation.metrics["quality.held_out.count"].value == 4
    assert [row.title for row in evaluation.rows] == ["Held-out pairs / pair 10", "Held-out pairs / pair 14"]
    assert all(picture.shape == (3, 16, 16) for row in evaluation.rows for picture in row.pictures.values())


def test_without_held_out_pairs_the_reason_is_told(build: BuildContext, world: Any) -> None:
    evaluation = HeldOutEvaluator(HeldOutConfig(), build).evaluate(world.context(held_out=[]))
    assert evaluation.metrics == {}
    assert "pairs.held_out" in evaluation.absent["quality.held_out.psnr_db"]


def test_scores_that_need_foreign_weights_are_absent_with_what_to_do(build: BuildContext, world: Any) -> None:
    absent = HeldOutEvaluator(HeldOutConfig(), build).evaluate(world.context()).absent
    assert "inception_weights" in absent["quality.held_out.fid"]
    assert "inception_weights" in absent["quality.held_out.kid"]
    assert "lpips_trunk" in absent["quality.held_out.lpips"]


def test_every_number_tells_how_it_was_measured(build: BuildContext, world: Any) -> None:
    for metric in HeldOutEvaluator(HeldOutConfig(), build).evaluate(world.context()).metrics.values():
        assert len(metric.protocol) > 20


def test_weights_that_the_settings_name_and_that_are_not_there_are_reported_before_measuring(
    build: BuildContext, tmp_path: Path
) -> None:
    for setting in ("inception_weights", "lpips_trunk"):
        with pytest.raises(MissingResourceError, match=r"nowhere\.pth"):
            HeldOutEvaluator(HeldOutConfig(**{setting: tmp_path / "nowhere.pth"}), build)


def test_a_file_that_holds_no_weights_is_reported(build: BuildContext, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"no weights")
    with pytest.raises(CorruptFileError, match=r"weights\.pth"):
        HeldOutEvaluator(HeldOutConfig(lpips_trunk=path), build)


def test_weights_of_another_network_are_reported(alexnet: Path) -> None:
    with pytest.raises(CorruptFileError, match="lpips_network"):
        PerceptualDistance("vgg", alexnet)


def test_lpips_is_that_of_torchmetrics_for_the_same_weights(alexnet: Path) -> None:
    reference = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
    weights = torch.load(alexnet, weights_only=True)
    # its trunk names torchvision's layer 3 `slice2.3`
    trunk = {name: weights["features." + name.split(".", 1)[1]] for name in reference.net.state_dict()}
    reference.net.load_state_dict(trunk)
    images, others = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    distance = PerceptualDistance("alex", alexnet)
    torch.testing.assert_close(distance(images, others), reference(images, others).flatten(), rtol=1e-5, atol=1e-7)
    assert distance(images, images).tolist() == [0.0, 0.0]


def test_lpips_is_measured_when_its_weights_are_at_hand(
    build: BuildContext, world: Any, alexnet: Path, pairs_of: Callable[[Tensor, Tensor], Loader]
) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    config = HeldOutConfig(lpips_trunk=alexnet, lpips_network="alex")
    context = world.context(held_out=range(2), load=pairs_of(images, -images))
    evaluation = HeldOutEvaluator(config, build).evaluate(context)
    ours, base = (evaluation.metrics[f"quality.held_out.{name}"].value for name in ("lpips", "lpips_unchanged"))
    assert ours == base > 0
    assert "quality.held_out.lpips" not in evaluation.absent


class _ChannelMeans(nn.Module):
    def forward(self, levels: Tensor) -> Tensor:
        assert levels.dtype == torch.uint8
        return levels.float().mean(dim=(2, 3))


def test_fid_of_shifted_pictures_is_the_squared_shift_of_their_features() -> None:
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 200, (12, 3, 1, 1), generator=generator).expand(12, 3, 8, 8).float()
    statistics = FeatureStatistics(_ChannelMeans(), "channel means")
    for part in (slice(0, 5), slice(5, 12)):
        statistics.update((levels[part] + 10) / 127.5 - 1, levels[part] / 127.5 - 1)
    metrics = statistics.metrics("quality.held_out")
    # equal covariances, means 10 apart in each of three features
    assert metrics["quality.held_out.fid"].value == pytest.approx(300, rel=1e-6)
    assert "12 outputs" in metrics["quality.held_out.fid"].protocol


def test_kid_draws_no_random_numbers_from_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_statistics, "KID_SUBSET_SIZE", 8)
    statistics = FeatureStatistics(_ChannelMeans(), "channel means")
    images = torch.rand(20, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    statistics.update(images, images)
    before = torch.get_rng_state()
    first = statistics.metrics("q")["q.kid"].value
    assert torch.equal(before, torch.get_rng_state())
    assert statistics.metrics("q")["q.kid"].value == first
    assert "100 subsets of 8" in statistics.metrics("q")["q.kid"].protocol


def test_without_held_out_pairs_all_that_is_measured_on_them_is_told_as_absent(world: Any, build: BuildContext) -> None:
    measured = HeldOutEvaluator(HeldOutConfig(), build).evaluate(world.context()).metrics
    evaluation = HeldOutEvaluator(HeldOutConfig(), build).evaluate(world.context(held_out=[]))
    assert not evaluation.metrics
    assert set(measured) - set(evaluation.absent) == {"quality.held_out.count"}
