"""Train the judge on the renderer's labels: `python -m gdp.plugins.faces.train_judge --help`.

How good the judge is on faces it has never seen, and the model card that says so.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes
from gdp.plugins.faces.judge import AGE_CENTRE, AGE_SCALE, JUDGE_WEIGHTS, FaceAssessment, FaceJudge, JudgeNetwork
from gdp.plugins.faces.non_faces import NON_FACE_KINDS, make_non_faces
from gdp.plugins.faces.renderer import degrade, render
from gdp.toolbox import from_levels, to_levels, write_tensors


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


_NON_FACE_GROUP = 4
"""Non-faces of one kind in a step: enough that a cut and pasted half comes from somebody else."""


def main() -> None:
    """Parse the command line, train, measure on faces never seen, and write weights, metrics and model card."""
    parser = argparse.ArgumentParser(description="Train the embedded judge of faces on freshly rendered pictures.")
    parser.add_argument("--out", type=Path, default=JUDGE_WEIGHTS, help="safetensors file to write (fp16)")
    parser.add_argument("--faces", type=int, default=24_000, help="rendered faces to train on")
    parser.add_argument("--steps", type=int, default=1_600, help="optimizer steps")
    parser.add_argument("--batch", type=int, default=64, help="faces in a step; non-faces come on top")
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="peak learning rate of AdamW")
    parser.add_argument("--seed", type=int, default=1000, help="seed of faces and training; seed + 1 measures")
    parser.add_argument("--threads", type=int, default=2, help="processor threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    begin = time.perf_counter()
    network = train_judge(options.faces, options.steps, options.batch, options.learning_rate, options.seed)
    seconds = time.perf_counter() - begin
    state = network.state_dict()
    write_tensors(
        options.out, {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    )
    metrics = measure_judge(FaceJudge.load(options.out), seed=options.seed + 1)
    metrics["training"] = {
        "faces": options.faces, "steps": options.steps, "batch": options.batch,
        "non_faces": _NON_FACE_GROUP * len(NON_FACE_KINDS), "seed": options.seed,
        "learning_rate": options.learning_rate, "seconds": round(seconds), "bytes": options.out.stat().st_size,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }  # fmt: skip
    options.out.with_suffix(".json").write_text(json.dumps(metrics, indent=2) + "\n")
    options.out.with_suffix(".md").write_text(model_card(metrics))
    print(json.dumps(metrics, indent=2))


def train_judge(faces: int, steps: int, batch: int, learning_rate: float, seed: int) -> JudgeNetwork:
    """Train a fresh network on faces 0 to `faces` - 1 of `seed`; the same arguments give the same network."""
    attributes = sample_attributes(seed, range(faces))
    pictures = _render_all(attributes)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = JudgeNetwork().train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        chosen = torch.randint(faces, (batch,), generator=generator)
        loss = _loss(network, pictures[chosen], attributes[chosen], generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {steps}, loss {loss.item():.4f}", flush=True)
    return network.eval()


def _render_all(attributes: FaceAttributes) -> Tensor:
    """All faces as uint8: a quarter of the memory."""
    pictures = torch.empty(len(attributes), 3, 64, 64, dtype=torch.uint8)
    for start in range(0, len(attributes), 512):
        part = slice(start, min(start + 512, len(attributes)))
        pictures[part] = to_levels(render(attributes[part]))
    return pictures


def _loss(network: JudgeNetwork, pictures: Tensor, truth: FaceAttributes, generator: torch.Generator) -> Tensor:
    """The sum of all heads' losses on one batch of uint8 faces and as many non-faces of every kind as fit."""
    faces = from_levels(pictures)
    count = len(faces)
    wrong = []
    for number, kind in enumerate(NON_FACE_KINDS):
        start = (number * _NON_FACE_GROUP) % max(1, count - _NON_FACE_GROUP)
        wrong.append(make_non_faces(faces[start : start + _NON_FACE_GROUP], kind, generator))
    images = degrade(torch.cat([faces, *wrong]), generator).contiguous(memory_format=torch.channels_last)
    age, face, glasses, smile, hair_length, skin = network(images)
    is_face = torch.zeros(len(images))
    is_face[:count] = 1.0
    years = (truth.age - AGE_CENTRE) / AGE_SCALE
    binary, classes = functional.binary_cross_entropy_with_logits, functional.cross_entropy
    loss: Tensor = 4.0 * functional.smooth_l1_loss(age[:count, 0], years, beta=0.1)
    loss = loss + binary(face[:, 0], is_face)
    loss = loss + 0.5 * binary(glasses[:count, 0], truth.glasses.float())
    loss = loss + 0.5 * binary(smile[:count, 0], (truth.smile > 0.5).float())
    loss = loss + 0.5 * classes(hair_length[:count], truth.hair_length)
    return loss + 0.5 * classes(skin[:count], truth.skin)


if __name__ == "__main__":
    main()
