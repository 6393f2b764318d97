"""Where a direction belongs: to this teacher's w, to z, or to another generator, as far as it can be known."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from gdp.core.interfaces.teachers import LatentTeacher
from gdp.support.directions.direction import Direction, scale_over

BELONGS = 3.5
"""Standard deviations above chance from which on a direction is taken for one of this teacher's w.

Of the public directions in the w of StyleGAN2's FFHQ generator the least has 4.4, and of those in z or for other
generators, held against the same w, the highest has 2.1 (`docs/directions.md`); of random vectors 8 in 10,000 have
more.
"""
SAME_SPREAD = 1.25
"""Largest factor between a component's own standard deviation and the samples': of 4096 samples it is within 5 %."""
_SMALLEST_VARIANCE = 1e-6
"""Of the largest one; smaller ones are rounding."""
_WITHOUT_W = frozenset({"pggan", "progan", "proggan", "pgan"})


@dataclass(frozen=True)
class Origin:
    """What is known of where a direction belongs.

    Attributes:
        fits: Whether it may be added to this teacher's w without asking.
        words: What is known, and how.
        deviations: How far its variance lies above chance, in standard deviations of random directions'; None where it
            was not measured.
    """

    fits: bool
    words: str
    deviations: float | None = None


def chance_deviations(w: Tensor, vector: Tensor) -> float:
    """Tell how far the variance of w along `vector` lies above that along random directions.

    Of the principal components of w (N, w_dim) the variances are v_i, and c_i are the coordinates of the unit vector
    along them. sum c_i^2 log v_i is the mean logarithm of the variance. For a vector drawn at random on the sphere
    c^2 is Dirichlet distributed with all parameters 1/2, so its mean is that of log v and its variance 2 / (w_dim + 2)
    times that of log v. The answer counts such standard deviations: a vector that knows nothing of this w lies near 0,
    one that follows what varies in it far above.

    Args:
        w: untruncated samples, (N, w_dim).
        vector: (w_dim,) of any norm.
    """
    variances, axes = torch.linalg.eigh(torch.cov(w.double().T))
    logarithms = variances.clamp(min=max(float(variances.max()) * _SMALLEST_VARIANCE, 1e-30)).log()
    shares = (axes.T @ vector.double()).square() / vector.double().square().sum()
    spread = (2 / (len(vector) + 2) * logarithms.var(correction=0)).sqrt()
    if not spread > 0:
        return 0.0
    return float((shares @ logarithms - logarithms.mean()) / spread)


def origin_by_name(direction: Direction) -> str:
    """Return what the file or its name says against w, or an empty line.

    genforce's InterFaceGAN names its boundaries `GENERATOR_DATA_WHAT_boundary`, and `..._w_boundary` in w.
    """
    if direction.space == "z":
        return "its file says that it is a direction in z, the input of the mapping"
    words = [word for word in re.split(r"[^a-z0-9]+", direction.name.lower()) if word]
    if direction.space or len(direction.vectors) > 1:
        return ""
    if _WITHOUT_W & set(words):
        return "by its name it belongs to a progressive GAN, which has no w: it is a boundary in z"
    in_z = "zspace" in words or ("z" in words and {"boundary", "space", "latent"} & set(words))
    if in_z or (words[:1] == ["stylegan"] and "boundary" in words and not {"w", "wp"} & set(words)):
        return (
            "by its name it is a boundary in z, the input of the mapping (InterFaceGAN calls those in w ..._w_boundary)"
        )
    return ""


def trace_origin(direction: Direction, teacher: LatentTeacher, w: Tensor) -> Origin:
    """Judge where a direction belongs.

    Args:
        direction: of the teacher's shape.
        teacher: the generator whose w it is to be added to.
        w: its untruncated samples, (N, w_dim).
    """
    if against := origin_by_name(direction):
        return Origin(False, against)
    if direction.teacher == teacher.fingerprint:
        return Origin(True, "it was found on this teacher")
    rows = direction.vectors
    if direction.found.get("format") == "ganspace" and len(rows) == 1:
        return _by_spread(direction, w)
    if bool((rows == rows[0]).all()):
        return _by_variance(direction, chance_deviations(w, rows[0]))
    if direction.is_foreign(teacher):
        return Origin(False, _other(direction))
    return Origin(True, f"of {len(rows)} rows, as directions in W+ have; no generator is told")


def _by_spread(direction: Direction, w: Tensor) -> Origin:
    """Hold a component's own standard deviation against the teacher's; the wide ones of another w miss this one's."""
    said, measured = direction.scale or 0.0, scale_over(w, direction.vectors)
    deviations = chance_deviations(w, direction.vectors[0])
    told = (
        f"its file gives w's standard deviation along it as {said:.3g}, and on this teacher it is {measured:.3g}; this "
        f"teacher's w varies along it {_chance(deviations)}"
    )
    if said / SAME_SPREAD <= measured <= said * SAME_SPREAD and deviations >= BELONGS:
        return Origin(True, told, deviations)
    return Origin(False, f"{told}: it seems to be a component of another generator's w", deviations)


def _by_variance(direction: Direction, deviations: float) -> Origin:
    """Hold w's variance along it against that along random vectors."""
    told = f"this teacher's w varies along it {_chance(deviations)}"
    known = f"{_other(direction)}, " if direction.teacher else ""
    rows = len(direction.vectors)
    if deviations >= BELONGS:
        return Origin(True, f"{known}{'yet ' if known else ''}{told}: it belongs to this w", deviations)
    if known:
        return Origin(False, f"{known}and {told}", deviations)
    if direction.space == "w":
        return Origin(True, f"its file says w and no generator, and {told}", deviations)
    if rows > 1:
        return Origin(
            True, f"of {rows} equal rows, as directions in W+ have; no generator is told, and {told}", deviations
        )
    told = f"its file says neither w nor z and no generator, and {told}: so do boundaries in z and other generators'"
    return Origin(False, told, deviations)


def _chance(deviations: float) -> str:
    if deviations >= BELONGS:
        return f"far more than along random vectors ({deviations:.1f} standard deviations above chance)"
    way = "above" if deviations >= 0 else "below"
    return f"hardly more than along a random vector ({abs(deviations):.1f} standard deviations {way} chance)"


def _other(direction: Direction) -> str:
    return f"it was found on another teacher ({direction.teacher[:12]})"
