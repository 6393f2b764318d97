"""Networks are counted, operator by operator, while they run or of shapes alone."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest
import torch
from torch import Tensor, nn

from gdp.core.arithmetic import count_macs
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.losses import Loss
from gdp.core.recipe.sections import TrainSection
from gdp.core.training import TrainingPairs, rehearse
from gdp.plugins.losses.perceptual import PerceptualLoss
from gdp.plugins.pix2pixhd import Pix2PixHDConfig
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent
from gdp.tools.estimate.counting import META, Counting, OutOfTimeError
from gdp.tools.estimate.instances import FORWARD, TRAINING_STEP

PUBLISHED = Pix2PixHDConfig(
    width=64,
    downsamplings=4,
    blocks=9,
    predicts="image",
    discriminator_width=64,
    num_discriminators=2,
    discriminator_layers=3,
)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))


def test_what_runs_is_counted_as_what_passes_through_in_shapes() -> None:
    module, picture = network(), torch.zeros(2, 3, 16, 16)
    real, shapes = Counting(), Counting([module])
    with torch.no_grad(), real.on():
        module(picture)
    with torch.no_grad(), shapes.on():
        assert module(picture).is_meta
    assert real.arithmetic == shapes.arithmetic
    assert real.arithmetic.macs == 2 * count_macs(module, picture[:1])
    assert not real.backwards


def test_gradients_are_counted_and_told() -> None:
    module, counting = network(), Counting()
    with counting.on():
        module(torch.zeros(1, 3, 16, 16)).mean().backward()
    assert counting.backwards
    assert counting.arithmetic.macs > 2 * count_macs(module, torch.zeros(1, 3, 16, 16))


@pytest.mark.training
def test_an_optimizers_step_counts_as_a_fused_one() -> None:
    weights = [torch.zeros(1000, requires_grad=True) for _ in range(32)]
    for weight in weights:
        weight.grad = torch.zeros(1000)
    counting = Counting()
    with counting.on():
        torch.optim.Adam(weights).step()
    assert counting.arithmetic.kernels == 2
    assert counting.arithmetic.bytes == 7 * 4 * 32_000


def test_numbers_that_are_not_there_do_not_stop_the_work() -> None:
    module = network()
    with torch.no_grad(), Counting([module]).on():
        made = module(torch.zeros(1, 3, 16, 16))
        assert float(made.mean()) == 1.0
        assert made.cpu().numpy().shape == (1, 3, 16, 16)


def test_a_search_on_the_processor_is_counted_with_its_gradients() -> None:
    """What is searched for is made on the processor, and its gradients are shapes."""
    module = network()
    with Counting([module]).on() as counting:
        picture = torch.randn(1, 3, 16, 16).to(torch.device("cpu")).requires_grad_()
        (gradient,) = torch.autograd.grad(module(picture).mean(), [picture])
        assert gradient.is_meta
    assert counting.backwards


def test_work_is_broken_off_in_the_middle_of_a_forward() -> None:
    told: list[str] = []
    counting = Counting(deadline=perf_counter() - 1)
    counting.late = lambda: told.append("late")
    with pytest.raises(OutOfTimeError), counting.on():
        network()(torch.zeros(1, 3, 16, 16))
    assert told == ["late"]


class _Vgg(Loss):
    """The perceptual loss on shapes alone: its weights are a file of 548 MB."""

    def generator(self, step: object) -> Tensor:
        return self.config(step.prediction, step.target)  # type: ignore[attr-defined, no-any-return]

    def discriminator(self, step: object) -> None:
        return None


@pytest.mark.training
def test_the_published_training_step_is_counted_as_published() -> None:
    """182,443,267 parameters, 1,057 GMAC a step and 217.5 a forward at 512 px.

    It took 5.4 GB with a copy of the weights (0.73 GB) that nothing was averaged in.
    """
    from torchvision.models import vgg19

    from gdp.plugins.losses.terms import FeatureMatchingLoss, LSGANLoss

    counting, context = Counting(), BuildContext(resolution=512, device=META)
    with META, counting.on():
        student = Pix2PixHDStudent(PUBLISHED, context)
        losses = [
            ("lsgan", 1.0, LSGANLoss(None, context)),
            ("feature-matching", 10.0, FeatureMatchingLoss(None, context)),
            ("vgg", 10.0, _Vgg(PerceptualLoss(vgg19(weights=None).features), context)),
        ]
    pictures = torch.zeros(1, 3, 512, 512, dtype=torch.uint8)
    pairs = TrainingPairs([0], [], lambda numbers: (pictures, pictures))
    settings = TrainSection(steps=10, batch=1, precision="float32", ema_half_life=0)
    with counting.on():
        counting.hold(student.generator, student.discriminator)
        with rehearse(student, losses, pairs, settings, Path(), seed=0, device=META) as rehearsal:
            rehearsal.step(0)
            before = counting.arithmetic
            rehearsal.step(1)
    step = counting.arithmetic
    assert step.macs - before.macs == pytest.approx(1057e9, rel=0.001)
    assert step.macs - before.macs == pytest.approx(TRAINING_STEP.macs, rel=0.001)
    assert step.kernels - before.kernels == pytest.approx(TRAINING_STEP.kernels, rel=0.02)
    assert step.bytes - before.bytes == pytest.approx(TRAINING_STEP.bytes, rel=0.02)
    assert counting.peak_bytes == pytest.approx(4.87e9, rel=0.05)
    assert FORWARD.macs == pytest.approx(count_macs(student.generator, torch.zeros(1, 3, 512, 512)), rel=0.001)
