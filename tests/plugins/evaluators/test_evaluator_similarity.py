from __future__ import annotations

import pytest
import torch

from gdp.plugins.evaluators.similarity import MAX_PSNR_DB, l1, laplacian_variance, psnr_db, ssim


def flat(*values: float, size: int = 16) -> torch.Tensor:
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, size, size)


def test_psnr_is_taken_of_each_picture_with_the_range_from_minus_one_to_one() -> None:
    # mean squared errors 1 and 0.01: 10 log10(2^2 / mse)
    values = psnr_db(flat(1.0, 0.1), flat(0.0, 0.0))
    assert values.tolist() == pytest.approx([6.0206, 26.0206], abs=1e-4)


def test_identical_pictures_count_a_finite_psnr() -> None:
    assert psnr_db(flat(0.3), flat(0.3)).tolist() == [MAX_PSNR_DB]


def test_l1_is_the_mean_absolute_difference_in_units_of_the_range() -> None:
    assert l1(flat(1.0, -0.5), flat(-1.0, 0.0)).tolist() == [2.0, 0.5]


def test_ssim_of_flat_pictures_is_its_luminance_term() -> None:
    # (2ab + C1) / (a^2 + b^2 + C1) with C1 = (0.01 * 2)^2; the contrast term of flat pictures is 1
    a, b, c1 = 0.5, 0.25, 0.0004
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(flat(a, a), flat(b, a)).tolist() == pytest.approx([expected, 1.0], abs=1e-4)


def test_ssim_of_one_picture_is_still_a_vector() -> None:
    assert ssim(flat(0.2), flat(0.1)).shape == (1,)


def test_laplacian_variance_of_one_bright_pixel() -> None:
    image = torch.zeros(2, 3, 5, 5)
    image[1, :, 2, 2] = 1.0
    # the Laplacian is -4 at the pixel and 1 at its four neighbours; its mean is 0
    assert laplacian_variance(image).tolist() == pytest.approx([0.0, (16 + 4) / 25])


def test_a_blurred_picture_has_a_smaller_laplacian_variance() -> None:
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(image, 3, stride=1, padding=1)
    assert laplacian_variance(blurred).item() < 0.2 * laplacian_variance(image).item()
