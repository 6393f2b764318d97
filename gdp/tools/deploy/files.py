"""Which files are translated and where they go, and translated pictures written as their owners expect."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from gdp.core.errors import GdpError, MissingResourceError, UsageError
from gdp.core.files import write_atomically
from gdp.support.picture_files import PictureFile, strips
from gdp.support.picture_finding import (
    PHONE_ENDINGS,
    VIDEO_ENDINGS,
    describe_endings,
    is_hidden,
    is_picture_or_video,
    picture_endings,
)
from gdp.support.squares import Levels

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff"})
"""Pictures that are written; the others that can be read become .png."""
VIDEOS = VIDEO_ENDINGS
VIDEO_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Those of them that are written, and what FFmpeg calls their format; the others become the first."""
_JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
_LONGEST_SIDES = dict.fromkeys(_JPEG, 65_500) | {".webp": 16_383}
"""Pixels of a height or width that these formats hold at most, as libjpeg and libwebp write them."""
OPAQUE = _JPEG | {".bmp"}
"""Formats that hold no alpha."""


def under_alpha(picture: PictureFile, made: Levels) -> Levels:
    """Return the colours that look like `made` where the alpha of their picture lies over white, as networks see it.

    Pixels that the network left as it saw them keep the colours of their file, hidden ones too.

    Args:
        picture: the original.
        made: (H, W, 3) uint8, what became of its `on_white`.
    """
    if picture.alpha is None:
        return made
    under = numpy.empty_like(made)
    for rows in strips(made.shape):
        share = numpy.maximum(picture.alpha[rows], 1)[..., None].astype(numpy.float32) / 255
        straight = numpy.rint(255 + (made[rows].astype(numpy.float32) - 255) / share).clip(0, 255).astype(numpy.uint8)
        strip = PictureFile(picture.path, picture.levels[rows], picture.alpha[rows])
        same = (made[rows] == strip.on_white()).all(axis=2, keepdims=True)
        under[rows] = numpy.where(same, strip.levels, straight)
    return under


def save_picture(picture: PictureFile, levels: Levels, path: Path) -> None:
    """Write a translated picture with the alpha and the colour profile of its original, in the format of its suffix.

    Args:
        picture: the original.
        levels: (H, W, 3).
        path: the file; JPEG is written at quality 95 without colour subsampling, WebP and PNG without loss.

    Raises:
        GdpError: the picture cannot be written in this format.
        DiskFullError, RunFolderError: as the system says.
    """
    suffix = path.suffix.lower()
    if suffix not in PICTURES:
        raise GdpError(f"{path}: pictures are written as {', '.join(sorted(PICTURES))}, not as {suffix or 'no suffix'}")
    height, width = levels.shape[:2]
    if max(height, width) > (longest := _LONGEST_SIDES.get(suffix, max(height, width))):
        raise GdpError(
            f"{path}: {width} x {height} pixels cannot be written as {suffix}, which holds {longest:,} a side; PNG and "
            f"TIFF hold it"
        )
    alpha = None if suffix in OPAQUE else picture.alpha
    image = Image.fromarray(levels if alpha is None else numpy.dstack([levels, alpha]))
    options: dict[str, Any] = {"icc_profile": picture.colour_profile} if picture.colour_profile else {}
    if suffix in _JPEG:
        options |= {"quality": 95, "subsampling": 0}
    elif suffix == ".webp":
        options |= {"lossless": True}
    buffer = io.BytesIO()
    try:
        image.save(buffer, Image.registered_extensions()[suffix], **options)
    except (OSError, ValueError) as error:
        raise GdpError(f"{path}: {width} x {height} pixels cannot be written as {suffix} ({error})") from error
    del image  # what is written is in the buffer
    write_atomically(path, buffer.getbuffer())


@dataclass(frozen=True)
class Job:
    """One file to translate."""

    source: Path
    target: Path


def find_jobs(inputs: Sequence[str], output: Path, suffix: str | None = None) -> list[Job]:
    """Find what a user's inputs name: files, folders (with what lies below them) and patterns.

    Args:
        inputs: paths and glob patterns (`faces/*.jpg`, `**/*.png`).
        output: a file for one input file; else a folder, in which the folders below an input are kept.
        suffix: of the written pictures, such as `.png`; None keeps each one's own. Videos keep theirs, or become .mp4.

    Raises:
        MissingResourceError: an input names nothing.
        GdpError: two inputs would be written to one file, or over an input; or a file of this suffix cannot be written.
    """
    if suffix is not None and suffix.lower() not in PICTURES:
        kinds = ", ".join(sorted(ending.removeprefix(".") for ending in PICTURES))
        raise UsageError(f"--format {suffix.removeprefix('.')}: pictures are written as {kinds}; choose one of these")
    found = [pair for text in inputs for pair in _expand(text)]
    single = len(found) == 1 and _names_a_file(output)
    if single:
        _require_written(found[0][0], output)
    jobs: dict[Path, Job] = {}
    sources = {_real(source) for source, _ in found}
    taken = {below for _, below in found}
    for source, below in _each_once(found):
        renamed = _renamed(below, suffix, taken)
        taken.add(renamed)
        target = output if single else output / renamed
        if _real(target) in sources:
            raise GdpError(f"{target}: would be written over one of the inputs; choose another folder with --output")
        if target in jobs:
            raise GdpError(
                f"{source} and {jobs[target].source} would both be written to {target}; translate them in two calls"
            )
        jobs[target] = Job(source, target)
    return list(jobs.values())


def _real(path: Path) -> str:
    """Return where a path leads, links followed; of links in a circle their own place."""
    return os.path.realpath(path)


def _each_once(found: Sequence[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """Leave out a file that several inputs name, but for its first place."""
    once: dict[str, tuple[Path, Path]] = {}
    for source, below in found:
        once.setdefault(_real(source), (source, below))
    return list(once.values())


def left_out(inputs: Sequence[str]) -> dict[str, int]:
    """Count by ending the files of the input folders that are neither pictures nor videos; hidden ones do not count."""
    folders = [folder for folder in (Path(text).expanduser() for text in inputs if text) if folder.is_dir()]
    others = (
        file.suffix.lower()
        for folder in folders
        for file in folder.rglob("*")
        if not is_picture_or_video(file) and not is_hidden(file.relative_to(folder)) and file.is_file()
    )
    return dict(Counter(others))


def _names_a_file(output: Path) -> bool:
    """Say whether an output is a file, not a folder, by its ending: pictures that are only read have one, too."""
    endings = PICTURES | VIDEOS | PHONE_ENDINGS | picture_endings()
    return output.suffix.lower() in endings and not output.is_dir()


def _require_written(source: Path, target: Path) -> None:
    """Raise GdpError where a picture is to become a video, a video a picture, or a video one of another format."""
    if source.suffix.lower() not in VIDEOS:
        if target.suffix.lower() in VIDEOS:
            raise UsageError(f"{target}: {source} is a picture and cannot be written as a video")
        if target.suffix.lower() not in PICTURES:
            kinds = ", ".join(sorted(PICTURES))
            raise UsageError(f"{target}: pictures are written as {kinds}; name one of these, or a folder")
    elif target.suffix.lower() not in VIDEO_FORMATS:
        raise UsageError(f"{target}: videos are written as {', '.join(VIDEO_FORMATS)}; name one of these")


def _renamed(below: Path, suffix: str | None, taken: Collection[Path]) -> Path:
    """Return where a file is written below the output; one whose new name another one has gets its suffix behind it."""
    own = below.suffix.lower()
    if own in VIDEOS:
        usual = own if own in VIDEO_FORMATS else next(iter(VIDEO_FORMATS))
    else:
        usual = suffix or (own if own in PICTURES else ".png")
    if own == usual.lower():
        return below
    renamed = below.with_suffix(usual)
    return below.with_name(below.name + usual) if renamed in taken else renamed


def _expand(text: str) -> Iterator[tuple[Path, Path]]:
    """Yield each file that an input names, with its path below the output folder."""
    if not text:  # such as a variable of a shell that is not set; a path it would be the current folder
        raise MissingResourceError("one of the inputs is empty; name pictures, videos, folders or patterns")
    place = Path(text).expanduser()
    if place.is_file():
        yield place, Path(place.name)
        return
    if place.is_dir():
        files = sorted(file for file in place.rglob("*") if is_picture_or_video(file))
        below = [(file, file.relative_to(place)) for file in files if not file.is_dir()]  # links to nothing are told
        pairs = [(file, inner) for file, inner in below if not is_hidden(inner)]
    else:
        pairs = [(file, Path(file.name)) for file in _matches(place)]
    if not pairs:
        others = describe_endings(left_out([text]))
        lacking = "nothing in this folder is" if place.is_dir() else "there is no such file or folder, nor a pattern of"
        raise MissingResourceError(
            f"{text}: {lacking} a picture or a video"
            + (f"; there are {others} files, which Pillow does not read" if others else "")
        )
    yield from pairs


def _matches(pattern: Path) -> list[Path]:
    fixed = Path(pattern.anchor)
    parts = list(pattern.parts[1:] if pattern.anchor else pattern.parts)
    while parts and not any(sign in parts[0] for sign in "*?["):
        fixed /= parts.pop(0)
    if not parts or not fixed.is_dir():
        return []
    found = (file for file in fixed.glob("/".join(parts)) if is_picture_or_video(file) and not file.is_dir())
    return sorted(file for file in found if not is_hidden(file.relative_to(fixed)))
