"""What a run's student comes of, as its card says it: what the pictures show, and who licenses the teacher's weights.

What is not known is said to be unknown, and never guessed: the licence of a plugin's code is not that of a user's
weights.
"""

from __future__ import annotations

from gdp.core.interfaces.datasets import PictureKind
from gdp.core.run.session import Session

UNKNOWN = "unknown"


def teacher_licence(session: Session) -> str | None:
    """Return the licence of the teacher's weights, or `unknown`; None where the recipe has no teacher.

    The recipe's word (`teacher.weights_licence`) comes first, then the teacher's own. A teacher that reads no files of
    weights has them from its plugin, whose record says their licence.

    Raises:
        PluginError: what the teacher says is no line of text.
    """
    choice = session.recipe.teacher
    if choice is None:
        return None
    if choice.section.weights_licence is not None:
        return choice.section.weights_licence
    if session.recipe.teacher_training is not None:
        return UNKNOWN
    teacher = session.teacher
    assert teacher is not None
    if teacher.weights_licence is not None:
        return teacher.weights_licence
    return UNKNOWN if type(teacher).weight_files(choice.config) else choice.record.licence


def shown_pictures(session: Session) -> PictureKind | None:
    """Return what the sources of the pairs show, as the recipe or else the pair source says it; None if neither does.

    Raises:
        PluginError: what the pair source says is no `PictureKind` of short lines.
    """
    said = session.recipe.pairs.section.shows
    if said is not None:
        return PictureKind(said.words, said.one, said.frame, said.aligner)
    return session.pair_source.shows
