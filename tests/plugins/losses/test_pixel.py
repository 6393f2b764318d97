import torch

from gdp.plugins.losses.terms import l1_loss


def test_l1_is_the_mean_absolute_difference():
    assert l1_loss(torch.full((2, 3, 4, 4), -1.0), torch.ones(2, 3, 4, 4)).item() == 2.0
