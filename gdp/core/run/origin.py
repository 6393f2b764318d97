"""What a run's student comes of, as its card says it: what the pictures show, and who licenses the teacher's weights.

What is not known is said to be unknown, and never guessed: the licence of a plugin's code is not that of a user's
weights.
"""

from __future__ import annotations

from gdp.core.building import describe_plugin, plugin_errors
from gdp.core.errors import PluginError
from gdp.core.interfaces.datasets import PictureKind
from gdp.core.interfaces.teachers import Teacher
from gdp.core.run.session import Session

UNKNOWN = "unknown"
LONGEST = 200
"""Characters of what a plugin or a recipe says of pictures, or of a licence."""


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
    implementation: type[Teacher] = type(teacher)
    who = describe_plugin(choice.record)
    with plugin_errors(who):
        said: object = teacher.weights_licence
        from_the_plugin = not list(implementation.weight_files(choice.config))
    if said is not None and not _is_line(said):
        raise PluginError(f"{who}: its weights_licence is {said!r:.60}, and must be a short line of text, or None")
    return str(said) if said is not None else choice.record.licence if from_the_plugin else UNKNOWN


def shown_pictures(session: Session) -> PictureKind | None:
    """Return what the sources of the pairs show, as the recipe or else the pair source says it; None if neither does.

    Raises:
        PluginError: what the pair source says is no `PictureKind` of short lines.
    """
    said = session.recipe.pairs.section.shows
    if said is not None:
        return PictureKind(said.words, said.one, said.frame, said.aligner)
    who = describe_plugin(session.recipe.pairs.record)
    with plugin_errors(who):
        found: object = session.pair_source.shows
    if found is None:
        return None
    if not isinstance(found, PictureKind) or not all(
        _is_line(text) or text == "" for text in (found.words, found.one, found.frame, found.aligner)
    ):
        raise PluginError(f"{who}: what it `shows` must be a gdp.PictureKind of short lines of text, or None")
    return found


def _is_line(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= LONGEST and text.isprintable()
