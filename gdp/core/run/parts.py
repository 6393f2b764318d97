"""Whether the batches of a run can be divided among processes."""

from __future__ import annotations

from gdp.core.building import class_of
from gdp.core.interfaces.teachers import Teacher
from gdp.core.run.session import Session, trained_weights
from gdp.core.training.group import Group


def require_parts(session: Session, world: int) -> None:
    """Make sure that the batches of a run can be divided: the student's, and the teacher's where it is to be trained.

    Args:
        session: the run.
        world: how many processes train together.

    Raises:
        TrainingError: one cannot.
    """
    recipe, group = session.recipe, Group(0, world)
    group.require_parts(recipe.train.batch)
    batch = getattr(recipe.teacher_training, "batch", None)
    if recipe.teacher is None or not isinstance(batch, int) or batch % world == 0:
        return
    implementation: type[Teacher] = class_of(session.plugins, recipe.teacher.record)
    if implementation.trains_together and trained_weights(session.teacher_folder) is None:
        group.require_parts(batch, "teacher.train.batch")
