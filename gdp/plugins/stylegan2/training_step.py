"""One step of StyleGAN2's training: generator, discriminator, path length, R1, moving average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from gdp import NonFiniteError, TrainingError
from gdp.plugins.stylegan2 import TrainingSettings
from gdp.plugins.stylegan2.layers import NoiseMode
from gdp.plugins.stylegan2.networks import Discriminator, Generator, channels_by_resolution
from gdp.plugins.stylegan2.objectives import (
    discriminator_loss,
    feature_distance,
    generator_loss,
    path_length_penalty,
    r1_penalty,
)
from gdp.plugins.stylegan2.starting import GivenNetworks
from gdp.plugins.stylegan2.twice import differentiated_twice
from gdp.toolbox import (
    Group,
    LossScaler,
    WeightAverage,
    counter_generator,
    resolve_device,
    training_group,
    training_type,
)


def mix_styles(ws: Tensor, other: Tensor, probability: float, random: torch.Generator | None = None) -> Tensor:
    """Take the ws of `other` from a random layer on, with the given probability (StyleGAN, section 3.1).

    Args:
        ws: (N, num_ws, w_dim).
        other: the same shape, from other latents.
        probability: chance of mixing; one crossover layer is drawn for the whole batch.
        random: source of random numbers, on the processor wherever the ws are: it decides what is done next, and a
            GPU would be waited for.
    """
    if torch.rand((), generator=random).item() >= probability:
        return ws
    crossover = int(torch.randint(1, ws.shape[1], (), generator=random).item())
    return torch.cat([ws[:, :crossover], other[:, crossover:]], dim=1)


Gradients = tuple[Tensor, ...]
Result = TypeVar("Result")


def build_networks(settings: TrainingSettings, resolution: int) -> tuple[Generator, Discriminator]:
    """Build both networks, initialised from the settings' seed."""
    base = channels_by_resolution(resolution, settings.channel_base, settings.channel_max)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        generator = Generator(
            settings.z_dim,
            settings.w_dim,
            resolution,
            channels={**base, **settings.generator_channels},
            mapping_layers=settings.mapping_layers,
            mapping_learning_rate_multiplier=settings.mapping_learning_rate_multiplier,
            conv_clamp=settings.conv_clamp,
        )
        discriminator = Discriminator(
            resolution,
            channels={**base, **settings.discriminator_channels},
            group_size=settings.deviation_group,
            conv_clamp=settings.conv_clamp,
        )
    return generator, discriminator


def lazy_adam(module: nn.Module, learning_rate: float, interval: int | None) -> torch.optim.Adam:
    """Adam(0, 0.99), slowed for a regulariser that steps once every `interval` steps (StyleGAN2, appendix B)."""
    ratio = 1.0 if interval is None else interval / (interval + 1)
    return torch.optim.Adam(
        module.parameters(), lr=learning_rate * ratio, betas=(0.0, 0.99**ratio), eps=1e-8, fused=True
    )


def learning_rate_factor(settings: TrainingSettings, seen: int) -> float:
    """Return what is left of the learning rate after `seen` pictures: 1, then falling in a line to the end."""
    left = _falls(seen, settings.learning_rate_falls_from, settings.images)
    return settings.learning_rate_end + (1 - settings.learning_rate_end) * left


def reconstruction_factor(settings: TrainingSettings, seen: int) -> float:
    """Return what is left of the reconstruction's weights after `seen` pictures: 1, then falling to the floor."""
    if settings.reconstruction_falls is None:
        return 1.0
    left = _falls(seen, *settings.reconstruction_falls)
    return settings.reconstruction_floor + (1 - settings.reconstruction_floor) * left


def _falls(seen: int, first: int, last: int) -> float:
    """Fall from 1 at `first` to 0 at `last`."""
    return min(1.0, max(0.0, (last - seen) / (last - first))) if last > first else float(seen < last)


def own_shards(settings: TrainingSettings, device: torch.device, world: int) -> int:
    """Return into how many parts one of `world` processes divides its part of a batch: of a GPU's into one."""
    return max(1, settings.shards // world) if device.type == "cpu" else 1


def require_parts(settings: TrainingSettings, device: torch.device, group: Group) -> None:
    """Make sure that a batch can be divided among the processes, and each part among groups of the discriminator.

    Raises:
        TrainingError: it cannot.
    """
    group.require_parts(settings.batch)
    parts = group.world * own_shards(settings, device, group.world)
    size, rest = divmod(settings.batch, parts)
    if group.world > 1 and (rest or size % min(settings.deviation_group, size)):
        raise TrainingError(
            f"train.batch = {settings.batch} must divide into {parts} parts, one or more for each of {group.world} "
            f"processes, of a multiple of train.deviation_group = {settings.deviation_group} pictures each"
        )


@dataclass
class Judged:
    """A part of a batch as the discriminator has seen it, with what its own gradients need."""

    fake_logits: Tensor
    """(N, 1), of the generator's pictures."""
    real: Tensor
    """(N, 3, R, R), the part's real pictures."""
    real_features: list[Tensor] | None = None
    """Of the real pictures, where they have been looked at."""


class AdversarialStep:
    """Both networks, their optimizers and the moving average, and what one step does with them.

    On a processor a batch is computed in `shards` equal parts at the same time, each on threads of its own: the threads
    then meet twice in a phase and not in every convolution, which is 1.4 times faster on two busy cores. The parts'
    gradients are added in a fixed order, and every part draws its noise from a source determined by (seed, step, part):
    the numbers do not depend on which thread is faster.

    Where several processes train together, the parts are divided among them: two processes of one part each do to the
    bit what one process does with two.

    Args:
        settings: how to train.
        resolution: of the pictures.
        given: networks to go on from; None begins with random ones.
        tell: told in a sentence where a GPU does not compute in the precision that is asked for.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        resolution: int,
        given: GivenNetworks | None = None,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.settings = settings
        self.device = torch.device(resolve_device(settings.device, "the device of the training"))
        self.group = training_group()
        require_parts(settings, self.device, self.group)
        self.shards = own_shards(settings, self.device, self.group.world)
        generator, discriminator = build_networks(settings, resolution)
        if given is not None:
            given.fill(generator, discriminator)
        self.generator = generator.to(self.device)
        self.discriminator = discriminator.to(self.device)
        self.group.share([*self.generator.state_dict().values(), *self.discriminator.state_dict().values()])
        self.generator.eval()  # the moving mean of w is updated here, once a step
        self.average = WeightAverage(self.generator, settings.ema_half_life)
        self._intervals = (settings.path_length_interval if settings.path_length_weight else None, settings.r1_interval)
        self.generator_optimizer = lazy_adam(self.generator, settings.learning_rate, self._intervals[0])
        rate = settings.discriminator_learning_rate or settings.learning_rate
        self.discriminator_optimizer = lazy_adam(self.discriminator, rate, self._intervals[1])
        self._rates = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers]
        self.mean_path_length = torch.zeros((), device=self.device)
        self.noise_mode: NoiseMode = "random" if settings.noise else "none"
        self.dtype = training_type(settings.precision, self.device, tell)
        self.generator_scaler, self.discriminator_scaler = (LossScaler(self.device, self.dtype) for _ in range(2))
        self._no_scaler = LossScaler(self.device, torch.float32)
        self._pool = ThreadPoolExecutor(self.shards)
        self._random: list[torch.Generator] = []
        self._choices = self._random
        self._finite: list[tuple[str, Tensor]] = []  # phases since the last look, and whether all was finite, ()

    @property
    def _optimizers(self) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        return self.generator_optimizer, self.discriminator_optimizer

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def run(self, real: Tensor, step: int, latents: Tensor | None = None) -> dict[str, Tensor]:
        """Do step number `step`, counted from 0, and return its figures.

        Args:
            real: pictures (N, 3, R, R) in [-1, 1]; of several processes each has its part of the batch.
            step: number of the step.
            latents: what determines these pictures, (N, K) with K up to z_dim, for the reconstruction; the rest of z
                is drawn anew each time, so that the generator learns to ignore it.

        Raises:
            NonFiniteError: a gradient is NaN or infinite; the weights are as they were. On a GPU `check_finite` tells.
        """
        settings, seen = self.settings, step * self.settings.batch
        for optimizer, rate in zip(self._optimizers, self._rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * learning_rate_factor(settings, seen)
        self._open_sources(step)
        parts = [part.contiguous(memory_format=torch.channels_last) for part in real.chunk(self.shards)]
        shards, device = self.shards, self.device
        known = [None] * shards if latents is None else latents.to(device, non_blocking=True).chunk(shards)
        judged, figures = self._generator_phase(parts, known, reconstruction_factor(settings, seen))
        figures |= self._discriminator_phase(judged)
        del judged  # and what it keeps of the features
        if settings.path_length_weight and step % settings.path_length_interval == 0:
            figures |= self._path_length_phase(max(1, len(parts[0]) // settings.path_length_shrink))
        if settings.r1_gamma and step % settings.r1_interval == 0:
            figures |= self._r1_phase(parts)
        self.average.update((step + 1) * settings.batch, settings.batch)
        self.group.average(list(figures.values()))
        return figures

    def check_finite(self) -> None:
        """Make sure that no loss or gradient became NaN or infinite since the last call. On a GPU this waits for it.

        In float16 a gradient that is infinite for its scale alone is none.

        Raises:
            NonFiniteError: one did; it names the phase.
        """
        seen, self._finite = self._finite, []
        finite = torch.stack([each for _, each in seen]).tolist() if seen else []
        if not all(finite):
            raise NonFiniteError(
                f"A loss or gradient of the {seen[finite.index(False)][0]} phase became NaN or infinite. The last "
                "checkpoint is intact: start again from it with a smaller learning_rate, a larger r1_gamma, or "
                "precision = 'float32'."
            )

    def _generator_phase(
        self, real: Sequence[Tensor], known: Sequence[Tensor | None], factor: float
    ) -> tuple[list[Judged], dict[str, Tensor]]:
        parameters, settings = list(self.generator.parameters()), self.settings

        def compute(shard: int) -> tuple[Gradients, Judged, Tensor, dict[str, Tensor]]:
            ws, w_mean, count = self._all_latents(len(real[shard]), shard, known[shard])
            made = self.generator.synthesis(ws, self.noise_mode, self.dtype, self._random[shard])
            # Cut in two: the generator's part is freed with its gradients, and the discriminator's is kept for its own.
            fake = made.detach().requires_grad_()
            features = self.discriminator.features(fake, self.dtype)
            logits = self.discriminator.judge(features)
            judged = Judged(logits, real[shard])
            figures = {"loss_generator": generator_loss(logits).mean()}
            loss = settings.adversarial_weight * figures["loss_generator"]
            if count:
                if settings.feature_weight:
                    judged.real_features = self.discriminator.features(real[shard], self.dtype)
                distances = self._distances(fake, features, judged, count)
                loss = loss + factor * (
                    settings.feature_weight * distances["feature_distance"] + settings.l1_weight * distances["l1"]
                )
                figures |= distances
            (of_fake,) = torch.autograd.grad(self.generator_scaler.scale(loss), fake, retain_graph=True)
            # Without noise its strengths have no gradient: zeros then, and they stay as they were initialised.
            gradients = torch.autograd.grad(made, parameters, of_fake, materialize_grads=True)
            return gradients, judged, w_mean, {name: value.detach() for name, value in figures.items()}

        gradients, judged, w_means, figures = zip(*self._in_parallel(compute), strict=True)
        told = {name: torch.stack([each[name] for each in figures]).mean() for name in figures[0]}
        self._finite.append(("generator", told["loss_generator"].isfinite()))
        told |= self._descend(self.generator_optimizer, parameters, gradients, "generator", self.generator_scaler)
        self.generator.mapping.update_mean(self._mean(w_means))
        return list(judged), told

    def _distances(self, fake: Tensor, features: Sequence[Tensor], judged: Judged, count: int) -> dict[str, Tensor]:
        """Measure the first pictures of a part, whose features in the discriminator are given, against real ones."""
        distance = fake.new_zeros(())
        if judged.real_features is not None:
            targets = [each[:count].detach() for each in judged.real_features]
            distance = feature_distance([each[:count] for each in features], targets)
        return {"feature_distance": distance, "l1": (fake[:count] - judged.real[:count]).abs().mean()}

    def _discriminator_phase(self, judged: Sequence[Judged]) -> dict[str, Tensor]:
        """Let the discriminator learn from what the generator was judged by: each picture is looked at once."""
        parameters = list(self.discriminator.parameters())

        def compute(shard: int) -> tuple[Gradients, Tensor, Tensor, Tensor]:
            part = judged[shard]
            if part.real_features is None:
                part.real_features = self.discriminator.features(part.real, self.dtype)
            real_logits = self.discriminator.judge(part.real_features)
            loss = discriminator_loss(real_logits, part.fake_logits).mean()
            gradients = torch.autograd.grad(self.discriminator_scaler.scale(loss), parameters)
            return gradients, loss.detach(), real_logits.detach().mean(), part.fake_logits.detach().mean()

        gradients, losses, real_logits, fake_logits = zip(*self._in_parallel(compute), strict=True)
        told = {
            "loss_discriminator": torch.stack(losses).mean(),
            "logit_real": torch.stack(real_logits).mean(),
            "logit_fake": torch.stack(fake_logits).mean(),
        }
        self._finite.append(("discriminator", told["loss_discriminator"].isfinite()))
        scaler = self.discriminator_scaler
        return told | self._descend(self.discriminator_optimizer, parameters, gradients, "discriminator", scaler)

    def _path_length_phase(self, count: int) -> dict[str, Tensor]:
        parameters = list(self.generator.parameters())
        weight = self.settings.path_length_weight * self.settings.path_length_interval

        def compute(shard: int) -> tuple[Gradients, Tensor, Tensor]:
            ws, _ = self._latents(count, shard)
            random = self._random[shard]
            with differentiated_twice():
                images = self.generator.synthesis(ws, self.noise_mode, torch.float32, random)
            noise = torch.randn(images.shape, generator=random, device=self.device)
            decay = self.settings.path_length_decay
            penalty, mean = path_length_penalty(images, ws, self.mean_path_length, decay, noise)
            gradients = torch.autograd.grad(penalty.mean() * weight, parameters, materialize_grads=True)
            return gradients, penalty.detach().mean(), mean

        gradients, penalties, means = zip(*self._in_parallel(compute), strict=True)
        self._descend(self.generator_optimizer, parameters, gradients, "path length", self._no_scaler)
        self.mean_path_length = self._mean(means)
        return {"path_length_penalty": torch.stack(penalties).mean(), "path_length": self.mean_path_length.clone()}

    def _r1_phase(self, real: Sequence[Tensor]) -> dict[str, Tensor]:
        parameters = list(self.discriminator.parameters())
        weight = self.settings.r1_gamma / 2 * self.settings.r1_interval

        def compute(shard: int) -> tuple[Gradients, Tensor]:
            images = real[shard].detach().requires_grad_()
            with differentiated_twice():
                logits = self.discriminator(images)
            penalty = r1_penalty(logits, images).mean()
            return torch.autograd.grad(penalty * weight, parameters, materialize_grads=True), penalty.detach()

        gradients, penalties = zip(*self._in_parallel(compute), strict=True)
        self._descend(self.discriminator_optimizer, parameters, gradients, "R1", self._no_scaler)
        return {"r1_penalty": torch.stack(penalties).mean()}

    def _all_latents(self, count: int, shard: int, known: Tensor | None) -> tuple[Tensor, Tensor, int]:
        """Return ws (count, num_ws, w_dim), the mean of the latents' w (w_dim,), and how many first rows are known.

        Of the known latents (count, K) the first are taken, their z filled up with numbers drawn anew; the others of
        the batch are drawn freely.
        """
        if known is None:
            return *self._latents(count, shard), 0
        random, mapping = self._random[shard], self.generator.mapping
        free = round(count * self.settings.free_share)
        known = known[: count - free]
        rest = torch.randn(len(known), mapping.z_dim - known.shape[1], generator=random, device=self.device)
        ws = mapping(torch.cat([known, rest], dim=1))
        total = ws[:, 0].detach().sum(dim=0)
        if free:
            drawn, mean = self._latents(free, shard)
            ws, total = torch.cat([ws, drawn]), total + free * mean
        return ws, total / count, len(known)

    def _latents(self, count: int, shard: int) -> tuple[Tensor, Tensor]:
        """Draw ws (count, num_ws, w_dim), mixed and truncated, and the mean of the first latents' w (w_dim,)."""
        random, mapping, settings = self._random[shard], self.generator.mapping, self.settings
        z = torch.randn(2 * count, mapping.z_dim, generator=random, device=self.device)
        ws, other = mapping(z).chunk(2)
        mean = ws[:, 0].detach().mean(dim=0)
        ws = mix_styles(ws, other, settings.style_mixing, self._choices[shard])
        if settings.truncated_share:
            chance, place = torch.rand(2, count, 1, 1, generator=random, device=self.device)
            psi = settings.lowest_truncation + (1 - settings.lowest_truncation) * place
            ws = mapping.w_avg.lerp(ws, torch.where(chance < settings.truncated_share, psi, 1.0))
        return ws, mean

    def _in_parallel(self, compute: Callable[[int], Result]) -> list[Result]:
        if self.shards == 1:
            return [compute(0)]
        return list(self._pool.map(compute, range(self.shards)))

    def _mean(self, parts: Sequence[Tensor]) -> Tensor:
        """Average what the parts of a batch have found, over the processes, too."""
        mean = torch.stack(list(parts)).mean(dim=0)
        self.group.average([mean])
        return mean

    def _open_sources(self, step: int) -> None:
        """Open what a step's parts draw from: noise on the device, and on the processor what decides what is done."""
        first, seed = self.group.rank * self.shards, self.settings.seed
        numbers = range(first, first + self.shards)
        self._random = [counter_generator(seed, f"noise{part}", step, self.device) for part in numbers]
        self._choices = self._random
        if self.device.type != "cpu":
            self._choices = [counter_generator(seed, f"noise{part}", step) for part in numbers]

    def _descend(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[Tensor],
        shards: Sequence[Gradients],
        phase: str,
        scaler: LossScaler,
    ) -> dict[str, Tensor]:
        """Do a phase's step, and return what its scaler has to tell."""
        gradients = list(shards[0])
        for others in shards[1:]:
            gradients = list(torch._foreach_add(gradients, others))
        if len(shards) > 1:
            torch._foreach_div_(gradients, len(shards))
        if self.group.world > 1:
            gradients = [gradient.clone() for gradient in gradients]
            self.group.average(gradients)
        # The fused optimizer reads memory in order: gradients must be laid out as their parameters.
        gradients = [gradient.contiguous() for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        scaler.unscale_(optimizer)
        norm = torch.stack(list(torch._foreach_norm(gradients))).max()
        told = scaler.figures(norm)
        self._finite.append((phase, told.get("gradient_norm", norm).isfinite()))
        if self.device.type == "cpu":
            self.check_finite()
        scaler.step(optimizer)
        scaler.update()
        return {f"{name}_{phase}": told[name] for name in ("loss_scale", "skipped") if name in told}
