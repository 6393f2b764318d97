"""Teacher and evaluator keep gdp's contract; surfaces become smooth and edges stay."""

import gdp
import torch
from gdp.testing import conformance

from gdp_teacher_smoothing.config import SmoothingConfig
from gdp_teacher_smoothing.edges import EdgesEvaluator, gradient
from gdp_teacher_smoothing.teacher import SmoothingTeacher


@conformance.cases("teacher", "smoothing", settings={"resolution": 16, "steps": 5})
def test_contract_of_the_teacher(case: conformance.Case) -> None:
    case()


@conformance.cases("evaluator", "edges")
def test_contract_of_the_evaluator(case: conformance.Case) -> None:
    case()


def smooth(images: torch.Tensor, **settings: float) -> torch.Tensor:
    return SmoothingTeacher(SmoothingConfig.model_validate(settings), gdp.BuildContext()).translate(images)


def test_noise_goes_and_the_edge_stays() -> None:
    clean = torch.full((1, 3, 16, 16), -0.5)
    clean[..., 8:] = 0.5
    noisy = clean + 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    smoothed = smooth(noisy)
    assert (smoothed - clean).std() < 0.3 * (noisy - clean).std()
    assert (smoothed[..., 8] - smoothed[..., 7]).min() > 0.9


def test_brightness_and_range_stay() -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    smoothed = smooth(images, edge=2.0, rate=0.25)
    assert torch.allclose(smoothed.mean(dim=(2, 3)), images.mean(dim=(2, 3)), atol=1e-5)
    assert images.min() <= smoothed.min() <= smoothed.max() <= images.max()
    assert gradient(smoothed).sum() < 0.2 * gradient(images).sum()


def test_other_settings_have_another_fingerprint_and_another_resolution_has_not() -> None:
    fingerprints = [
        SmoothingTeacher(config, gdp.BuildContext()).fingerprint
        for config in (SmoothingConfig(), SmoothingConfig(steps=61), SmoothingConfig(resolution=128))
    ]
    assert fingerprints[0] != fingerprints[1]
    assert fingerprints[0] == fingerprints[2]


def test_the_report_is_told_how_much_of_the_teachers_edges_is_left() -> None:
    shares = {"student_edges": 0.45, "teacher_edges": 0.9, "student_texture": 0.2, "teacher_texture": 0.1}
    numbers = {f"quality.edges.{name}": share for name, share in shares.items()}
    (sentence,) = EdgesEvaluator.sentences(numbers)
    (headline,) = EdgesEvaluator.headlines(numbers)
    assert "It keeps **45\u00a0%** of the strength of edges" in sentence.text
    assert (headline.value, headline.words) == ("50\u00a0%", "of the teacher's edges")
