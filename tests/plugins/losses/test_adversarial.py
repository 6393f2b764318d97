import math

import pytest
import torch
import torch.nn.functional as F

from gdp.plugins.losses.terms import OBJECTIVES, discriminator_loss, generator_loss


def judgement(*logits):
    """One scale for each number, with a feature map that no adversarial loss may look at."""
    return [[torch.full((2, 3, 4, 4), 99.0), torch.full((2, 1, 3, 3), value)] for value in logits]


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("lsgan", (0.2 - 1) ** 2 + 3**2, 0.5 * (0.3**2 + 2**2 + 0.2**2 + 2**2)),
        ("hinge", -0.2 + 2, 0.5 * (0.3 + 2 + 1.2 + 0)),
        (
            "non-saturating",
            math.log1p(math.exp(-0.2)) + math.log1p(math.exp(2)),
            0.5
            * (
                math.log1p(math.exp(-0.7))
                + math.log1p(math.exp(1))
                + math.log1p(math.exp(0.2))
                + math.log1p(math.exp(-2))
            ),
        ),
    ],
)
def test_objectives_sum_their_formula_over_the_scales(name, generator, discriminator):
    fake, real = judgement(0.2, -2.0), judgement(0.7, -1.0)
    assert generator_loss(OBJECTIVES[name], fake).item() == pytest.approx(generator, rel=1e-5)
    assert discriminator_loss(OBJECTIVES[name], real, fake).item() == pytest.approx(discriminator, rel=1e-5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_players_pull_the_logits_in_opposite_directions(name):
    logits = torch.zeros(1, 1, 2, 2, requires_grad=True)
    objective = OBJECTIVES[name]
    (towards_real,) = torch.autograd.grad(objective.generator(logits), logits)
    (away_from_real,) = torch.autograd.grad(objective.fake(logits + 0.1), logits)
    assert (towards_real < 0).all()
    assert (away_from_real > 0).all()


def test_non_saturating_is_the_binary_cross_entropy_of_probabilities():
    logits = torch.randn(2, 1, 5, 5)
    expected = F.binary_cross_entropy(torch.sigmoid(logits), torch.ones_like(logits))
    torch.testing.assert_close(generator_loss(OBJECTIVES["non-saturating"], [[logits]]), expected)


def test_losses_of_bfloat16_judgements_are_computed_in_float32():
    loss = generator_loss(OBJECTIVES["lsgan"], [[torch.full((1, 1, 2, 2), 0.25, dtype=torch.bfloat16)]])
    assert loss.dtype == torch.float32
