"""Measure what a direction does to the built-in judge's opinion, and show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from gdp.core.errors import readable_os_errors
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.plugins.directions.files import Direction
from gdp.plugins.faces.judge import FaceAssessment, FaceJudge

ATTRIBUTES = ("age", "glasses", "smile", "hair_length", "skin")
"""What `judge_scores` tells of a picture."""

STRENGTHS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class StrengthEffect:
    """What the judge says at one strength of a direction, over the same samples at each."""

    strength: float
    age: float
    """Mean judged age in years."""
    age_shift: float
    """Mean judged age less that of the same samples at strength 0, in years."""
    faces: float
    """Share that passes as a face, in [0, 1]."""
    changed: Mapping[str, float]
    """Share, in [0, 1], of which the judged class differs from that at strength 0, for each other attribute."""


def judge_scores(judge: FaceJudge, images: Tensor) -> dict[str, Tensor]:
    """Return one number a picture for each attribute: years, probabilities, expected class numbers; and `keep`.

    `keep` is 1 where the picture is a face, else 0.
    """
    found = judge.assess(images)
    return {
        "keep": (found.face > 0.5).float(),
        "age": found.age,
        "glasses": found.glasses,
        "smile": found.smile,
        "hair_length": _expected_class(found.hair_length),
        "skin": _expected_class(found.skin),
    }


def measure_direction(
    teacher: LatentTeacher,
    judge: FaceJudge,
    direction: Direction,
    ws: Tensor,
    strengths: Sequence[float] = STRENGTHS,
) -> list[StrengthEffect]:
    """Move ws (N, num_ws, w_dim) along a direction and let the judge look."""
    still = judge.assess(teacher.synthesize(ws).clamp(-1, 1))
    before = _classes(still)
    effects = []
    for strength in strengths:
        moved = ws + direction.displacement(teacher, strength).to(ws)
        found = judge.assess(teacher.synthesize(moved).clamp(-1, 1))
        changed = {name: float((classes != before[name]).float().mean()) for name, classes in _classes(found).items()}
        effects.append(
            StrengthEffect(
                strength=strength,
                age=float(found.age.mean()),
                age_shift=float((found.age - still.age).mean()),
                faces=float((found.face > 0.5).float().mean()),
                changed=changed,
            )
        )
    return effects


def effects_as_text(effects: Sequence[StrengthEffect]) -> str:
    """Return a table: a line a strength."""
    names = list(effects[0].changed)
    lines = ["strength    age  shift  faces  " + "  ".join(f"{name} changed" for name in names)]
    for effect in effects:
        shares = "  ".join(f"{effect.changed[name]:>{len(name) + 7}.0%} " for name in names)
        lines.append(
            f"{effect.strength:>+8.1f}  {effect.age:5.1f}  {effect.age_shift:+5.1f}  {effect.faces:5.0%}  {shares}"
        )
    return "\n".join(lines)


def effects_as_data(effects: Sequence[StrengthEffect]) -> list[dict[str, object]]:
    """Return plain data for JSON, rounded to 4 digits."""
    rows: list[dict[str, object]] = []
    for effect in effects:
        changed = {name: round(share, 4) for name, share in effect.changed.items()}
        rows.append(
            {key: changed if key == "changed" else round(float(value), 4) for key, value in asdict(effect).items()}
        )
    return rows


def write_strip(
    teacher: LatentTeacher, direction: Direction, ws: Tensor, path: Path, strengths: Sequence[float] = STRENGTHS
) -> None:
    """Write a PNG with one row for each of ws (N, num_ws, w_dim) and one column for each strength.

    Raises:
        DiskFullError, RunFolderError: the file cannot be written.
    """
    columns = []
    for strength in strengths:
        images = teacher.synthesize(ws + direction.displacement(teacher, strength).to(ws))
        levels = images.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu()
        columns.append(levels.permute(0, 2, 3, 1).flatten(0, 1))  # (N * R, R, 3)
    sheet = torch.cat(columns, dim=1)
    with readable_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet.numpy()).save(path, "PNG")


def _expected_class(probabilities: Tensor) -> Tensor:
    return probabilities @ torch.arange(probabilities.shape[1], dtype=probabilities.dtype, device=probabilities.device)


def _classes(found: FaceAssessment) -> dict[str, Tensor]:
    return {
        "glasses": found.glasses >= 0.5,
        "smile": found.smile >= 0.5,
        "hair_length": found.hair_length.argmax(dim=1),
        "skin": found.skin.argmax(dim=1),
    }
