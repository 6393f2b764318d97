"""One training step: the generator against the weighted losses, then the discriminator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from gdp.core.errors import TrainingError
from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.interfaces.students import Discrimination, Student
from gdp.core.training.image_pool import ImagePool

WeightedLoss = tuple[str, float, Loss]
"""Name of a loss in the statistics, its weight, and the loss."""


class StepDiscriminator:
    """Runs the student's discriminator in one step, on each picture only once.

    Without an image pool the generator's and the discriminator's losses see the same prediction. It is then run
    through the discriminator once, with gradient to the prediction and to the parameters, and each backward pass
    is restricted to the parameters that it is for.

    Args:
        student: whose discriminator runs.
        source: (N, C, H, W), the step's sources.
        prediction: (N, 3, H, W), what the student makes of them.
        pool: earlier predictions, or None.
        generator: what the pool's choices are drawn from.
    """

    def __init__(
        self, student: Student, source: Tensor, prediction: Tensor, pool: ImagePool | None, generator: torch.Generator
    ) -> None:
        self._student = student
        self._source = source
        self._prediction = prediction
        self._pool = pool
        self._generator = generator
        self._shown: tuple[Tensor, Tensor] | None = None
        self._shared: Discrimination | None = None

    @property
    def is_shared(self) -> bool:
        """Whether the discriminator's losses will need the graph of the generator's."""
        return self._shared is not None

    def frozen(self, image: Tensor) -> Discrimination:
        """Discriminate a picture for the generator's losses."""
        if image is self._prediction and self._pool is None:
            if self._shared is None:
                self._shared = self._student.discriminate(self._source, image)
            return self._shared
        with _without_weight_gradients(self._student.discriminator):
            return self._student.discriminate(self._source, image)

    def show(self, prediction: Tensor) -> Tensor:
        """Return what the discriminator's losses see of a prediction: without gradient, maybe an earlier one."""
        source, image = self._source, prediction.detach()
        if self._pool is not None:
            pooled = self._pool.query(torch.cat([source, image], dim=1), self._generator)
            source, image = torch.split(pooled, [source.shape[1], image.shape[1]], dim=1)
        self._shown = (source, image)
        return image

    def trained(self, image: Tensor) -> Discrimination:
        """Discriminate a picture for the discriminator's losses."""
        if self._shown is None or image is not self._shown[1]:
            return self._student.discriminate(self._source, image)
        return self._shared if self._shared is not None else self._student.discriminate(*self._shown)


@contextmanager
def _without_weight_gradients(module: nn.Module | None) -> Iterator[None]:
    trained = [] if module is None else [weight for weight in module.parameters() if weight.requires_grad]
    for weight in trained:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)


def check_losses(student: Student, losses: Sequence[WeightedLoss]) -> bool:
    """Say whether a discriminator is trained.

    Raises:
        TrainingError: there is no loss, or a loss needs a discriminator that the student does not have.
    """
    if not losses:
        raise TrainingError("the recipe has no [[losses]]: a student needs at least one, such as l1")
    adversarial = [name for name, _, loss in losses if loss.adversarial]
    if adversarial and student.discriminator is None:
        raise TrainingError(
            f"the losses {', '.join(adversarial)} need a discriminator and the student {type(student).__name__} has "
            f"none: take them out of the recipe or choose another student"
        )
    return bool(adversarial)


def generator_terms(step: TrainingStep, losses: Sequence[WeightedLoss]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the generator's objective and its terms by statistics name, before their weights."""
    terms = {f"generator.{name}": loss.generator(step).float() for name, _, loss in losses}
    weights = [weight for _, weight, _ in losses]
    return _sum(weight * term for weight, term in zip(weights, terms.values(), strict=True)), terms


def discriminator_terms(step: TrainingStep, losses: Sequence[WeightedLoss]) -> tuple[Tensor, dict[str, Tensor]] | None:
    """Return the discriminator's objective and its terms by statistics name; None where no loss trains one."""
    values = {f"discriminator.{name}": loss.discriminator(step) for name, _, loss in losses}
    terms = {name: term.float() for name, term in values.items() if term is not None}
    return (_sum(iter(terms.values())), terms) if terms else None


def _sum(terms: Iterator[Tensor]) -> Tensor:
    total = next(terms)
    for term in terms:
        total = total + term
    return total


class Descent:
    """Adam over some parameters of a network.

    Args:
        parameters: name to parameter; those that take part.
        learning_rate: before the schedule's factor.
        betas: Adam's decay rates.
        clip: largest L2 norm of the gradient, or None.
    """

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        learning_rate: float,
        betas: tuple[float, float],
        clip: float | None = None,
    ) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self._clip = clip
        self.optimizer = torch.optim.Adam(list(parameters.values()), lr=learning_rate, betas=betas, fused=True)

    def descend(self, objective: Tensor, factor: float, retain_graph: bool = False) -> Tensor:
        """Take one step down the objective and return the gradient's L2 norm before clipping.

        Args:
            objective: a scalar; gradients are computed for this object's parameters alone.
            factor: of the learning rate.
            retain_graph: whether another backward pass will run through the objective's graph.
        """
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(objective, inputs=list(self.parameters.values()), retain_graph=retain_graph)
        gradients = [weight.grad for weight in self.parameters.values() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self._clip is not None:
            torch.nn.utils.clip_grads_with_norm_(list(self.parameters.values()), self._clip, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * factor
        self.optimizer.step()
        return norm

    def state(self) -> dict[str, Tensor]:
        """Return Adam's state as `parameter/exp_avg`, `parameter/exp_avg_sq` and `parameter/step`."""
        return {
            f"{name}/{key}": value
            for name, weight in self.parameters.items()
            for key, value in self.optimizer.state.get(weight, {}).items()
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state()` returned; memory formats become those of the parameters."""
        for entry, value in state.items():
            name, key = entry.rsplit("/", 1)
            weight = self.parameters[name]
            like_weight = key != "step"
            kept = torch.empty_like(weight, requires_grad=False) if like_weight else torch.empty_like(value)
            self.optimizer.state[weight][key] = kept.copy_(value) if like_weight else value.to(weight.device)


def train_step(
    student: Student,
    source: Tensor,
    target: Tensor,
    losses: Sequence[WeightedLoss],
    *,
    generate: Callable[[Tensor], Tensor],
    generator_descent: Descent,
    discriminator_descent: Descent | None,
    factor: float,
    pool: ImagePool | None,
    pool_generator: torch.Generator,
    autocast: Callable[[], AbstractContextManager[object]],
) -> dict[str, Tensor]:
    """Train both networks on one batch, in pix2pixHD's order: all forwards, then the generator, then the adversary.

    Args:
        student: what is trained.
        source: (N, C, H, W) in [-1, 1].
        target: (N, 3, H, W) in [-1, 1].
        losses: name, weight and loss of each term.
        generate: the generator as the phase trains it.
        generator_descent: moves the generator.
        discriminator_descent: moves the discriminator; None where no loss is adversarial.
        factor: of the learning rates.
        pool: earlier predictions shown to the discriminator, or None.
        pool_generator: what the pool's choices are drawn from.
        autocast: makes the context that forwards run in.

    Returns:
        Statistics name to scalar, without gradient: each term, the sums, the gradients' norms.
    """
    with autocast():
        prediction = generate(source).float()
        adversary = StepDiscriminator(student, source, prediction, pool, pool_generator)
        step = TrainingStep(source, target, prediction, adversary.frozen, adversary.trained, detached=adversary.show)
        objective, values = generator_terms(step, losses)
    values["generator"] = objective
    # The optimizer's step writes into the generator's weights; the discriminator's backward pass never reaches them.
    values["generator.gradient_norm"] = generator_descent.descend(objective, factor, retain_graph=adversary.is_shared)
    if discriminator_descent is not None:
        with autocast():
            adversarial = discriminator_terms(step, losses)
        if adversarial is not None:
            objective, terms = adversarial
            norm = discriminator_descent.descend(objective, factor)
            values |= {**terms, "discriminator": objective, "discriminator.gradient_norm": norm}
    return {name: value.detach() for name, value in values.items()}
