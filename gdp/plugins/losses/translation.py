"""The losses of unpaired translation and of its distillation, hidden states among them, as plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gdp import BuildContext, Loss, ShapeError, Teacher, TrainingError, TrainingStep, Watched
from gdp.plugins.losses import FeatureL2Config
from gdp.plugins.losses.terms import l1_loss


def feature_l2_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Mean squared difference over all pairs of feature maps: a scalar to minimise (FitNets, Romero et al., 2015).

    With maps of one shape it is the mean squared error of the maps joined along the batch. Nothing is ever
    broadcast, and no gradient reaches the teacher's maps.

    Args:
        student: feature maps, each (N, C, H, W).
        teacher: as many, `teacher[k]` of the shape of `student[k]`.

    Raises:
        ShapeError: the maps differ in number or in shape, or there are none.
    """
    if not student or len(student) != len(teacher):
        raise ShapeError(
            f"hidden states are compared one to one, but there are {len(student)} of the student and {len(teacher)} "
            f"of the teacher: name one teacher block for each student block"
        )
    pairs = list(zip(student, teacher, strict=True))
    for index, (ours, theirs) in enumerate(pairs):
        if ours.shape != theirs.shape:
            raise ShapeError(
                f"hidden state {index} has the shape {tuple(ours.shape)} in the student and {tuple(theirs.shape)} in "
                f"the teacher: they must be equal, so give both networks as many hidden channels and the same pictures"
            )
    squares = [(ours.float() - theirs.detach().float()).square().sum() for ours, theirs in pairs]
    return torch.stack(squares).sum() / sum(ours.numel() for ours in student)


def evenly_spread(teacher_blocks: int, student_blocks: int) -> list[int]:
    """Choose the teacher's block, counted from 0, that each student block shall match: 9 to 3 gives [1, 4, 8].

    The student's last block matches the teacher's last. If its blocks were to stand for equal groups of the
    teacher's, the first would match the middle of its group, (teacher_blocks / student_blocks - 1) / 2. The others
    lie evenly between the two, rounded down. So the blocks increase strictly while the teacher has enough of them;
    with fewer some are matched more than once. Raises ShapeError for a teacher without blocks.
    """
    if teacher_blocks < 1:
        raise ShapeError("the teacher has no residual blocks whose hidden states a student could match")
    if student_blocks <= 1:
        return [teacher_blocks - 1] * student_blocks
    last = student_blocks - 1
    twice_first = max(0, teacher_blocks - student_blocks)  # times student_blocks; in whole numbers to be exact
    return [
        (2 * student_blocks * index * (teacher_blocks - 1) + (last - index) * twice_first)
        // (2 * student_blocks * last)
        for index in range(student_blocks)
    ]


def block_paths(network: nn.Module) -> Sequence[str]:
    """Return the paths of a network's residual blocks, where it tells them."""
    paths: Sequence[str] = getattr(network, "block_paths", ())
    return paths


class OutputL1Loss(Loss):
    """L1 distance of the student's picture to the teacher's; its published weight is 10."""

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the mean absolute difference, in [0, 2]."""
        return l1_loss(step.prediction, step.target)


class CycleL1Loss(Loss):
    """Cycle consistency (Zhu et al., ICCV 2017, eq. 2): there and back is where it began; published weight 10.

    Both cycles are summed; each is in [0, 2].
    """

    needs_opposite = True

    def generator(self, step: TrainingStep) -> Tensor:
        """Return how far pictures are from themselves after both ways."""
        cycles = [l1_loss(way.opposite.generate(way.prediction), way.source) for way in step.ways if way.opposite]
        return torch.stack(cycles).sum()


class IdentityL1Loss(Loss):
    """Identity (Zhu et al., ICCV 2017, section 5.2): a picture of the target's domain stays as it is; weight 5.

    Summed over the ways whose generator trains; each is in [0, 2].
    """

    def generator(self, step: TrainingStep) -> Tensor:
        """Return how much the generators change pictures that are in their target's domain already."""
        trained = [way for way in step.ways if way.generator_trains]
        return torch.stack([l1_loss(way.generate(way.real_picture), way.real_picture) for way in trained]).sum()


class FeatureL2Loss(Loss):
    """Mean squared difference of hidden states of student and teacher; its published weight is 1.

    Each chosen module of the teacher is paired with one of the student. Where their channels differ, a 1x1
    convolution (trained beside the student, dropped in the end) maps the student's to the teacher's; nothing is
    ever broadcast.

    Raises:
        TrainingError: neither the settings nor the networks say which modules belong together.
        ShapeError: heights or widths of paired hidden states differ.
    """

    config: FeatureL2Config

    def __init__(self, config: FeatureL2Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self._pairs: list[tuple[str, str]] = []
        """Teacher's and student's module, by path."""
        self._adapters = nn.ModuleDict()

    def watch(self, generator: nn.Module, teacher: Teacher | None) -> Watched:
        """Choose the modules: those of the settings, or else the residual blocks, evenly spread."""
        if teacher is None:
            raise TrainingError("feature-l2 compares hidden states of a teacher, and the recipe has no [teacher]")
        self._pairs = self._chosen(generator, teacher.module)
        return Watched([student for _, student in self._pairs], [teachers for teachers, _ in self._pairs])

    def _chosen(self, generator: nn.Module, teacher: nn.Module) -> list[tuple[str, str]]:
        theirs, ours = block_paths(teacher), block_paths(generator)
        if self.config.modules is not None:
            return list(self.config.modules.items())
        if not theirs or not ours:
            whose = "the teacher" if not theirs else "the student"
            raise TrainingError(
                f"feature-l2: {whose} does not say which of its modules are residual blocks (block_paths): name them, "
                f'as modules = {{ "model.11" = "model.10" }}, teacher\'s path first'
            )
        if self.config.blocks is None:
            return [(theirs[block], ours[place]) for place, block in enumerate(evenly_spread(len(theirs), len(ours)))]
        pairs = []
        for teachers, students in self.config.blocks:
            if teachers >= len(theirs) or students >= len(ours):
                raise TrainingError(
                    f"feature-l2: blocks = [{teachers}, {students}] is not there: the teacher has {len(theirs)} "
                    f"residual blocks and the student {len(ours)}, counted from 0"
                )
            pairs.append((theirs[teachers], ours[students]))
        return pairs

    def fit(self, student_hidden: Mapping[str, Tensor], teacher_hidden: Mapping[str, Tensor]) -> nn.Module | None:
        """Check the shapes and make the adapters that are needed, each starting as a random projection."""
        for teachers, students in self._pairs:
            theirs, ours = teacher_hidden[teachers].shape, student_hidden[students].shape
            if len(theirs) != 4 or len(ours) != 4 or theirs[2:] != ours[2:]:
                raise ShapeError(
                    f"feature-l2: the hidden states of the teacher's {teachers} {tuple(theirs)} and the student's "
                    f"{students} {tuple(ours)} cannot be compared: heights and widths must agree"
                )
            if theirs[1] != ours[1]:
                self._adapters[_key(teachers, students)] = nn.Conv2d(ours[1], theirs[1], kernel_size=1)
        return self._adapters if len(self._adapters) else None

    def generator(self, step: TrainingStep) -> Tensor:
        """Return the mean over the pairs of modules."""
        ours: list[Tensor] = []
        for teachers, students in self._pairs:
            hidden, key = step.student_hidden[students], _key(teachers, students)
            ours.append(self._adapters[key](hidden) if key in self._adapters else hidden)
        return feature_l2_loss(ours, [step.teacher_hidden[teachers] for teachers, _ in self._pairs])


def _key(teachers: str, students: str) -> str:
    """Return a name for an adapter; module names hold no dots."""
    return f"{teachers}->{students}".replace(".", "_")
