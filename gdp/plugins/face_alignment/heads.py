"""Which outputs of a landmark model are its scores and landmarks, what they mean, and which models are refused.

A model that is understood wrongly would ruin every photo: what is ambiguous is asked about, and a model whose answers
to plain pictures cannot be decoded landmarks is refused before a picture is changed. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from gdp import ShapeError
from gdp.plugins.face_alignment import LandmarkSettings
from gdp.plugins.face_alignment.found import Floats, Found, doubt
from gdp.plugins.face_alignment.frames import POINTS
from gdp.toolbox import Points

Shapes = Mapping[str, tuple[int, ...]]

_IBUG = 68
"""Landmarks of the 300-W scheme, 0 to 67: 36-41 and 42-47 the eyes, 30 the nose, 48 and 54 the mouth's corners."""
_IBUG_POINTS = (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,))
_CANDIDATES = 300

_MANY = 64
"""Places from which a model is taken to look everywhere in a picture, so that its answers must cover a plain one."""
_CELLS, _COVERED = 4, 8
"""Of 4 x 4 cells of a plain picture, how many at least hold the middle of some place's landmarks."""
_NEAR, _MOST_NEAR = 0.25, 0.8
"""How far beyond the picture, as a share of it, this share of the middles may lie."""
_EVERYWHERE = 0.5
"""Share of the places of a plain grey picture that can be no faces."""
_ROUNDING = 0.01
_TINY, _HUGE = 0.02, 2.0
"""Shares of a picture's side within or beyond which all landmarks lie where their unit is another one."""


@dataclass(frozen=True)
class Heads:
    """The outputs that are read.

    Args:
        path: of the model, for messages.
        settings: of the model.
        scores, landmarks: names of the outputs.
    """

    path: Path
    settings: LandmarkSettings
    scores: str
    landmarks: str

    def read(self, outputs: Mapping[str, Floats], size: tuple[int, int]) -> tuple[Floats, Floats]:
        """Return probabilities (N, P), and landmarks (N, P, 5, 2) as shares of what was shown.

        Args:
            outputs: by name.
            size: height and width in pixels of what was shown.
        """
        settings, scores = self.settings, outputs[self.scores].astype(numpy.float32)
        if settings.activation == "softmax":
            if scores.ndim != 3 or scores.shape[2] != 2:
                raise ShapeError(f"{self.path}: softmax needs scores (N, P, 2); {self.scores} is {scores.shape}")
            scores = 1 / (1 + numpy.exp((scores[..., 0] - scores[..., 1]).clip(-80, 80)))
        else:
            scores = scores[..., -1] if scores.ndim == 3 else scores
            scores = 1 / (1 + numpy.exp(-scores.clip(-80, 80))) if settings.activation == "sigmoid" else scores
        told = outputs[self.landmarks]
        told = told.reshape(*told.shape[:2], -1)
        if settings.order == "apart":
            told = told.reshape(*told.shape[:2], 2, -1).swapaxes(2, 3)
        landmarks = _five(told.reshape(*told.shape[:2], -1, 2), settings)
        if settings.coordinates == "pixels":
            landmarks = landmarks / numpy.array([size[1], size[0]])
        elif settings.coordinates == "centred":
            landmarks = (landmarks + 1) / 2
        return scores, landmarks.astype(numpy.float32)

    def best(self, scores: Floats, landmarks: Floats, enough: float, size: tuple[float, float]) -> list[Found]:
        """Return the likeliest candidates of one picture, without those that can be no faces.

        Args:
            scores: (P,).
            landmarks: (P, 5, 2) as shares.
            enough: smallest probability.
            size: width and height in pixels of the whole picture.

        Raises:
            ShapeError: more than half of what counts as faces by their scores are none by their landmarks.
        """
        places = numpy.flatnonzero(~(scores < enough))  # a score of NaN is looked at, too
        order = places[numpy.argsort(-scores[places], kind="stable")[:_CANDIDATES]]
        doubts = {place: doubt(landmarks[place].astype(numpy.float64) * size, size) for place in order.tolist()}
        counted = [reason for place, reason in doubts.items() if not scores[place] < self.settings.min_score]
        reasons = [reason for reason in counted if reason is not None]
        if 2 * len(reasons) > len(counted):
            raise self.refusal(
                f"{len(reasons)} of {len(counted)} faces that it finds in a picture are none: {reasons[0]}"
            )
        return [
            Found(float(scores[place]), landmarks[place].astype(numpy.float64) * size)
            for place, reason in doubts.items()
            if reason is None and numpy.isfinite(scores[place])
        ]

    def refusal(self, reason: str) -> ShapeError:
        """Return the error that refuses the model."""
        return ShapeError(
            f"{self.path}: this landmark model is refused, no picture is changed: {reason}. It must tell "
            "probabilities of "
            f"places and their decoded landmarks; {self.path.with_suffix('.json').name} beside it says in which "
            "outputs "
            f"and units (gdp describe aligner landmarks)"
        )

    def check(self, scores: Floats, landmarks: Floats, size: tuple[int, int]) -> None:
        """Hold a model's answers to plain pictures against what decoded landmarks are.

        Args:
            scores: (N, P) probabilities of N plain pictures.
            landmarks: (N, P, 5, 2) as shares.
            size: height and width in pixels of these pictures.

        Raises:
            ShapeError: they cannot be that; the message says why.
        """
        if scores.size == 0:
            return
        if numpy.isnan(scores).any():
            raise self.refusal(f"scores of {self.scores} are no numbers (NaN)")
        low, high = float(scores.min()), float(scores.max())
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            raise self.refusal(
                f"its scores {self.scores} go from {low:.3g} to {high:.3g}, which are no probabilities; if they are "
                f'logits say "activation": "sigmoid" or "softmax"'
            )
        self._check_units(landmarks, size)
        if landmarks.shape[1] >= _MANY:
            self._check_places(scores, landmarks)
        for of_picture, points in zip(scores, landmarks, strict=True):
            self.best(of_picture, points, self.settings.min_score, (float(size[1]), float(size[0])))

    def _check_units(self, landmarks: Floats, size: tuple[int, int]) -> None:
        rows = _told(landmarks)
        if not len(rows):
            return
        reach = float(numpy.median(numpy.abs(rows).max(axis=(1, 2))))
        pixels = _HUGE < reach <= 2 * max(size) and (rows > -0.1 * reach).mean() > 0.95  # offsets go both ways
        if self.settings.coordinates == "shares" and pixels:
            raise self.refusal(
                f"its landmarks reach {reach:.0f} where a share of the picture is at most 1; if they are pixels say "
                f'"coordinates": "pixels"'
            )
        if self.settings.coordinates == "pixels" and len(rows) >= _MANY and numpy.abs(rows).max() < _TINY:
            raise self.refusal('its landmarks are no pixels; if they are shares say "coordinates": "shares"')

    def _check_places(self, scores: Floats, landmarks: Floats) -> None:
        """Say whether a model that looks everywhere tells landmarks everywhere, and finds no faces in plain
        pictures."""
        rows = _told(landmarks)
        if len(rows) >= _MANY:
            middles = rows.mean(axis=1)
            near = (numpy.abs(middles - 0.5) <= 0.5 + _NEAR).all(axis=1).mean()
            inside = middles[(numpy.abs(middles - 0.5) < 0.5).all(axis=1)]
            cells = len({tuple(cell) for cell in (inside * _CELLS).astype(int).tolist()})
            if near < _MOST_NEAR or cells < _COVERED:
                raise self.refusal(
                    f"its landmarks are not decoded: of {landmarks.shape[1]:,} places in a plain picture "
                    f"{near:.0%} tell landmarks in or near it, in {cells} of {_CELLS**2} parts of it. Offsets from "
                    "places "
                    f"(priors, anchors) must be decoded in the file"
                )
        everywhere = float((scores >= self.settings.min_score).mean())
        if everywhere > _EVERYWHERE:
            raise self.refusal(
                f"it finds faces at {everywhere:.0%} of the places of a plain picture: its scores {self.scores} are "
                f"another thing, or stand in another order (background first, then face)"
            )


def _told(landmarks: Floats) -> Floats:
    """Return the rows (K, 5, 2) that tell something: numbers that are not all the same, as filled-up rows are."""
    rows = landmarks.reshape(-1, POINTS, 2)
    rows = rows[numpy.isfinite(rows).all(axis=(1, 2))]
    told: Floats = rows[(numpy.ptp(rows, axis=1) > 0).any(axis=1)]
    return told


def choose_heads(path: Path, settings: LandmarkSettings, shapes: Shapes) -> Heads:
    """Find the outputs with scores and landmarks.

    Args:
        path: of the model.
        settings: may name them.
        shapes: of all outputs, for one picture.

    Raises:
        ShapeError: there are none of the right shape, several, or they are not of the same places.
    """
    told = [name for name, shape in shapes.items() if _tells(shape, settings)]
    landmarks = _one(path, "landmarks", settings.landmarks, told, shapes)
    if landmarks is None:
        boxes = any(shape[2:] == (4,) for shape in shapes.values())
        only = "; it tells boxes only, which do not say how a face is turned" if boxes else ""
        raise _lacking(path, f"there are no landmarks{only}", shapes)
    places = shapes[landmarks][1]
    fitting = [
        name
        for name, shape in shapes.items()
        if name != landmarks and len(shape) >= 2 and shape[2:] in ((), (1,), (2,)) and shape[1] == places
    ]
    scores = _one(path, "scores", settings.scores, fitting, shapes)
    if scores is None:
        raise _lacking(path, "there are no scores (N, P) of the same places", shapes)
    return Heads(path, settings, scores, landmarks)


def _lacking(path: Path, what: str, shapes: Shapes) -> ShapeError:
    return ShapeError(
        f"{path}: to align faces their landmarks are needed, (N, P, 10) or (N, P, 68, 2) with scores (N, P); this "
        "model's "
        f"outputs are {_listed(shapes)}: {what}. Take a detector with landmarks, or name its outputs in "
        f"{path.with_suffix('.json').name} beside it (scores, landmarks; points for another count of them): gdp "
        "describe "
        f"aligner landmarks. Or take --align faces"
    )


def _one(path: Path, role: str, named: str | None, fitting: Sequence[str], shapes: Shapes) -> str | None:
    """Return the only output that fits a role, or the one that the settings name; None where there is none."""
    if named is not None:
        return named if named in fitting else None
    if len(fitting) > 1:
        raise ShapeError(
            f"{path}: this landmark model is refused, no picture is changed: {len(fitting)} of its outputs could be "
            "its "
            f"{role} ({', '.join(fitting)}). A detector with a head for each size (YuNet's raw export, say) must be "
            "exported "
            f"with its heads joined and decoded; of several finished outputs name the right one in "
            f"{path.with_suffix('.json').name} ({role}). Its outputs are {_listed(shapes)}"
        )
    return fitting[0] if fitting else None


def _tells(shape: tuple[int, ...], settings: LandmarkSettings) -> bool:
    """Say whether an output of that shape can hold landmarks of places."""
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] != 2) or math.prod(shape[2:]) % 2:
        return False
    count = math.prod(shape[2:]) // 2
    if settings.points is None:
        return count in (POINTS, _IBUG)
    return count > max((number for group in settings.points for number in group), default=count)


def _listed(shapes: Shapes) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _five(landmarks: Floats, settings: LandmarkSettings) -> Points:
    """Return (N, P, 5, 2) of all landmarks (N, P, K, 2)."""
    groups = settings.points
    if groups is None and landmarks.shape[2] == POINTS:
        return landmarks.astype(numpy.float64)
    chosen = [landmarks[:, :, list(group)].mean(axis=2) for group in groups or _IBUG_POINTS]
    return numpy.stack(chosen, axis=2).astype(numpy.float64)
