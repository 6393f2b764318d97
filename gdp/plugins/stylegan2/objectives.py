"""The training objectives of StyleGAN2. Each returns one value per sample; the caller takes the mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Non-saturating logistic loss of the generator, per sample."""
    # Goodfellow et al. 2014, section 3: maximise log D(G(z)), that is minimise -log sigmoid(D(G(z))).
    return functional.softplus(-fake_logits)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss of the discriminator, per pair of samples."""
    # Goodfellow et al. 2014, equation 1: -log sigmoid(D(x)) - log(1 - sigmoid(D(G(z)))).
    return functional.softplus(-real_logits) + functional.softplus(fake_logits)


def r1_penalty(real_logits: Tensor, real_images: Tensor) -> Tensor:
    """Squared gradient norm of the discriminator at real pictures, (N,); multiply by gamma / 2.

    Args:
        real_logits: (N, 1), computed from `real_images`.
        real_images: (N, 3, R, R) that require gradients.
    """
    # Mescheder et al. 2018, equation 9: R1 = gamma / 2 * E[ |grad D(x)|^2 ].
    (gradient,) = torch.autograd.grad(real_logits.sum(), real_images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


def feature_distance(features: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of features (N, C, H, W), as a share of the targets' size, averaged over the layers.

    The features are those of the discriminator that the generator plays against (feature matching, pix2pixHD, equation
    3): what it cannot tell apart costs nothing, and a mean of several pictures, which squared pixels love, costs much.
    """
    shares = [
        (ours.float() - theirs.float()).abs().mean() / theirs.float().abs().mean().clamp(min=1e-8)
        for ours, theirs in zip(features, targets, strict=True)
    ]
    return torch.stack(shares).mean()


def path_length_penalty(
    images: Tensor, ws: Tensor, mean_length: Tensor, decay: float = 0.01, noise: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Squared deviation of the path length from its moving mean, (N,), and the updated mean.

    Args:
        images: (N, 3, R, R), computed from `ws`.
        ws: (N, num_ws, w_dim) that require gradients.
        mean_length: moving mean of the path length so far, a scalar.
        decay: share of the new value in the moving mean.
        noise: picture-shaped standard normal numbers; None draws them.
    """
    # StyleGAN2, equation 4: E[ (|J_w^T y|_2 - a)^2 ] with y ~ N(0, I), here divided by the picture's size;
    # J_w^T y is the gradient of <G(w), y>, and a is the moving mean of the lengths.
    noise = torch.randn_like(images) if noise is None else noise
    noise = noise / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
    lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
    # The gradient also flows through the new mean, as in the authors' program.
    new_mean = mean_length.lerp(lengths.mean(), decay)
    return (lengths - new_mean).square(), new_mean.detach()
