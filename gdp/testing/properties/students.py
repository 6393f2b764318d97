"""What students promise: a network that is shipped, and a training that can be broken off at any step."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gdp.core.errors import GdpError
from gdp.core.interfaces.losses import Loss
from gdp.core.interfaces.students import Discrimination, Student
from gdp.core.progress import SilentProgress
from gdp.core.recipe.sections import TrainSection
from gdp.core.training import TrainingPairs, train_student
from gdp.testing.examples import AbsoluteDifference, LeastSquares, as_uint8
from gdp.testing.findings import (
    DoesNotApplyError,
    fail,
    require,
    require_pictures,
    require_plain,
    require_same,
    require_tensor,
)
from gdp.testing.subject import SEED, Subject

_BATCHES_MAY_DIFFER = 1e-4
_STEPS_OF_A_PHASE = 3


def exercise(subject: Subject, student: Student) -> Any:
    """Run the fresh generator."""
    with torch.no_grad():
        return student.generator.eval()(subject.world.pairs.source)


def _ready(subject: Subject) -> Student:
    student: Student = subject.build()
    student.initialise(subject.world.teacher)
    return student


def the_generator_makes_pictures(subject: Subject) -> None:
    """The generator maps (N, C, H, W) to (N, 3, H, W) in [-1, 1] in one forward, each row by itself."""
    source = subject.world.pairs.source
    generator = _ready(subject).generator.eval()
    with torch.no_grad():
        made = require_pictures(generator(source), (len(source), 3, *source.shape[2:]), "what the generator makes")
        alone = torch.cat([generator(row) for row in torch.split(source, 1)])
    mend = "in evaluation mode normalise by instance or with stored statistics, not over the batch"
    tolerance = max(subject.tolerance, _BATCHES_MAY_DIFFER)
    require_same(made, alone, "one by one, pictures came out otherwise than together", mend, tolerance)


def the_seed_decides_the_fresh_weights(subject: Subject) -> None:
    """Two builds with one seed have the same weights."""
    first, second = (subject.build().generator.state_dict() for _ in range(2))
    mend = "draw weights inside torch.random.fork_rng() after torch.manual_seed(context.seed)"
    require_same(dict(first), dict(second), "two builds with the same seed have other weights", mend)


def weights_survive_safetensors(subject: Subject) -> None:
    """The generator's weights, written as safetensors and read into a build without teacher, make the same pictures."""
    source = subject.world.pairs.source
    student = _ready(subject)
    mend = "register weights as parameters and buffers, share none, and build the same network from the same settings"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student.safetensors"
        try:
            save_file({name: value.contiguous() for name, value in student.generator.state_dict().items()}, path)
            again: Student = subject.build(teacher=None)
            again.generator.load_state_dict(load_file(path))
        except (RuntimeError, TypeError, ValueError) as error:
            fail(f"the weights cannot be written and read again: {error}", mend)
    with torch.no_grad():
        made, remade = student.generator.eval()(source), again.generator.eval()(source)
    require_same(made, remade, "the reloaded generator makes other pictures", mend)


def initialising_is_told(subject: Subject) -> None:
    """`initialise` tells what it did as plain data, with a teacher and without one, or raises a readable error."""
    for teacher in (subject.world.teacher, None):
        try:
            facts = subject.build().initialise(teacher)
        except GdpError:
            continue
        require(isinstance(facts, Mapping), f"initialise returned {facts!r}", "return a mapping, {} for nothing")
        require_plain(dict(facts), "what initialise told", "return names with JSON values, no paths and no tensors")


def the_discriminator_sends_a_gradient(subject: Subject) -> None:
    """The discriminator gives finite features and logits of each scale, with a gradient to the picture."""
    student = _ready(subject)
    if student.discriminator is None:
        raise DoesNotApplyError("it has no discriminator")
    source = subject.world.pairs.source
    image = subject.world.pairs.target.clone().requires_grad_()
    judged: Discrimination = student.discriminate(source, image)
    require(len(judged) > 0 and all(len(scale) > 0 for scale in judged), "discriminate returned nothing",
            "return for each scale its feature maps, the logits last")  # fmt: skip
    for number, scale in enumerate(judged):
        for feature in scale:
            require_tensor(feature, [len(source), *[None] * (feature.dim() - 1)], f"a feature of scale {number}")
    (gradient,) = torch.autograd.grad(sum(scale[-1].mean() for scale in judged), image)  # type: ignore[arg-type] # a sum of tensors
    require(bool(gradient.abs().sum() > 0), "no gradient reaches the picture", "detach nothing in discriminate")


def the_phases_cover_the_training(subject: Subject) -> None:
    """The phases' shares sum to 1, and each makes pictures at its size and trains parameters that there are."""
    student = _ready(subject)
    phases, source = list(student.phases), subject.world.pairs.source
    total = sum(phase.fraction for phase in phases)
    require(abs(total - 1) < 1e-6, f"the phases' fractions sum to {total:.6g}", "let them sum to 1")
    names = {name for name, _ in student.generator.named_parameters()}
    for phase in phases:
        unknown = (phase.trainable or frozenset()) - names
        require(not unknown, f"phase {phase.name} trains {', '.join(sorted(unknown)[:2])}, which is no parameter",
                "use names of generator.named_parameters()")  # fmt: skip
        scale = student.phase_downscale(phase)
        small = source[..., ::scale, ::scale]
        with torch.no_grad():
            made = student.generate_in_phase(phase, small)
        require_tensor(made, (len(small), 3, *small.shape[2:]), f"what phase {phase.name} makes at 1/{scale} size")


def two_input_pictures_are_taken_or_refused(subject: Subject) -> None:
    """Built for sources of 6 channels it takes them, or refuses with a readable error."""
    try:
        student: Student = subject.build(input_channels=6, teacher=None)
    except GdpError:
        return
    source = torch.cat([subject.world.pairs.source[:2]] * 2, dim=1)[:, :6]
    with torch.no_grad():
        require_tensor(student.generator.eval()(source), (2, 3, *source.shape[2:]), "of 6 channels, what it makes")


def a_step_moves_the_weights(subject: Subject) -> None:
    """A few steps of core's trainer change the weights and keep them finite."""
    student = _ready(subject)
    before = {name: value.clone() for name, value in student.generator.named_parameters()}
    with tempfile.TemporaryDirectory() as folder:
        after = _train(subject, student, Path(folder))
    moved = [name for name, value in before.items() if not torch.equal(value, after[name])]
    require(bool(moved), "training moved no weight", "leave requires_grad on, and detach nothing in the forward pass")
    for name, value in after.items():
        require(bool(torch.isfinite(value).all()) if value.is_floating_point() else True,
                f"{name} became NaN or infinite after a few steps", "guard divisions and roots")  # fmt: skip


def a_resumed_training_ends_in_the_same_bits(subject: Subject) -> None:
    """Stopped after one step and gone on in a new build, a training ends in the weights of an unbroken one."""
    with tempfile.TemporaryDirectory() as folder:
        unbroken = _train(subject, _ready(subject), Path(folder) / "unbroken")
        _train(subject, _ready(subject), Path(folder) / "resumed", stop=True)
        resumed = _train(subject, _ready(subject), Path(folder) / "resumed")
    mend = "keep all that changes in training in parameters and buffers, and draw only from torch's random state"
    require_same(unbroken, resumed, "a resumed training ended in other weights", mend, subject.tolerance)


def _train(subject: Subject, student: Student, folder: Path, *, stop: bool = False) -> dict[str, Tensor]:
    """Train for a few steps of each phase, or one step; return the weights, averaged if it was finished."""
    batch = subject.world.pairs
    source, target = as_uint8(batch.source), as_uint8(batch.target)
    pairs = TrainingPairs(
        range(len(batch) - 1), [len(batch) - 1], lambda indices: (source[list(indices)], target[list(indices)])
    )
    steps = _STEPS_OF_A_PHASE * len(student.phases)
    losses: list[tuple[str, float, Loss]] = [("l1", 10.0, AbsoluteDifference(None, subject.context()))]
    if student.discriminator is not None:
        losses.append(("lsgan", 1.0, LeastSquares(None, subject.context())))
    train_student(
        student,
        losses,
        pairs,
        TrainSection(steps=steps, batch=2, precision="float32", sample_every=10_000, log_every=1),
        folder,
        seed=SEED,
        device=torch.device("cpu"),
        progress=SilentProgress(),
        on_metrics=lambda step, metrics: None,
        on_images=lambda step, path: None,
        stop=lambda: stop,
        teacher=subject.world.teacher,
    )
    return {name: value.clone() for name, value in student.generator.state_dict().items()}


def a_pruned_network_fits_its_settings(subject: Subject) -> None:
    """What pruning leaves over is what the changed settings build."""
    student, source = _ready(subject), subject.world.pairs.source
    try:
        pruned = student.pruned(0.7, source[:1])
    except GdpError as reason:
        raise DoesNotApplyError(str(reason)) from reason
    kept = {key: value for key, value in subject.choice.to_data().items() if key != "plugin" and value is not None}
    choice, mistakes = subject.choose({**kept, **pruned.settings})
    mend = "return settings as a recipe would write them, and the state dict of the network that they build"
    if choice is None:
        fail(f"the pruned settings are refused: {[mistake.message for mistake in mistakes]}", mend)
    smaller: Student = subject.implementation(choice.config, subject.context(teacher=None))
    try:
        smaller.generator.load_state_dict(dict(pruned.weights))
    except RuntimeError as error:
        fail(f"the pruned weights do not fit: {error}", mend)
    with torch.no_grad():
        require_tensor(
            smaller.generator.eval()(source), (len(source), 3, *source.shape[2:]), "what the pruned network makes"
        )


PROPERTIES = (
    the_generator_makes_pictures,
    the_seed_decides_the_fresh_weights,
    weights_survive_safetensors,
    initialising_is_told,
    the_discriminator_sends_a_gradient,
    the_phases_cover_the_training,
    two_input_pictures_are_taken_or_refused,
    a_step_moves_the_weights,
    a_resumed_training_ends_in_the_same_bits,
    a_pruned_network_fits_its_settings,
)
