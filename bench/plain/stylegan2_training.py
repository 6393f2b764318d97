"""One step of StyleGAN2's training in the published order, with `torch.optim.Adam` as it comes."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gdp.plugins.stylegan2 import TrainingSettings
from plain.stylegan2 import Discriminator, Generator


class StyleGAN2Training:
    """Both networks with their optimizers and the moving average of the generator.

    Args:
        settings: those of `gdp train-teacher`; precision, shards and reconstruction do not count here.
        generator: weights to begin with.
        discriminator: weights to begin with.
        device: where to train.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        generator: dict[str, Tensor],
        discriminator: dict[str, Tensor],
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.device = device
        self.generator = build_generator(settings, generator).to(device)
        self.discriminator = build_discriminator(settings, discriminator).to(device)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        path_length = settings.path_length_interval if settings.path_length_weight else None
        self.generator_optimizer = _lazy_adam(self.generator, settings, path_length)
        self.discriminator_optimizer = _lazy_adam(self.discriminator, settings, settings.r1_interval)
        self.mean_path_length = torch.zeros((), device=device)

    def step(self, real: Tensor, number: int) -> dict[str, Tensor]:
        """Do step `number`, counted from 0, on real pictures (N, 3, R, R) in [-1, 1]; return its losses."""
        settings = self.settings
        losses = self._discriminator_step(real)
        if settings.r1_gamma and number % settings.r1_interval == 0:
            losses |= self._r1_step(real)
        losses |= self._generator_step(len(real))
        if settings.path_length_weight and number % settings.path_length_interval == 0:
            losses |= self._path_length_step(max(1, len(real) // settings.path_length_shrink))
        self._take_average((number + 1) * len(real), len(real))
        return losses

    def _discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        self.generator.requires_grad_(False)
        self.discriminator.requires_grad_(True)
        fake, _ = self._generate(len(real))
        fake_logits, real_logits = self.discriminator(fake), self.discriminator(real)
        loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
        _descend(self.discriminator_optimizer, loss)
        return {"loss_discriminator": loss.detach()}

    def _r1_step(self, real: Tensor) -> dict[str, Tensor]:
        real = real.detach().requires_grad_()
        logits = self.discriminator(real)
        (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        penalty = gradient.square().sum(dim=[1, 2, 3]).mean()
        weight = self.settings.r1_gamma / 2 * self.settings.r1_interval
        # The logit's zero share gives every parameter a gradient, as published.
        _descend(self.discriminator_optimizer, weight * penalty + 0 * logits[0, 0])
        return {"r1_penalty": penalty.detach()}

    def _generator_step(self, count: int) -> dict[str, Tensor]:
        self.generator.requires_grad_(True)
        self.discriminator.requires_grad_(False)
        fake, _ = self._generate(count)
        loss = F.softplus(-self.discriminator(fake)).mean()
        _descend(self.generator_optimizer, loss)
        return {"loss_generator": loss.detach()}

    def _path_length_step(self, count: int) -> dict[str, Tensor]:
        settings = self.settings
        fake, ws = self._generate(count)
        noise = torch.randn_like(fake) / math.sqrt(fake.shape[2] * fake.shape[3])
        (gradient,) = torch.autograd.grad((fake * noise).sum(), ws, create_graph=True)
        lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
        mean = self.mean_path_length + settings.path_length_decay * (lengths.mean() - self.mean_path_length)
        penalty = (lengths - mean).square().mean()
        weight = settings.path_length_weight * settings.path_length_interval
        _descend(self.generator_optimizer, weight * penalty + 0 * fake[0, 0, 0, 0])
        self.mean_path_length = mean.detach()
        return {"path_length_penalty": penalty.detach()}

    def _generate(self, count: int) -> tuple[Tensor, Tensor]:
        """Make pictures of fresh latents, styles mixed; return them and their ws (count, num_ws, w_dim)."""
        ws = self.generator.mapping(self._latents(count))
        if torch.rand(()).item() < self.settings.style_mixing:
            crossover = int(torch.randint(1, ws.shape[1], ()))
            other = self.generator.mapping(self._latents(count))
            ws = torch.cat([ws[:, :crossover], other[:, crossover:]], dim=1)
        return self.generator.synthesis(ws, self.settings.noise), ws

    def _latents(self, count: int) -> Tensor:
        return torch.randn(count, self.settings.z_dim, device=self.device)

    @torch.no_grad()
    def _take_average(self, seen: int, batch: int) -> None:
        half_life = min(self.settings.ema_half_life, 0.05 * seen)  # the published ramp
        decay = 0.5 ** (batch / half_life) if half_life > 0 else 0.0
        for average, weight in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            average.mul_(decay).add_(weight, alpha=1 - decay)
        for kept, buffer in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            kept.copy_(buffer)


def build_generator(settings: TrainingSettings, weights: dict[str, Tensor]) -> Generator:
    """Build the generator of these settings around these weights."""
    channels = {int(name.split(".")[1][1:]): len(weights[name]) for name in weights if name.endswith("conv1.bias")}
    layers, multiplier = settings.mapping_layers, settings.mapping_learning_rate_multiplier
    generator = Generator(settings.z_dim, settings.w_dim, channels, layers, multiplier)
    generator.load_state_dict(weights)
    return generator


def build_discriminator(settings: TrainingSettings, weights: dict[str, Tensor]) -> Discriminator:
    """Build the discriminator of these settings around these weights."""
    channels = {int(name.split(".")[0][1:]): len(weights[name]) for name in weights if name.endswith("conv0.bias")}
    channels[4] = len(weights["b4.conv.bias"])
    discriminator = Discriminator(channels, settings.deviation_group)
    discriminator.load_state_dict(weights)
    return discriminator


def _lazy_adam(network: nn.Module, settings: TrainingSettings, interval: int | None) -> torch.optim.Adam:
    """Adam(0, 0.99), slowed for a regulariser that steps once every `interval` steps (appendix B)."""
    ratio = 1.0 if interval is None else interval / (interval + 1)
    return torch.optim.Adam(network.parameters(), lr=settings.learning_rate * ratio, betas=(0.0, 0.99**ratio))


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
