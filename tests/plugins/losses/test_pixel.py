import pytest
import torch

from gdp import BuildContext, TrainingStep
from gdp.plugins.losses import NoSettings
from gdp.plugins.losses.terms import RMSELoss, l1_loss


def test_l1_is_the_mean_absolute_difference():
    assert l1_loss(torch.full((2, 3, 4, 4), -1.0), torch.ones(2, 3, 4, 4)).item() == 2.0


def test_rmse_is_the_root_over_the_whole_batch_and_has_a_slope_where_nothing_differs():
    prediction = torch.zeros(2, 3, 4, 4, requires_grad=True)
    target = torch.cat([torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)])
    assert _rmse(prediction, target).item() == pytest.approx(0.5**0.5)
    still = _rmse(prediction, torch.zeros(2, 3, 4, 4))
    still.backward()
    assert torch.equal(prediction.grad, torch.zeros_like(prediction))


def _rmse(prediction, target):
    step = TrainingStep(
        source=target,
        generate=lambda images: prediction,
        discriminate_frozen=lambda image: [],
        discriminate=lambda image: [],
        make_prediction=lambda: prediction,
        make_target=lambda: target,
    )
    return RMSELoss(NoSettings(), BuildContext()).generator(step)
