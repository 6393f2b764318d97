"""What losses promise: a scalar whose gradient reaches the student and nobody else."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gdp.core.interfaces.losses import Loss, TrainingStep
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import TranslatorTeacher
from gdp.core.training.objective import WeightedLoss
from gdp.core.training.precision import place_networks
from gdp.core.training.preparation import prepare_losses
from gdp.core.training.ways import Batch, Pool, build_ways
from gdp.testing.examples import pictures
from gdp.testing.findings import DoesNotApplyError, fail, require, require_tensor
from gdp.testing.subject import SEED, Subject

_PICTURES = 3
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Scene:
    """One step of a training with the loss alone."""

    loss: Loss
    student: Student
    helpers: list[nn.Module]
    step: TrainingStep


@contextmanager
def _scene(subject: Subject, loss: Loss) -> Iterator[_Scene]:
    """Set a step up as core does: with a live teacher where the world's translates, and unpaired pictures."""
    world = subject.world
    context = subject.context(seed=SEED)
    student = world.student(context)
    student.initialise(world.teacher)
    place_networks(student, _CPU, torch.contiguous_format)
    teacher = world.teacher
    teach = teacher.translate if isinstance(teacher, TranslatorTeacher) else None
    batch = Batch(
        world.pairs.source[:_PICTURES],
        world.pairs.target[:_PICTURES],
        pictures(_PICTURES, world.resolution, seed=21),
    )
    prepared = prepare_losses(student, [WeightedLoss(subject.name, 1.0, loss)], teacher, teach, batch.source[:1])
    try:
        ways = build_ways(student, batch, student.generator, prepared.guidance, (Pool(), Pool()))
        yield _Scene(loss, student, list(prepared.helpers.values()), ways.step)
    finally:
        prepared.close()


def exercise(subject: Subject, loss: Loss) -> Any:
    """Compute both terms of one step."""
    with _scene(subject, loss) as scene:
        term, other = loss.generator(scene.step), loss.discriminator(scene.step)
        return term.detach(), None if other is None else other.detach()


def the_term_is_a_finite_scalar(subject: Subject) -> None:
    """The generator's term is one finite number, in float32 and in bf16 arithmetic."""
    with _scene(subject, subject.build()) as scene:
        require_tensor(
            scene.loss.generator(scene.step), (), "the generator's term", mend="return a mean, a scalar tensor"
        )
    with torch.autocast("cpu", torch.bfloat16), _scene(subject, subject.build()) as scene:
        term = scene.loss.generator(scene.step)
        require(isinstance(term, Tensor) and bool(torch.isfinite(term.detach().float()).all()),
                "in bf16 the generator's term is NaN or infinite", "compute it in float32")  # fmt: skip


def its_gradient_reaches_the_student(subject: Subject) -> None:
    """The generator's term has a finite gradient that reaches the student, and the networks that it brings along."""
    with _scene(subject, subject.build()) as scene:
        networks = [*_trained_generators(scene), *scene.helpers]
        parameters = [
            parameter for network in networks for parameter in network.parameters() if parameter.requires_grad
        ]
        term = scene.loss.generator(scene.step)
        require(
            term.requires_grad, "the generator's term has no gradient", "use step.prediction, and detach no part of it"
        )
        gradients = torch.autograd.grad(term, parameters, allow_unused=True)
    reached = [gradient for gradient in gradients if gradient is not None]
    total = sum(float(gradient.abs().sum()) for gradient in reached)
    require(total > 0, "no gradient reaches the generator", "use step.prediction, and detach no part of it")
    require(math.isfinite(total), "the gradient is NaN or infinite", "guard roots and divisions at 0")


def _trained_generators(scene: _Scene) -> list[nn.Module]:
    opposite = scene.student.opposite
    return [scene.student.generator, *([opposite.generator] if opposite is not None and opposite.trains else [])]


def no_gradient_reaches_the_teacher(subject: Subject) -> None:
    """Neither term leaves a gradient in the teacher or moves its weights and statistics."""
    teacher = subject.world.teacher
    if teacher is None:
        raise DoesNotApplyError("the world has no teacher")
    weights = [weight for weight in teacher.module.parameters() if weight.dtype.is_floating_point]
    asked = [weight.requires_grad for weight in weights]
    try:
        for weight in weights:
            weight.requires_grad_(True)  # a frozen teacher would hide the defect
        with _scene(subject, subject.build()) as scene:
            _backward(scene.loss.generator(scene.step))
            _backward(scene.loss.discriminator(scene.step))
        reached = any(weight.grad is not None for weight in weights)
    finally:
        for weight, before in zip(weights, asked, strict=True):
            weight.requires_grad_(before)
            weight.grad = None
    require(not reached, "a gradient reached the teacher's weights",
            "compare with step.target and step.teacher_hidden, or run the teacher under torch.no_grad()")  # fmt: skip


def _backward(term: Tensor | None) -> None:
    if term is not None and term.requires_grad:
        term.backward(retain_graph=True)  # type: ignore[no-untyped-call] # torch's


def the_discriminators_term_is_not_the_generators(subject: Subject) -> None:
    """The discriminators' term reaches the discriminators and leaves the generator alone."""
    with _scene(subject, subject.build()) as scene:
        term = scene.loss.discriminator(scene.step)
        if term is None:
            raise DoesNotApplyError("it trains no discriminator")
        require_tensor(term, (), "the discriminators' term", mend="return a mean, a scalar tensor")
        require(scene.loss.adversarial, "it trains a discriminator and adversarial is False", "set adversarial = True")
        generators = [weight for network in _trained_generators(scene) for weight in network.parameters()]
        discriminator = scene.student.discriminator
        judges = list(discriminator.parameters()) if discriminator is not None else []
        found = torch.autograd.grad(term, [*generators, *judges], allow_unused=True)
    of_generators, of_judges = found[: len(generators)], found[len(generators) :]
    require(all(gradient is None for gradient in of_generators), "the discriminators' term pulls at the generator",
            "use step.fake_detached, not step.fake")  # fmt: skip
    require(any(gradient is not None for gradient in of_judges), "the discriminators' term does not reach them",
            "use step.real and step.fake_detached, and detach neither")  # fmt: skip


def what_it_needs_is_declared(subject: Subject) -> None:
    """A loss that says that it needs no discriminator and no way back works without them."""
    loss = subject.build()
    with _scene(subject, loss) as scene:
        step = scene.step
        if not loss.adversarial:
            refuse = _refuse("it runs the discriminator and adversarial is False", "set adversarial = True")
            step = replace(step, discriminate=refuse, discriminate_frozen=refuse, adversarial=False)
        if not loss.needs_opposite:
            step = replace(step, opposite=None)
        try:
            loss.generator(step)
            loss.discriminator(step)
        except (AttributeError, TypeError) as error:
            if step.opposite is None:
                fail(f"without a way back it raised {type(error).__name__}: {error}", "set needs_opposite = True")
            raise


def _refuse(what: str, mend: str) -> Callable[[Tensor], Any]:
    def refuse(image: Tensor) -> Any:
        fail(what, mend)

    return refuse


def its_own_networks_survive_safetensors(subject: Subject) -> None:
    """Networks that the loss brings along can be written and read again."""
    with _scene(subject, subject.build()) as scene:
        if not scene.helpers:
            raise DoesNotApplyError("it brings no network along")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "loss.safetensors"
            for helper in scene.helpers:
                save_file({name: value.contiguous() for name, value in helper.state_dict().items()}, path)
                helper.load_state_dict(load_file(path))


PROPERTIES = (
    the_term_is_a_finite_scalar,
    its_gradient_reaches_the_student,
    no_gradient_reaches_the_teacher,
    the_discriminators_term_is_not_the_generators,
    what_it_needs_is_declared,
    its_own_networks_survive_safetensors,
)
