"""What an age direction does to faces whose older self the renderer knows.

The embedded teacher draws a rendering from the rendering's own numbers, which are z's first. So a face that a direction
has aged can be held against the rendering of the same face at that age.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from attribute_network import HUES, AttributeNetwork
from torch import Tensor

from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes, sample_latents
from gdp.plugins.faces.judge import FaceJudge
from gdp.plugins.faces.renderer import render
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.support.directions import Direction, measure_scale, normalised

SEED = 3_000_002
YEARS = 15.0
"""By how much the judged age shall grow in the mean: so far each direction is followed."""
OLDEST = 68.0
"""Years of the oldest face that is aged: the renderer's end at 85."""
YOUNGEST = 18.0
STILL = 2.0
"""Levels: where the renderer's ageing changes a pixel by less, nothing is to change."""
TRUTH_PROTOCOL = (
    f"Faces of seed {SEED} of {YOUNGEST:g} to {OLDEST:g} years whose numbers are z's first, psi 1. Each direction is "
    f"followed until the judged age has grown by {YEARS:g} years in the mean (strength). truth: the same face rendered "
    "at the edited picture's judged age; truth_db: PSNR of the edited picture to it, gain_db: less that of the sample "
    "as it was, means; edit_db: gain of the rendering itself with the edit's change laid over it, to the rendering so "
    "many years older: what the teacher's own blur does not touch; stray: mean absolute change in levels where the "
    f"renderer's ageing changes less than {STILL:g}; border: the same on the outermost sixteenth of each side; pose: "
    "mean absolute change of yaw in degrees; hue: of the background's hue, in degrees of the colour circle; skin: share"
    " of faces whose skin class changes (these three by bench/attribute_network.py); kept: share of faces that keep "
    "glasses, smile, hair length and skin by the judge, the worst of the four; faces: share that the judge takes for a "
    "face."
)


@dataclass(frozen=True)
class KnownFaces:
    """Faces whose numbers are known, and what the teacher makes of them."""

    attributes: FaceAttributes
    ws: Tensor
    """(N, num_ws, w_dim)."""
    made: Tensor
    """(N, 3, 64, 64) in [-1, 1]."""

    @classmethod
    def of(cls, teacher: StyleGAN2Teacher, count: int) -> KnownFaces:
        """Take the first `count` faces of the ages that are aged."""
        numbers = torch.arange(4 * count)
        ages = sample_attributes(SEED, numbers).age
        numbers = numbers[(ages >= YOUNGEST) & (ages <= OLDEST)][:count]
        known = sample_latents(SEED, numbers)
        free = teacher.sample_z(SEED, range(len(numbers)))
        ws = teacher.map(torch.cat([known, free[:, known.shape[1] :]], dim=1))
        return cls(sample_attributes(SEED, numbers), ws, teacher.synthesize(ws).clamp(-1, 1))


def aged(teacher: StyleGAN2Teacher, direction: Direction, ws: Tensor, strength: float) -> Tensor:
    """Return the pictures of ws that were moved."""
    return teacher.synthesize(ws + direction.displacement(teacher, strength)).clamp(-1, 1)


def strength_for(teacher: StyleGAN2Teacher, judge: FaceJudge, direction: Direction, faces: KnownFaces) -> float:
    """Return the strength at which the judged age has grown by `YEARS` in the mean, by three steps of the secant."""
    before = judge.assess(faces.made).age.mean()
    strength, grown = 0.0, 0.0
    guess = 1.0
    for _ in range(3):
        found = float(judge.assess(aged(teacher, direction, faces.ws, guess)).age.mean() - before)
        slope = max((found - grown) / (guess - strength), 1.0) if guess != strength else 1.0
        strength, grown = guess, found
        if abs(found - YEARS) < 1.0:
            break
        guess = min(4.0, max(0.2, guess + (YEARS - found) / slope))
    return strength


def truth_figures(
    teacher: StyleGAN2Teacher, judge: FaceJudge, network: AttributeNetwork, direction: Direction, faces: KnownFaces
) -> dict[str, Any]:
    """Hold a direction against the renderer; see `TRUTH_PROTOCOL`."""
    strength = strength_for(teacher, judge, direction, faces)
    made, moved = faces.made, aged(teacher, direction, faces.ws, strength)
    before, after = judge.assess(made), judge.assess(moved)
    truth, own = render(faces.attributes.with_age(after.age)), render(faces.attributes)
    older = render(faces.attributes.older(after.age - before.age))
    change = (moved - made).abs().mean(dim=1) * 127.5  # (N, 64, 64)
    still = ((truth - own).abs().amax(dim=1) * 127.5) < STILL
    seen, seen_after = network.read(made), network.read(moved)
    kept = [
        (getattr(before, name) > 0.5) == (getattr(after, name) > 0.5)
        if getattr(before, name).ndim == 1
        else getattr(before, name).argmax(dim=1) == getattr(after, name).argmax(dim=1)
        for name in ("glasses", "smile", "hair_length", "skin")
    ]
    turned = (seen_after[HUES[0]] - seen[HUES[0]] + 0.5) % 1 - 0.5
    found = {
        "strength": strength,
        "years": float((after.age - before.age).mean()),
        "truth_db": float(psnr(moved, truth).mean()),
        "gain_db": float((psnr(moved, truth) - psnr(made, truth)).mean()),
        "edit_db": float((psnr((own + moved - made).clamp(-1, 1), older) - psnr(own, older)).mean()),
        "stray": float(change[still].mean()),
        "border": float(change[:, _border(change.shape[-1])].mean()),
        "pose": float((seen_after["yaw"] - seen["yaw"]).abs().mean()),
        "hue": float(turned.abs().mean() * 360),
        "skin": float((seen["skin"].argmax(dim=1) != seen_after["skin"].argmax(dim=1)).float().mean()),
        "kept": min(float(same.float().mean()) for same in kept),
        "faces": float((after.face > 0.5).float().mean()),
    }
    return {name: round(value, 3) for name, value in found.items()}


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Return the PSNR (N,) in dB of pictures (N, 3, H, W) in [-1, 1]."""
    return 10 * torch.log10(4 / (images - truth).square().flatten(1).mean(dim=1))


def _border(side: int) -> Tensor:
    width = side // 16
    inside = torch.zeros(side, side, dtype=torch.bool)
    inside[width:-width, width:-width] = True
    return ~inside


def own_direction(teacher: StyleGAN2Teacher, seed: int, count: int = 4096) -> Direction:
    """Return the mean change of w with the number in z that is age: what no search knows, the best to be expected."""
    number = [field.name for field in fields(FaceAttributes)].index("age")
    z = teacher.sample_z(seed, range(count))
    step = torch.zeros(z.shape[1])
    step[number] = 0.5
    vectors = normalised((teacher.map(z + step) - teacher.map(z - step))[:, 0].double().mean(dim=0)[None])
    return Direction("age", vectors, measure_scale(teacher, vectors), None, teacher.fingerprint)


def strip_rows(
    teacher: StyleGAN2Teacher, judge: FaceJudge, direction: Direction, faces: KnownFaces, strengths: Sequence[float]
) -> list[tuple[str, list[Tensor]]]:
    """Return for each face a row of what the direction makes of it and one of the renderer's at those judged ages."""
    moved = [aged(teacher, direction, faces.ws, strength) for strength in strengths]
    truth = [render(faces.attributes.with_age(judge.assess(images).age)) for images in moved]
    rows = []
    for face in range(len(faces.made)):
        rows += [
            (title, [images[face] for images in each]) for title, each in (("direction", moved), ("renderer", truth))
        ]
    return rows
