"""What looks at pictures for `gdp apply`, and the aligner that it asks, where one is installed.

Imports no torch by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from gdp.core.errors import GdpError
from gdp.core.interfaces.datasets import PictureKind
from gdp.core.records import Plugins
from gdp.support.interfaces.engines import EngineContext
from gdp.tools.deploy.aligners import NamedAligner, open_aligner
from gdp.tools.deploy.aligning import AlignedSquares
from gdp.tools.deploy.applying import whole_pictures
from gdp.tools.deploy.depth import Watch, Watched
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.resizing import FittedPictures
from gdp.tools.deploy.tiling import Tiling
from gdp.tools.deploy.trained_on import TrainedOn


def open_watch(
    plugins: Plugins,
    model: Model,
    aligner: NamedAligner | None,
    *,
    resize: bool,
    strict: bool,
    context: EngineContext,
) -> Watch:
    """Return what looks whether a student is out of its depth.

    Args:
        plugins: the registry.
        model: the student.
        aligner: the one of `--align`; None for whole pictures.
        resize: whether these are shown at the training size.
        strict: whether such pictures are refused.
        context: device and threads.
    """
    trained_on = model.trained_on or TrainedOn(model.resolution)
    if aligner is not None:
        return Watch(trained_on, "aligned", strict, aligner)
    at_hand = aligner_at_hand(plugins, trained_on.shows, context=context)
    return Watch(trained_on, "resized" if resize else "whole", strict, at_hand)


def choose_transform(
    model: Model,
    watch: Watch,
    *,
    size: int | None,
    keep_detail: bool,
    tiling: Tiling,
    batch: int,
) -> AlignedSquares | FittedPictures | Watched:
    """Return what is done to pictures, the student being shown them as the watch says.

    Args:
        model: the student.
        watch: looks at what the student is shown; of aligned things it has the aligner.
        size: pixels of what is aligned; None for what the student was trained at.
        keep_detail: whether only the change is pasted, of what is aligned or resized.
        tiling: how large pictures are cut.
        batch: most pictures or things that go through the student together.

    Raises:
        ShapeError: the student takes two pictures at once.
    """
    if watch.way == "aligned":
        assert watch.aligner is not None
        return AlignedSquares(model, watch.aligner, size, keep_detail, tiling, batch, watch=watch)
    if watch.way == "resized":
        return FittedPictures(model, keep_detail, tiling, batch, watch)
    return Watched(whole_pictures(model, tiling), watch)


def aligner_at_hand(plugins: Plugins, shows: PictureKind | None, *, context: EngineContext) -> NamedAligner | None:
    """Return an aligner that finds what the pictures of a kind show, without anything being said of it.

    That is the one that the kind names, or else the first by name that finds such things and needs no settings. One
    that cannot be used here is not at hand: what it is asked for is a warning, which keeps nobody from working.

    Args:
        plugins: the registry.
        shows: what the training pictures show; None where nobody has said it.
        context: device and threads.
    """
    if shows is None or not shows.one:
        return None
    for text in [shows.aligner] if shows.aligner else _finding(plugins, shows.one):
        try:
            aligner = open_aligner(plugins, text, for_files="", context=context)
        except GdpError:
            continue
        if aligner.one == shows.one:
            return aligner
    return None


def _finding(plugins: Plugins, one: str) -> Iterator[str]:
    """Yield the names of aligners that find such things and need no settings."""
    for record in plugins.records("aligner"):
        if any(field.is_required() for field in record.config.model_fields.values()):
            continue
        try:
            finds = getattr(plugins.load(record), "finds", ())
        except GdpError:
            continue
        if finds and finds[0] == one:
            yield record.name
