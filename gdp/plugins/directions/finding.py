"""Find a direction in w that changes one attribute and leaves others alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gdp.core.errors import ShapeError
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.progress import Progress, SilentProgress
from gdp.plugins.directions.files import Direction, measure_scale, normalised

Scorer = Callable[[Tensor], Mapping[str, Tensor]]
"""From pictures (N, 3, R, R) in [-1, 1], the score of each attribute: name to (N,) floats."""

Method = Literal["class-means", "regression"]
METHODS: tuple[Method, ...] = ("class-means", "regression")


@dataclass(frozen=True)
class ScoredSamples:
    """Latents of a teacher's samples and what a judge says of their pictures."""

    w: Tensor
    """(N, w_dim) float64."""
    scores: dict[str, Tensor]
    """Attribute to (N,) float64."""


def score_samples(
    teacher: LatentTeacher,
    scorer: Scorer,
    samples: int,
    seed: int,
    *,
    truncation: float = 1.0,
    batch: int = 64,
    progress: Progress | None = None,
) -> ScoredSamples:
    """Sample `samples` latents, synthesize them and score the pictures.

    Samples whose optional score `keep` is 0 (pictures that are no faces, say) are left out.
    """
    latents: list[Tensor] = []
    parts: dict[str, list[Tensor]] = {}
    with (progress or SilentProgress()).task("scoring samples", samples, "pictures") as task:
        for start in range(0, samples, batch):
            indices = range(start, min(start + batch, samples))
            ws = teacher.map(teacher.sample_z(seed, indices), truncation)
            latents.append(ws[:, 0].cpu().double())
            for name, values in scorer(teacher.synthesize(ws).clamp(-1, 1)).items():
                parts.setdefault(name, []).append(values.detach().cpu().double())
            task.advance(len(indices))
    scores = {name: torch.cat(values) for name, values in parts.items()}
    kept = scores.pop("keep", torch.ones(samples)) > 0
    return ScoredSamples(torch.cat(latents)[kept], {name: values[kept] for name, values in scores.items()})


def find_direction(
    teacher: LatentTeacher,
    samples: ScoredSamples,
    attribute: str,
    orthogonal_to: Sequence[str] = (),
    method: Method = "class-means",
) -> Direction:
    """Find the direction of an attribute from scored samples (`score_samples`).

    Methods, with Sigma the covariance of w and b_a the normal of attribute a, that is the ridge regression of its
    standardised score on w:

    - `class-means`: the mean w of the fifth of the samples with the highest scores less that of the fifth with the
      lowest ("StyleGAN2 Distillation", ECCV 2020, section 3.1). It stays where w is dense. With other attributes
      held: d - Sigma B (B' Sigma B)^-1 B' d, the nearest direction, in units of w's own spread, along which no
      predicted score of another attribute moves (B has their normals as columns).
    - `regression`: b_a, the linear analogue of InterFaceGAN's boundary normal (CVPR 2020). With other attributes
      held: less its projection on the span of the others' normals (that paper's conditional manipulation).

    Raises:
        ShapeError: fewer samples than numbers in w, or an attribute that hardly varies or was not scored.
    """
    if len(samples.w) < 2 * samples.w.shape[1]:
        raise ShapeError(
            f"{len(samples.w)} usable samples are too few for a direction of {samples.w.shape[1]} numbers; "
            "take at least ten times as many samples as the w has numbers."
        )
    centred = samples.w - samples.w.mean(dim=0)  # (N, w_dim)
    covariance = centred.T @ centred / len(centred)
    others = [_normal(centred, _standardised(samples, name)) for name in orthogonal_to]
    score = _standardised(samples, attribute)
    if method == "class-means":
        found, metric = _class_means(centred, score), covariance
    else:
        found, metric = _normal(centred, score), torch.eye(len(covariance), dtype=covariance.dtype)
    if others:
        found = hold_others(found, torch.stack(others, dim=1), metric)
    vectors = normalised(found[None])
    return Direction(
        name=attribute,
        vectors=vectors,
        scale=measure_scale(teacher, vectors),
        teacher=teacher.fingerprint,
        found={"method": method, "samples": len(samples.w), "orthogonal_to": list(orthogonal_to)},
    )


def hold_others(direction: Tensor, normals: Tensor, metric: Tensor) -> Tensor:
    """Change `direction` (w_dim,) as little as possible so that it is orthogonal to `normals` (w_dim, K).

    "As little as possible" is measured by the inverse of `metric` (w_dim, w_dim): d - M B (B' M B)^-1 B' d.
    """
    spread = metric @ normals  # M B, (w_dim, K)
    held = torch.linalg.lstsq(normals.T @ spread, normals.T @ direction[:, None], driver="gelsd").solution
    return torch.sub(direction, (spread @ held)[:, 0])


def _standardised(samples: ScoredSamples, name: str) -> Tensor:
    if name not in samples.scores:
        raise ShapeError(f"no score is called {name!r}; there are {', '.join(sorted(samples.scores))}")
    score = samples.scores[name]
    deviation = score.std()
    if not deviation > 1e-6:
        raise ShapeError(f"the score {name!r} hardly varies over the samples, so no direction can be found for it")
    return (score - score.mean()) / deviation


def _class_means(centred: Tensor, score: Tensor, share: float = 0.2) -> Tensor:
    """Mean w of the `share` of highest scores less that of the lowest, (w_dim,)."""
    order = score.argsort(stable=True)
    count = max(1, round(share * len(score)))
    return centred[order[-count:]].mean(dim=0) - centred[order[:count]].mean(dim=0)


def _normal(centred: Tensor, score: Tensor, ridge: float = 1e-3) -> Tensor:
    """Ridge regression of a standardised score on w, (w_dim,): argmin |w b - s|^2 + N lambda |b|^2.

    lambda is `ridge` times the mean variance of w's numbers: enough to keep directions in which w hardly varies
    from taking over, too little to bias the others.
    """
    count, width = centred.shape
    penalty = (ridge * centred.var(dim=0).mean() * count).sqrt() * torch.eye(width, dtype=centred.dtype)
    system = torch.cat([centred, penalty])
    right = torch.cat([score, score.new_zeros(width)])[:, None]
    normal: Tensor = torch.linalg.lstsq(system, right, driver="gelsd").solution[:, 0]
    return normal
