"""How good the judge is on faces it has never seen, and the model card that says so."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes
from gdp.plugins.faces.degrade import degrade
from gdp.plugins.faces.judge import FaceAssessment, FaceJudge
from gdp.plugins.faces.non_faces import NON_FACE_KINDS, make_non_faces
from gdp.plugins.faces.renderer import render


def measure_judge(judge: FaceJudge, seed: int, count: int = 2_000) -> dict[str, Any]:
    """Accuracy on faces 0 to `count` - 1 of `seed`, clean and degraded, and on `count` / 10 non-faces of each kind.

    Ages are mean absolute errors in years; everything else is a fraction of right answers in [0, 1].
    """
    attributes = sample_attributes(seed, range(count))
    faces = render(attributes)
    generator = torch.Generator().manual_seed(seed)
    rejected = {}
    for kind in NON_FACE_KINDS:
        groups = torch.split(faces[: count // 10], 8)
        wrong = torch.cat([make_non_faces(group, kind, generator) for group in groups if len(group) == 8])
        rejected[kind] = _rounded((judge.assess(wrong).face < 0.5).float().mean())
    return {
        "unseen_faces": count,
        "seed": seed,
        "clean": accuracies(judge.assess(faces), attributes),
        "degraded": accuracies(judge.assess(degrade(faces, generator)), attributes),
        "non_faces_rejected": rejected,
    }


def accuracies(seen: FaceAssessment, truth: FaceAttributes) -> dict[str, Any]:
    """Compare an assessment with the truth: age errors in years, all else as fractions of right answers."""
    error = (seen.age - truth.age).abs()
    decades = (truth.age / 10).long()
    return {
        "age_error_years": _rounded(error.mean()),
        "age_bias_years": _rounded((seen.age - truth.age).mean()),
        "age_error_years_by_decade": {
            f"{10 * decade}-{10 * decade + 9}": _rounded(error[decades == decade].mean())
            for decade in torch.unique(decades).tolist()
        },
        "face": _rounded((seen.face >= 0.5).float().mean()),
        "glasses": _rounded(((seen.glasses >= 0.5) == (truth.glasses == 1)).float().mean()),
        "smile": _rounded(((seen.smile >= 0.5) == (truth.smile >= 0.5)).float().mean()),
        "hair_length": _rounded((seen.hair_length.argmax(dim=1) == truth.hair_length).float().mean()),
        "skin": _rounded((seen.skin.argmax(dim=1) == truth.skin).float().mean()),
    }


def model_card(metrics: dict[str, Any]) -> str:
    """The judge's model card in Markdown, from the metrics of its training."""
    training, clean, degraded = metrics["training"], metrics["clean"], metrics["degraded"]
    lines = [
        "# Model card: the embedded judge of faces",
        "",
        "A convolutional network that tells from a 64-pixel picture whether it is a whole, intact face, how old the",
        "face is, whether it wears glasses and smiles, how long its hair is and which of four skin tones it has.",
        "It knows the faces of the embedded renderer and what generators and students make of them. It knows nothing",
        "of photographs and must not be used to judge people.",
        "",
        f"- Parameters: {training['parameters']:,}, stored as fp16, {training['bytes']:,} bytes.",
        f"- Training: {training['steps']:,} steps of {training['batch']} faces of {training['faces']:,} rendered ones",
        f"  and {training['non_faces']} non-faces; AdamW, peak learning rate {training['learning_rate']},",
        f"  seed {training['seed']}, float32; {training['seconds']} s on two busy processor cores, rendering included.",
        "- To repeat it: `python -m gdp.plugins.faces.train_judge`.",
        "",
        f"## On {metrics['unseen_faces']:,} renderings never seen (seed {metrics['seed']})",
        "",
        "`degraded`: shifted, mirrored, blurred, tinted and with noise, as in training (`degrade.py`).",
        "",
        "| | clean | degraded |",
        "|---|---|---|",
        f"| age, mean absolute error in years | {clean['age_error_years']:.2f} | {degraded['age_error_years']:.2f} |",
        f"| age, mean error in years | {clean['age_bias_years']:+.2f} | {degraded['age_bias_years']:+.2f} |",
    ]
    for decade, error in clean["age_error_years_by_decade"].items():
        lines.append(f"| age {decade} | {error:.2f} | {degraded['age_error_years_by_decade'][decade]:.2f} |")
    for name in ("face", "glasses", "smile", "hair_length", "skin"):
        lines.append(f"| {name.replace('_', ' ')}, right | {clean[name]:.2%} | {degraded[name]:.2%} |")
    lines += ["", "## Non-faces rejected", "", "| kind | rejected |", "|---|---|"]
    lines += [f"| {kind} | {share:.1%} |" for kind, share in metrics["non_faces_rejected"].items()]
    return "\n".join([*lines, ""])


def _rounded(value: Tensor) -> float:
    return round(float(value), 4)
