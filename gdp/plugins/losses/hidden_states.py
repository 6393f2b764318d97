"""Hidden-state distillation: the student's residual blocks should compute what chosen blocks of the teacher do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gdp import (
    ShapeError,
)


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
