"""gdp's training of a student, step by step, so that others can take turns with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gdp.core.counters import counter_generator
from gdp.core.interfaces.students import Student
from gdp.core.recipe.sections import TrainSection
from gdp.core.training.checkpoint import TrainingState
from gdp.core.training.loader import to_network
from gdp.core.training.objective import LossTerm, check_losses, taking_part, train_step, unique_names
from gdp.core.training.optimizer import learning_rate_factor
from gdp.core.training.precision import FEWEST_STEPS, casting, compilation, place_networks, training_type
from gdp.core.training.ways import Batch, Pool


class GdpTraining:
    """A student's training step by step, of the parts that `train_student` is made of.

    Args:
        student: with its weights to begin with.
        losses: the terms of the objective.
        settings: the recipe's `[train]`.
        seed: of the image pools' choices.
        device: where to train.
        unpaired: whether the second picture of a step is a real one of the target's domain, and no target.
    """

    def __init__(
        self,
        student: Student,
        losses: Sequence[LossTerm],
        settings: TrainSection,
        seed: int,
        device: torch.device,
        unpaired: bool,
    ) -> None:
        self.student, self.losses, self.settings = student, unique_names(losses), settings
        self.seed, self.device, self.unpaired = seed, device, unpaired
        self.memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
        adversarial = check_losses(student, self.losses, unpaired)
        place_networks(student, device, self.memory_format)
        kind = training_type(settings.precision, device)
        self.autocast = casting(device, kind)
        self.state = TrainingState(student, {}, adversarial, settings, device, kind=kind)
        self.state.enter_phase(0, student.phases[0])

    def step(self, number: int, pictures: Sequence[Tensor]) -> Mapping[str, Tensor]:
        """Do step `number` on two uint8 picture batches (N, 3, H, W), compiled as in a training of full length."""
        state, settings = self.state, self.settings
        source, other = (to_network(picture, self.device, self.memory_format) for picture in pictures)
        pools = state.pools or (None, None)
        random = [counter_generator(self.seed, stream, number) for stream in ("pool", "opposite pool")]
        losses = taking_part(self.losses, number, settings.steps or 1)
        adversarial = any(term.loss.adversarial for term in losses)
        with compilation(settings.compile, FEWEST_STEPS):
            values = train_step(
                self.student,
                Batch(source, None, other) if self.unpaired else Batch(source, other),
                losses,
                generate=lambda images: self.student.generate_in_phase(self.student.phases[0], images),
                generator_descent=state.generator_descent,
                discriminator_descent=state.discriminator_descent if adversarial else None,
                factor=learning_rate_factor(settings, number, settings.steps or 1),
                autocast=self.autocast,
                pools=(Pool(pools[0], random[0]), Pool(pools[1], random[1])),
            )
        state.step = number + 1
        state.window.add(values)
        state.average.update(state.step * settings.batch, settings.batch)
        if self.device.type == "cpu":
            state.window.check_finite(state.step, "", newest_only=True)
        return values
