"""The losses of unpaired translation, on networks small enough to check by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gdp.core.errors import ShapeError, TrainingError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import TrainingStep
from gdp.core.interfaces.teachers import TranslatorTeacher
from gdp.plugins.losses import FeatureL2Config, NoSettings
from gdp.plugins.losses.terms import LSGANLoss
from gdp.plugins.losses.translation import CycleL1Loss, FeatureL2Loss, IdentityL1Loss, OutputL1Loss
from gdp.plugins.resnet.networks import GeneratorChannels, ResnetGenerator


def picture(level: float) -> Tensor:
    return torch.full((2, 3, 4, 4), level)


def way(source: float, gain: float, real: float | None, target: float | None = None) -> TrainingStep:
    """A generator that multiplies by `gain`; its discriminator's logits are the picture."""
    images = picture(source)
    return TrainingStep(
        source=images,
        generate=lambda given: given * gain,
        discriminate_frozen=lambda image: [[image]],
        discriminate=lambda image: [[image]],
        make_prediction=lambda: images * gain,
        make_target=None if target is None else lambda: picture(target),
        unpaired=None if real is None else picture(real),
        conditional=False,
    )


def both_ways() -> TrainingStep:
    there, back = way(0.4, 0.5, real=-0.8), way(-0.8, 1.5, real=0.4)
    there.opposite, back.opposite = back, there
    return there


def value(loss: object, step: TrainingStep) -> float:
    return float(loss.generator(step))  # type: ignore[attr-defined] # every loss has it


def test_both_cycles_are_summed() -> None:
    step = both_ways()  # both cycles multiply by 0.75
    assert value(CycleL1Loss(NoSettings(), BuildContext()), step) == pytest.approx(0.25 * (0.4 + 0.8))


def test_identity_covers_the_generators_that_train() -> None:
    loss, step = IdentityL1Loss(NoSettings(), BuildContext()), both_ways()
    assert value(loss, step) == pytest.approx(0.5 * 0.8 + 0.5 * 0.4)
    assert step.opposite is not None
    step.opposite.generator_trains = False
    assert value(loss, step) == pytest.approx(0.5 * 0.8)


def test_adversarial_terms_cover_the_ways_that_play() -> None:
    loss, step = LSGANLoss(NoSettings(), BuildContext()), both_ways()
    fakes, reals = (0.2, -1.2), (-0.8, 0.4)
    assert value(loss, step) == pytest.approx(sum((fake - 1) ** 2 for fake in fakes), rel=1e-5)
    judged = loss.discriminator(step)
    assert judged is not None
    assert float(judged) == pytest.approx(sum((r - 1) ** 2 + f**2 for r, f in zip(reals, fakes, strict=True)) / 2)
    assert step.opposite is not None
    step.opposite.adversarial = False
    assert value(loss, step) == pytest.approx((fakes[0] - 1) ** 2, rel=1e-5)
    step.discriminator_trains = False
    assert loss.discriminator(step) is None


def test_output_l1_is_the_distance_to_the_teacher() -> None:
    assert value(OutputL1Loss(NoSettings(), BuildContext()), way(0.4, 0.5, None, target=-0.3)) == pytest.approx(0.5)


def test_a_target_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(TrainingError, match="nobody teaches"):
        value(OutputL1Loss(NoSettings(), BuildContext()), way(0.4, 0.5, None))


class FixedTeacher(TranslatorTeacher):
    """A translator of given depth and width; `block_paths` may be hidden."""

    def __init__(self, blocks: int, width: int = 2, tells_blocks: bool = True) -> None:
        super().__init__(None, BuildContext())
        network = ResnetGenerator(GeneratorChannels.uniform(width, blocks))
        self._network = network if tells_blocks else nn.Sequential(*network.model)

    @property
    def fingerprint(self) -> str:
        return ""

    @property
    def resolution(self) -> int:
        return 16

    @property
    def module(self) -> nn.Module:
        return self._network

    def example_inputs(self) -> tuple[Tensor]:
        return (torch.zeros(1, 3, 16, 16),)

    @torch.no_grad()
    def translate(self, images: Tensor) -> Tensor:
        made: Tensor = self._network(images)
        return made


def student(blocks: int = 3, width: int = 2) -> ResnetGenerator:
    return ResnetGenerator(GeneratorChannels.uniform(width, blocks))


def feature_l2(**settings: object) -> FeatureL2Loss:
    return FeatureL2Loss(FeatureL2Config.model_validate(settings), BuildContext())


def hidden_step(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> TrainingStep:
    step = way(0.4, 0.5, None, target=0.0)
    step.kept_of_student, step.kept_of_teacher = ours, theirs
    return step


def test_the_published_blocks_are_the_default() -> None:
    watched = feature_l2().watch(student(), FixedTeacher(9))
    assert list(watched.teacher) == ["model.11", "model.14", "model.18"]
    assert list(watched.student) == ["model.10", "model.11", "model.12"]


def test_hidden_states_are_compared_pair_by_pair() -> None:
    loss = feature_l2(blocks=[[8, 2], [0, 0]])
    loss.watch(student(), FixedTeacher(9))
    ours = {"model.12": torch.zeros(1, 8, 4, 4), "model.10": torch.ones(1, 8, 4, 4)}
    theirs = {"model.18": torch.full((1, 8, 4, 4), 2.0), "model.10": torch.ones(1, 8, 4, 4)}
    assert loss.fit(ours, theirs) is None, "no adapter is needed where channels agree"
    assert value(loss, hidden_step(ours, theirs)) == pytest.approx(2.0)


def test_other_widths_get_adapters_that_learn() -> None:
    loss = feature_l2()
    loss.watch(student(3, 1), FixedTeacher(9, 2))
    ours = {f"model.{10 + block}": torch.randn(1, 4, 4, 4) for block in range(3)}
    theirs = {f"model.{10 + block}": torch.randn(1, 8, 4, 4) for block in (1, 4, 8)}
    adapters = loss.fit(ours, theirs)
    assert adapters is not None
    assert sum(weight.numel() for weight in adapters.parameters()) == 3 * (4 * 8 + 8)
    loss.generator(hidden_step(ours, theirs)).backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in adapters.parameters())


def test_hidden_states_of_other_sizes_are_refused() -> None:
    loss = feature_l2()
    loss.watch(student(), FixedTeacher(9))
    ours = {f"model.{10 + block}": torch.zeros(1, 8, 4, 4) for block in range(3)}
    theirs = {f"model.{10 + block}": torch.zeros(1, 8, 8, 8) for block in (1, 4, 8)}
    with pytest.raises(ShapeError, match=r"model\.11 .* model\.10 .*heights and widths must agree"):
        loss.fit(ours, theirs)


@pytest.mark.parametrize("blocks", [[[9, 0]], [[0, 3]]])
def test_blocks_that_are_not_there_are_refused(blocks: list[list[int]]) -> None:
    with pytest.raises(TrainingError, match="the teacher has 9 residual blocks and the student 3"):
        feature_l2(blocks=blocks).watch(student(), FixedTeacher(9))


def test_a_network_that_does_not_tell_its_blocks_needs_module_paths() -> None:
    teacher = FixedTeacher(9, tells_blocks=False)
    with pytest.raises(TrainingError, match="the teacher does not say which"):
        feature_l2().watch(student(), teacher)
    watched = feature_l2(modules={"11": "model.10"}).watch(student(), teacher)
    assert (list(watched.teacher), list(watched.student)) == (["11"], ["model.10"])


def test_without_a_teacher_there_are_no_hidden_states_to_compare() -> None:
    with pytest.raises(TrainingError, match=r"no \[teacher\]"):
        feature_l2().watch(student(), None)


def test_blocks_and_modules_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not both"):
        FeatureL2Config(blocks=((0, 0),), modules={"a": "b"})
