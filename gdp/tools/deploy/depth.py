"""Tells where a student is out of its depth: shown pictures that are not as those that it was trained on.

Four things are told of a picture. It is *flat*: its levels deviate by less than `FLAT` from their mean in each colour.
It is *larger* or *smaller*: its shorter side is at least `FAR` times that of the training pictures, or its longer side
at most that part of it. It is *unlike* them: beyond the limit of `gdp.support.picture_statistics`. It *shows no* face,
or whatever else the training pictures show aligned: an aligner finds none that fills it as there. Of students of an
older gdp only the size of their training pictures is known. Imports no torch.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gdp.core.errors import GdpError, OutOfDepthError, OutOfDepthWarning
from gdp.support.interfaces.engines import PictureArray
from gdp.support.picture_statistics import Levels, fitted
from gdp.support.squares import Square
from gdp.tools.deploy.aligners import NamedAligner
from gdp.tools.deploy.files import Job
from gdp.tools.deploy.trained_on import PHOTOGRAPHS, TrainedOn

FLAT = 2.0
"""Levels: standard deviation of a colour below which there is nothing in a picture but noise."""
SAMPLED = 512
"""Rows and columns, about, of which that is taken."""
FAR = 3.0
"""Times as large, or part of, the training pictures."""
FILLS, OFF = 0.6, 0.25
"""Of what an aligner finds: the least side, and how far its middle may be from the picture's, as shares of its side."""
LOOKED_FOR = 32
"""Pictures in which something is looked for, at most, where nothing depends on it: that takes longer than to translate
a small one."""
NAMED = 3
"""Files that a warning names."""

Kind = Literal["flat", "larger", "smaller", "unlike", "none-found"]
Way = Literal["whole", "aligned", "resized", "python"]


@dataclass(frozen=True)
class Finding:
    """Something that a student is out of its depth with, of one picture."""

    kind: Kind
    told: str
    """A sentence of the picture as `it`."""
    times: float = 1.0
    """How many times larger or smaller it is."""
    detail: str = ""
    """In what it is unlike, or what it does not show."""


Findings = tuple[Finding, ...]


@dataclass
class Watch:
    """Looks at what a student is to be shown, and remembers what it found.

    Raises:
        OutOfDepthError: where it is strict, of pictures that the student is out of its depth with.
    """

    trained_on: TrainedOn
    way: Way = "whole"
    strict: bool = False
    aligner: NamedAligner | None = None
    """What finds what the training pictures show: of whole pictures it is asked whether they show it, too."""
    found: list[Findings] = field(default_factory=list)
    """Of each picture that was translated so far, in their order."""
    unseen: str = ""
    """Why the aligner could not look; empty where it could."""
    _looked_for: int = 0

    @property
    def one(self) -> str:
        """What is looked for, in a word."""
        shows = self.trained_on.shows
        return self.aligner.one if self.aligner else shows.one if shows and shows.one else "thing to translate"

    @property
    def many(self) -> str:
        """The same, of several."""
        return self.aligner.many if self.aligner else "things that were found"

    def look(self, shown: Sequence[Sequence[Levels]]) -> list[Findings]:
        """Return what there is to tell of pictures; `keep` remembers it when they are translated.

        Args:
            shown: for each picture the (H, W, 3) that the student is to be shown of it: the whole, or what was found.
        """
        found = [self._of_picture(parts) for parts in shown]
        if self.strict and any(found):
            raise OutOfDepthError("; ".join(_once(finding.told for findings in found for finding in findings)))
        return found

    def keep(self, found: Sequence[Findings]) -> None:
        """Remember what was found in pictures that are translated now."""
        self.found += found

    def _of_picture(self, parts: Sequence[Levels]) -> Findings:
        if not parts:
            return (self._none_found(f"no {self.one}"),)
        of_parts = [self._of_part(part) for part in parts]
        # Of several, what is told is true of any of them, and told once.
        return tuple({finding.kind: finding for findings in reversed(of_parts) for finding in findings}.values())

    def _of_part(self, part: Levels) -> list[Finding]:
        if _is_flat(part):
            return [Finding("flat", "it is of one colour, or nearly so: what comes out may be dots and stripes")]
        found = [*self._size(part.shape[:2])]
        unlike = self._unlike(part)
        missing = self._missing(part)
        return found + ([unlike] if unlike else []) + ([missing] if missing else [])

    def _size(self, sides: tuple[int, ...]) -> list[Finding]:
        size = self.trained_on.resolution
        larger, smaller = min(sides) / size, size / max(sides)
        if larger >= FAR:
            told = f"it is {larger:.0f} times larger than the {size} px at which the student was trained"
            return [Finding("larger", told, larger)]
        if smaller >= FAR:
            told = f"it is {smaller:.0f} times smaller than the {size} px at which the student was trained"
            return [Finding("smaller", told, smaller)]
        return []

    def _unlike(self, part: Levels) -> Finding | None:
        statistics = self.trained_on.statistics
        if statistics is None or (distance := statistics.distance(part)) <= 1:
            return None
        what = f"{statistics.difference(part)}, {distance:.1f} times the limit"
        return Finding("unlike", f"it is unlike the pictures that the student was trained on ({what})", detail=what)

    def _missing(self, part: Levels) -> Finding | None:
        """Look for what the training pictures show, where the picture has the size that it has there."""
        if self.aligner is None or self.way == "aligned" or (self._looked_for >= LOOKED_FOR and not self.strict):
            return None
        self._looked_for += 1
        small = fitted(part, self.trained_on.resolution)
        try:
            squares = self.aligner.regions(small[None])[0]
        except GdpError as error:  # nobody asked for it by name: it is told, and keeps nobody from translating
            self.aligner, self.unseen = None, str(error)
            return None
        if any(_fills(square, small.shape) for square in squares):
            return None
        return self._none_found(f"no {self.one} as large as in its training pictures")

    def _none_found(self, what: str) -> Finding:
        shows = self.trained_on.shows
        trained = f", and the student was trained on {shows.words}" if shows else ""
        return Finding("none-found", f"it shows {what}{trained}", detail=what)


def _is_flat(picture: Levels) -> bool:
    """Say whether a picture (H, W, 3) holds nothing but noise; of large ones by some of its pixels."""
    step = max(1, max(picture.shape[:2]) // SAMPLED) | 1  # odd, so that no pattern of pairs of pixels escapes
    return float(picture[::step, ::step].std(axis=(0, 1)).max()) < FLAT


def _fills(square: Square, shape: tuple[int, ...]) -> bool:
    height, width = shape[:2]
    side = math.sqrt(height * width)
    return square.side >= FILLS * side and math.hypot(*(square.middle - [width / 2, height / 2])) <= OFF * side


@dataclass(frozen=True)
class Watched:
    """A transform of whole pictures that are looked at before."""

    transform: Callable[[PictureArray], PictureArray]
    watch: Watch

    def __call__(self, pictures: PictureArray) -> PictureArray:
        """Translate pictures (N, H, W, 3)."""
        found = self.watch.look([[picture] for picture in pictures])
        made = self.transform(pictures)
        self.watch.keep(found)
        return made


@dataclass(frozen=True)
class Told:
    """What there is to tell of one file: a picture, or a video of many frames."""

    file: Path
    found: Sequence[Findings]
    """Of its pictures, or of those of its frames that were translated."""

    def by_kind(self) -> dict[Kind, list[Finding]]:
        """Return the findings of each kind, one for each picture or frame."""
        kinds: dict[Kind, list[Finding]] = defaultdict(list)
        for finding in (finding for findings in self.found for finding in findings):
            kinds[finding.kind].append(finding)
        return kinds

    def to_data(self) -> list[dict[str, Any]]:
        """Return it as plain data for JSON."""
        return [
            {"kind": kind, "told": findings[0].told, "share": round(len(findings) / len(self.found), 4)}
            for kind, findings in self.by_kind().items()
        ]


def pictures_told(jobs: Sequence[Job], translated: Sequence[Path], watch: Watch) -> list[Told]:
    """Return what a watch found in pictures, by their files.

    Args:
        jobs: the pictures.
        translated: of those that were translated the files to write, in the order in which they were.
        watch: what looked at them, and at nothing else so far.
    """
    sources = {job.target: job.source for job in jobs}
    return [Told(sources[path], [found]) for path, found in zip(translated, watch.found, strict=True)]


def findings_by_file(told: Sequence[Told]) -> dict[str, list[dict[str, Any]]]:
    """Return what there is to tell as plain data for JSON, by the files of which there is something."""
    return {str(one.file): one.to_data() for one in told if any(one.found)}


def describe_findings(told: Sequence[Told], watch: Watch) -> list[str]:
    """Return what the student was trained on, and a line for each kind of thing that it is out of its depth with.

    Args:
        told: of every file that was translated.
        watch: what looked at them.

    Returns:
        Lines with what to do about each; none where there is nothing to tell.
    """
    kinds: dict[Kind, list[tuple[Told, list[Finding]]]] = defaultdict(list)
    for file in told:
        for kind, findings in file.by_kind().items():
            kinds[kind].append((file, findings))
    lines = [f"{_line(kind, files, len(told))}. {_advice(kind, watch)}" for kind, files in kinds.items()]
    if watch.unseen:
        lines.append(f"whether pictures show what they should was not looked at: {watch.unseen}")
    return [_trained(watch.trained_on), *lines] if lines else []


def _trained(trained: TrainedOn) -> str:
    return f"this student was trained at {trained.resolution} px" + (
        f" on {trained.shows.words}" if trained.shows else ""
    )


def _line(kind: Kind, files: Sequence[tuple[Told, list[Finding]]], of: int) -> str:
    named = ", ".join(_name(file, findings) for file, findings in files[:NAMED])
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    findings = [finding for _, findings in files for finding in findings]
    return f"{len(files)} of {of} files {_sentence(kind, findings, len(files))} ({named}{more}){_CONSEQUENCES[kind]}"


def _name(file: Told, findings: Sequence[Finding]) -> str:
    share = len(findings) / len(file.found)
    return file.file.name if len(file.found) == 1 else f"{file.file.name}, {share:.0%} of {len(file.found)} frames"


def _sentence(kind: Kind, findings: Sequence[Finding], of: int) -> str:
    """Return what so many files or pictures are or do."""
    are, show, the_first = ("is", "shows", "") if of == 1 else ("are", "show", "the first ")
    least, most = (f"{choose(finding.times for finding in findings):.0f}" for choose in (min, max))
    times = least if least == most else f"{least} to {most}"
    return {
        "flat": f"{are} black or of one colour",
        "larger": f"{are} {times} times larger than its training pictures",
        "smaller": f"{are} {times} times smaller than its training pictures",
        "unlike": f"{are} unlike its training pictures, {the_first}by this: {findings[0].detail}",
        "none-found": f"{show} {findings[0].detail}",
    }[kind]


_CONSEQUENCES: Mapping[Kind, str] = {
    "flat": ": there is nothing to translate, and dots and stripes may come out",
    "larger": ": nothing in them has the size that it knows, so expect noise and halos",
    "smaller": "",
    "unlike": "",
    "none-found": "",
}


def _advice(kind: Kind, watch: Watch) -> str:
    """Return what to do, for the way in which the pictures were shown to the student."""
    one, many, size = watch.one, watch.many, watch.trained_on.resolution
    shows = watch.trained_on.shows
    aligner = (watch.aligner.name if watch.aligner else "") or (shows.aligner if shows else "") or "ALIGNER"
    of_photographs = one == "face" and aligner != PHOTOGRAPHS  # which that aligner may not find: it may know drawn ones
    align = f"--align {aligner} translates each {one} in its place" if shows and shows.one else ""
    if align and of_photographs:
        align += f", --align {PHOTOGRAPHS} those of photographs"
    resize = f"--resize translates at {size} px and keeps what is finer"
    if watch.way == "python":
        return f"Scale pictures to about {size} px; gdp apply has {'--align and ' if align else ''}--resize for such"
    if kind == "flat":
        return "Leave such pictures out"
    if watch.way == "aligned" and kind == "none-found":
        found = f"; --align {PHOTOGRAPHS} finds faces of photographs" if of_photographs else ""
        return f"They are written unchanged{found}"
    if watch.way == "aligned" and kind in ("larger", "smaller"):
        return f"Leave --align-size out: the {many} are shown at {size} px then"
    if watch.way == "whole" and (kind in ("larger", "smaller") or align):
        offered = [align] if kind in ("unlike", "none-found") else [resize, *([align] if align else [])]
        return f"{'; '.join(offered)}. Look at what comes out"
    return "Look at what comes out: it takes a student that was trained on such pictures to translate them well"


@dataclass
class PythonWatch:
    """Looks at what a student is called with from Python, and warns of each kind of thing once."""

    trained_on: TrainedOn
    _warned: set[Kind] = field(default_factory=set)

    def __call__(self, pictures: PictureArray, stacklevel: int) -> None:
        """Look at pictures (N, H, W, C), of one input or several.

        Args:
            pictures: what the student is called with.
            stacklevel: as of `warnings.warn`, counted from here.
        """
        inputs = pictures.shape[3] // 3
        shown = [picture[..., 3 * at : 3 * at + 3] for picture in pictures for at in range(inputs)]
        watch = Watch(self.trained_on, "python")
        watch.keep(watch.look([[picture] for picture in shown]))
        for kind, findings in Told(Path(), watch.found).by_kind().items():
            if kind not in self._warned:
                self._warned.add(kind)
                what = f"{_sentence(kind, findings, len(findings))}{_CONSEQUENCES[kind]}"
                told = f"{len(findings)} of {len(shown)} pictures {what}"
                text = f"{_trained(self.trained_on)}: {told}. {_advice(kind, watch)}"
                warnings.warn(text, OutOfDepthWarning, stacklevel=stacklevel + 1)


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
