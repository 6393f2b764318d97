"""The built-in methods, on latents whose scores are known functions of w."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gdp.core.config import Config
from gdp.core.errors import ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.directions import (
    ClassMeansConfig,
    LinearSvmConfig,
    LogisticRegressionConfig,
    PrincipalComponentsConfig,
    RidgeConfig,
    SefaConfig,
)
from gdp.plugins.directions.methods import (
    ClassMeans,
    ClosedForm,
    LinearSvmNormal,
    LogisticRegressionNormal,
    PrincipalComponents,
    RidgeNormal,
)
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.support.interfaces.directions import DirectionMethod, DirectionSearch

AGE = torch.zeros(24, dtype=torch.float64)
AGE[[0, 1]] = torch.tensor([0.8, 0.6], dtype=torch.float64)
SMILE = torch.zeros(24, dtype=torch.float64)
SMILE[[1, 2]] = torch.tensor([0.6, -0.8], dtype=torch.float64)

LABELLED: dict[str, tuple[type[DirectionMethod], Callable[[], Config]]] = {
    "class-means": (ClassMeans, ClassMeansConfig),
    "logistic-regression": (LogisticRegressionNormal, lambda: LogisticRegressionConfig(inverse_regularisation=1.0)),
    "linear-svm": (LinearSvmNormal, lambda: LinearSvmConfig(inverse_regularisation=1.0)),
    "ridge": (RidgeNormal, lambda: RidgeConfig(penalty=1e-3)),
}


def standardised(score: Tensor) -> Tensor:
    return (score - score.mean()) / score.std()


@pytest.fixture(scope="module")
def latents() -> tuple[Tensor, Tensor, Tensor]:
    """(w, age, smile): correlated, unequal spreads; the scores are monotonic in a projection, up to noise."""
    random = torch.Generator().manual_seed(0)
    mixing = torch.eye(24, dtype=torch.float64) + 0.2 * torch.randn(24, 24, generator=random, dtype=torch.float64)
    w = torch.randn(4000, 24, generator=random, dtype=torch.float64) @ mixing + 3
    noise = torch.randn(2, 4000, generator=random, dtype=torch.float64)
    age = 45 + 10 * (w @ AGE) + 2 * noise[0]
    smile = torch.sigmoid(2 * ((w - 3) @ SMILE) + 0.2 * noise[1])
    return w, standardised(age), standardised(smile)


def found_by(name: str, search: DirectionSearch) -> Tensor:
    method, settings = LABELLED[name]
    (found,) = method(settings(), BuildContext()).find(search)
    return found.vector / found.vector.norm()


@pytest.mark.parametrize("name", LABELLED)
def test_the_score_grows_along_the_direction_and_held_scores_stay(
    name: str, latents: tuple[Tensor, Tensor, Tensor], tiny_teacher: StyleGAN2Teacher
) -> None:
    w, age, smile = latents
    free = found_by(name, DirectionSearch(w, tiny_teacher, age))
    held = found_by(name, DirectionSearch(w, tiny_teacher, age, {"smile": smile}))
    assert free @ AGE > (0.5 if name == "class-means" else 0.9)
    assert held @ AGE > 0.5
    assert abs(held @ SMILE) < 0.05 < abs(free @ SMILE)
    torch.testing.assert_close(found_by(name, DirectionSearch(w, tiny_teacher, age)), free, msg="not repeatable")
    torch.testing.assert_close(found_by(name, DirectionSearch(w, tiny_teacher, -age)), -free, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", LABELLED)
def test_too_few_samples_are_refused(name: str, tiny_teacher: StyleGAN2Teacher) -> None:
    w = torch.randn(40, 24, dtype=torch.float64)
    with pytest.raises(ShapeError, match="40 usable samples are too few for a direction of 24 numbers"):
        found_by(name, DirectionSearch(w, tiny_teacher, w[:, 0]))


def test_principal_components_are_the_widest_directions_in_order(tiny_teacher: StyleGAN2Teacher) -> None:
    random = torch.Generator().manual_seed(1)
    spread = torch.ones(24, dtype=torch.float64)
    spread[[5, 9]] = torch.tensor([6.0, 3.0], dtype=torch.float64)
    w = torch.randn(3000, 24, generator=random, dtype=torch.float64) * spread - 2
    method = PrincipalComponents(PrincipalComponentsConfig(), BuildContext())
    first, second, third = method.find(DirectionSearch(w, tiny_teacher, components=3))
    assert first.vector[5] > 0.99, "and its largest number is positive"
    assert second.vector[9] > 0.99
    assert first.facts["variance_share"] > second.facts["variance_share"] > third.facts["variance_share"]
    with pytest.raises(ShapeError, match="no 25 components"):
        method.find(DirectionSearch(w, tiny_teacher, components=25))


def test_sefa_gives_what_the_chosen_layers_respond_to_most(tiny_teacher: StyleGAN2Teacher) -> None:
    weights = tiny_teacher.style_weights()
    assert [tuple(weight.shape) for weight in weights] == [(16, 24), (16, 24), (12, 24), (12, 24), (8, 24), (8, 24)]
    method = ClosedForm(SefaConfig(), BuildContext())
    search = DirectionSearch(torch.zeros(1, 24, dtype=torch.float64), tiny_teacher, layers=(1, 2), components=4)
    found = [direction.vector for direction in method.find(search)]
    rows = torch.cat([weights[1], weights[2]]).double()
    rows = rows / rows.norm(dim=1, keepdim=True)
    responses = [float((rows @ vector).square().sum()) for vector in found]
    assert responses == sorted(responses, reverse=True)
    torch.testing.assert_close(torch.stack(found) @ torch.stack(found).T, torch.eye(4, dtype=torch.float64))
    assert responses[0] == pytest.approx(float(torch.linalg.matrix_norm(rows, 2)) ** 2)


def test_the_style_weights_are_those_that_move_the_picture(tiny_teacher: StyleGAN2Teacher) -> None:
    ws = tiny_teacher.map(tiny_teacher.sample_z(0, [0]))
    for layer, weight in enumerate(tiny_teacher.style_weights()[:5]):
        _, _, directions = torch.linalg.svd(weight.double(), full_matrices=True)
        strong, null = ws.clone(), ws.clone()
        strong[:, layer] += directions[0].float()
        null[:, layer] += directions[-1].float()  # fewer outputs than numbers in w: some direction moves nothing
        still = tiny_teacher.synthesize(ws)
        assert (tiny_teacher.synthesize(strong) - still).abs().max() > 1e-3
        if layer == 0:
            torch.testing.assert_close(tiny_teacher.synthesize(null), still, rtol=0, atol=1e-4)
