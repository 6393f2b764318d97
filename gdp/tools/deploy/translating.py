"""All that one call of `gdp apply` does with its files: pictures, then videos, and what is to be told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gdp.core.memory import MemoryBound
from gdp.core.progress import Progress
from gdp.tools.deploy.aligning import AlignedSquares
from gdp.tools.deploy.applying import Application, Applied, apply_to_pictures, split_jobs
from gdp.tools.deploy.depth import Told, Watch, Watched, describe_findings, findings_by_file, pictures_told
from gdp.tools.deploy.files import Job
from gdp.tools.deploy.models import Model
from gdp.tools.deploy.resizing import FittedPictures
from gdp.tools.deploy.videos import apply_to_videos


@dataclass(frozen=True)
class Translation:
    """What came of the files."""

    applied: Applied
    seen: list[Told]
    """What was looked at in each."""
    watch: Watch
    aligned: AlignedSquares | None
    """The way of `--align`; None for whole pictures."""
    counts: list[int]
    """How many things were found in each picture that was translated, in their order."""

    @property
    def warnings(self) -> list[str]:
        """What the student was out of its depth with, a line a kind."""
        return describe_findings(self.seen, self.watch)

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        told = {"told": self.warnings, "by_file": findings_by_file(self.seen)}
        data: dict[str, Any] = {**self.applied.to_data(), "warnings": told}
        if self.aligned is not None:
            found = zip(self.applied.translated, self.counts, strict=True)
            by_file = {str(path): count for path, count in found if path in self.applied.written}
            data.setdefault(self.aligned.aligner.many, self.aligned.summary() | {"by_file": by_file})
        return data


def translate_files(
    jobs: Sequence[Job],
    model: Model,
    transform: AlignedSquares | FittedPictures | Watched,
    watch: Watch,
    progress: Progress,
    stop_requested: Callable[[], bool],
    *,
    compare: bool = False,
    batch: int = 8,
    bound: MemoryBound | None = None,
) -> Translation:
    """Translate pictures and videos; one that fails is told at the end and keeps no other from being written.

    Args:
        jobs: the files.
        model: the student.
        transform: what is done to pictures, see `choose_transform`.
        watch: looks at what the student is shown.
        progress: reports one unit a picture, and a frame of each video.
        stop_requested: True ends the work after the files in hand.
        compare: whether the original stands at the left of what is written.
        batch: most pictures of one size that go through the student together, where it takes several.
        bound: for the pictures and frames in work; a share of what is free where none is given.

    Raises:
        DiskFullError: there is no space left for the files.
        MissingResourceError: there are videos, and what reads them is not installed.
    """
    aligned = transform if isinstance(transform, AlignedSquares) else None
    # One by one where the student takes them so: pictures would only wait for others of their size.
    together = batch if model.together else 1
    application = Application(transform, compare, together, None if aligned is None else aligned.follow)
    pictures, videos = split_jobs(jobs)
    applied = apply_to_pictures(pictures, application, progress, stop_requested, bound)
    counts = [] if aligned is None else list(aligned.counts)
    seen = list(pictures_told(pictures, applied.translated, watch))
    for job in videos:  # one by one, so that what is told of their frames is told of the right one
        before = len(watch.found)
        apply_to_videos([job], application, progress, applied, stop_requested, bound)
        if job.target in applied.written:
            seen.append(Told(job.source, watch.found[before:]))
    return Translation(applied, seen, watch, aligned, counts)
