import pytest

from gdp.plugins.pix2pixhd.networks import LocalEnhancer
from gdp.plugins.pix2pixhd.student import enhancer_phases


def enhancer(coarse_head=True):
    return LocalEnhancer(width=2, downsamplings=1, blocks=1, enhancer_blocks=1, coarse_head=coarse_head)


def test_the_phases_train_the_coarse_part_then_the_enhancer_then_both():
    generator = enhancer()
    coarse, frozen, both = enhancer_phases(generator, coarse_fraction=0.5, enhancer_fraction=0.2)
    names = {name for name, _ in generator.named_parameters()}
    assert coarse.trainable | frozen.trainable == names
    assert not coarse.trainable & frozen.trainable
    assert all(name.startswith("model1_") for name in frozen.trainable)
    assert names - both.trainable == {"coarse_head.1.weight", "coarse_head.1.bias"}
    assert (coarse.fraction, frozen.fraction, both.fraction) == pytest.approx((0.5, 0.2, 0.3))


def test_phases_without_a_share_are_left_out():
    phases = enhancer_phases(enhancer(coarse_head=False), coarse_fraction=0, enhancer_fraction=0.25)
    assert [phase.name for phase in phases] == ["enhancer", "both"]


def test_shares_that_are_no_plan_are_refused():
    with pytest.raises(ValueError, match="together 1 or less"):
        enhancer_phases(enhancer(), coarse_fraction=0.9, enhancer_fraction=0.2)
    with pytest.raises(ValueError, match="coarse_head"):
        enhancer_phases(enhancer(coarse_head=False))
