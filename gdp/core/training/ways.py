"""What one step of training offers to the losses: the way from source to target, and the way back.

Hidden states: the outputs of chosen modules of a network, kept while it runs for a certain purpose.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gdp.core.errors import TrainingError
from gdp.core.interfaces.losses import TrainingStep
from gdp.core.interfaces.students import Opposite, Student
from gdp.core.training.adversary import ImagePool, StepDiscriminator


class HiddenStates:
    """Keeps the outputs of some modules of a network, only of the forwards inside `kept()`.

    Args:
        network: whose modules are watched.
        paths: of the modules, such as `model.10`.
        whose: "student" or "teacher", for messages.

    Raises:
        TrainingError: a path is none of the network's; the message offers the nearest ones.
    """

    def __init__(self, network: nn.Module, paths: Iterable[str], whose: str) -> None:
        self.outputs: dict[str, Tensor] = {}
        self._keeps = False
        self._handles = [
            find_module(network, path, whose).register_forward_hook(self._keeper(path)) for path in sorted(set(paths))
        ]

    def _keeper(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            if self._keeps:
                self.outputs[path] = output

        return keep

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Forget what was kept, and keep the outputs of the forwards inside."""
        self.outputs.clear()
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False

    def close(self) -> None:
        """Watch no more."""
        for handle in self._handles:
            handle.remove()
        self.outputs.clear()


def find_module(network: nn.Module, path: str, whose: str) -> nn.Module:
    """Return a network's module by path.

    Raises:
        TrainingError: there is none; the message offers the nearest paths.
    """
    modules: dict[str, nn.Module] = dict(network.named_modules())
    if path not in modules:
        near = difflib.get_close_matches(path, modules, n=3, cutoff=0.4) or [name for name in modules if name][:3]
        raise TrainingError(f"the {whose} has no module {path!r}; the nearest are {', '.join(near)}")
    return modules[path]


@dataclass(frozen=True)
class Batch:
    """The pictures of one step, on the device."""

    source: Tensor
    """(N, C, H, W) in [-1, 1]."""
    target: Tensor | None
    """(N, 3, H, W) in [-1, 1] as stored; None where nobody teaches."""
    unpaired: Tensor | None = None
    """(N, 3, H, W) in [-1, 1], real pictures of the target's domain; None where there are none."""


@dataclass(frozen=True)
class Guidance:
    """Who teaches during the training, and whose hidden states are watched."""

    teach: Callable[[Tensor], Tensor] | None = None
    """Makes targets anew; None where the stored ones are used."""
    student_hidden: HiddenStates | None = None
    teacher_hidden: HiddenStates | None = None


@dataclass(frozen=True)
class Pool:
    """Earlier predictions of one way, and what is drawn from for them."""

    images: ImagePool | None = None
    random: torch.Generator = field(default_factory=torch.Generator)


@dataclass(frozen=True)
class Ways:
    """The steps of both ways with their discriminators."""

    step: TrainingStep
    discriminators: list[StepDiscriminator]

    @property
    def shares_a_discrimination(self) -> bool:
        """Whether a discriminator's losses will need the graph of the generators'."""
        return any(discriminator.is_shared for discriminator in self.discriminators)


def build_ways(
    student: Student, batch: Batch, generate: Callable[[Tensor], Tensor], guidance: Guidance, pools: tuple[Pool, Pool]
) -> Ways:
    """Build the step from source to target, and its opposite where the student has one and there are pictures for it.

    Args:
        student: whose networks run.
        batch: the step's pictures.
        generate: the generator as the phase trains it.
        guidance: the live teacher and the watched networks.
        pools: of this way and of the opposite.
    """
    adversary = StepDiscriminator(
        student.discriminate,
        student.discriminator,
        batch.source,
        pools[0].images,
        pools[0].random,
        student.discriminator_trains,
    )
    step = TrainingStep(
        source=batch.source,
        generate=lambda images: generate(images).float(),
        discriminate_frozen=adversary.frozen,
        discriminate=adversary.trained,
        make_prediction=_predictor(batch.source, generate, adversary, guidance.student_hidden),
        make_target=_target_maker(batch, guidance),
        unpaired=batch.unpaired,
        adversarial=student.discriminator is not None,
        discriminator_trains=student.discriminator_trains,
        conditional=student.conditional,
        detached=adversary.show,
        kept_of_student=guidance.student_hidden.outputs if guidance.student_hidden else {},
        kept_of_teacher=guidance.teacher_hidden.outputs if guidance.teacher_hidden else {},
    )
    opposite = student.opposite
    if opposite is None or batch.unpaired is None:
        return Ways(step, [adversary])
    back, back_adversary = _way_back(student, opposite, batch.source, batch.unpaired, pools[1])
    step.opposite, back.opposite = back, step
    return Ways(step, [adversary, back_adversary])


def _way_back(
    student: Student, opposite: Opposite, real: Tensor, source: Tensor, pool: Pool
) -> tuple[TrainingStep, StepDiscriminator]:
    adversary = StepDiscriminator(
        lambda source, image: student.discriminate_opposite(image),
        opposite.discriminator,
        source,
        pool.images,
        pool.random,
        student.discriminator_trains,
    )

    def generate(images: Tensor) -> Tensor:
        made: Tensor = opposite.generator(images)
        return made.float()

    step = TrainingStep(
        source=source,
        generate=generate,
        discriminate_frozen=adversary.frozen,
        discriminate=adversary.trained,
        make_prediction=_predictor(source, generate, adversary, None),
        unpaired=real,
        adversarial=opposite.trains and opposite.discriminator is not None,
        generator_trains=opposite.trains,
        discriminator_trains=student.discriminator_trains,
        conditional=False,
        detached=adversary.show,
    )
    return step, adversary


def _predictor(
    source: Tensor, generate: Callable[[Tensor], Tensor], adversary: StepDiscriminator, hidden: HiddenStates | None
) -> Callable[[], Tensor]:
    def predict() -> Tensor:
        with hidden.kept() if hidden else nullcontext():
            prediction = generate(source).float()
        adversary.prediction = prediction
        return prediction

    return predict


def _target_maker(batch: Batch, guidance: Guidance) -> Callable[[], Tensor] | None:
    teach, hidden, stored = guidance.teach, guidance.teacher_hidden, batch.target
    if teach is None:
        return None if stored is None else lambda: stored

    @torch.no_grad()
    def target() -> Tensor:
        with hidden.kept() if hidden else nullcontext():
            made = teach(batch.source)
        if made.shape[2:] != batch.source.shape[2:]:
            raise TrainingError(
                f"the teacher makes pictures of {tuple(made.shape[2:])} pixels of sources of "
                f"{tuple(batch.source.shape[2:])}: choose a size that its network takes"
            )
        return made.float()

    return target
