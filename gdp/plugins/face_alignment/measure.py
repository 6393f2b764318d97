"""What the finder of landmarks reaches on faces that it never saw, and its model card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch

from gdp.plugins.face_alignment.crowds import make_crowd, make_pool
from gdp.plugins.face_alignment.finder import LandmarkFinder
from gdp.toolbox import Levels, Points, to_array, to_levels

SIZE = 320
"""Pixels of the pictures that are looked at."""
SMALLEST = 32.0
"""Pixels of a face's own side from which it is expected to be found."""
_SAME = 0.25
"""Share of a face's side within which a found one is that."""


def measure(model: Path, seed: int, faces: int = 200, pictures: int = 200) -> dict[str, Any]:
    """Look for faces 0 to `faces` - 1 of `seed` in composed pictures of 320 px.

    Returns:
        `pictures`; `faces`, those with a side of 32 px or more that stand wholly in a picture; `found`, a share of
        them; `false`, findings a picture where there is no face of any size; `error` and `error_95`, the mean distance
        of a found face's landmarks to the true ones and its 95th percentile, in 64ths of the face's own side.
    """
    finder = LandmarkFinder(model, threads=1)
    pool = make_pool(seed, faces)
    crowd = make_crowd(pool, pictures, SIZE, torch.Generator().manual_seed(seed), upside_down=0.0)
    levels = to_array(to_levels(crowd.pictures))
    errors: list[float] = []
    expected = false = 0
    for picture, points, sides in zip(levels, crowd.landmarks.double().numpy(), crowd.sides.tolist(), strict=True):
        there = [(true, side) for true, side in zip(points, sides, strict=True) if side > 0]
        whole = [_is_whole(true, side) for true, side in there]
        apart = _distances(finder, picture, there)  # (found, there)
        expected += sum(whole)
        errors += [float(column.min()) for column, good in zip(apart.T, whole, strict=True) if good and column.size]
        false += int((~numpy.isfinite(apart).any(axis=1)).sum())
    found = numpy.array([error for error in errors if math.isfinite(error)])
    return {
        "pictures": pictures, "faces": expected, "found": len(found) / expected, "false": false / pictures,
        "error": float(found.mean()), "error_95": float(numpy.quantile(found, 0.95)),
    }  # fmt: skip


def _is_whole(landmarks: Points, side: float) -> bool:
    middle = landmarks.mean(axis=0)
    return side >= SMALLEST and bool((numpy.abs(middle - SIZE / 2) < SIZE / 2 - side / 3).all())


def _distances(finder: LandmarkFinder, picture: Levels, there: list[tuple[Points, float]]) -> Points:
    """Return the landmarks' mean distance of each found to each true face (F, T); infinite where it is another."""
    found = finder.find(picture, finder.frame)
    apart = numpy.full((len(found), len(there)), numpy.inf)
    for row, face in enumerate(found):
        for column, (true, side) in enumerate(there):
            distance = float(numpy.linalg.norm(face.landmarks - true, axis=1).mean()) / side
            if math.dist(face.landmarks.mean(axis=0), true.mean(axis=0)) < _SAME * side:
                apart[row, column] = 64 * distance
    return apart


def model_card(metrics: Mapping[str, Any]) -> str:
    """Return the model card as Markdown."""
    training = metrics["training"]
    return f"""# Model card: the finder of the embedded world's faces

A convolutional network that finds drawn faces and five landmarks of each (eyes, nose, corners of the mouth) in pictures
of any size, for `gdp apply --align builtin:faces64`. It knows the faces of the embedded renderer and nothing of
photographs: real ones need a model of another origin.

- Parameters: {training["parameters"]:,}, ONNX of {training["bytes"]:,} bytes; what it reads and tells stands in the
  file's metadata (`gdp.landmarks`), with the renderer's frame: the mean landmarks of 4,096 of its faces.
- Training: {training["steps"]:,} steps of {training["batch"]} composed pictures of 160 px with none to three of
  {training["faces"]:,} rendered faces, turned by up to 60 degrees, 20 to 220 px large, on scenes, clouds, flat colours
  and faces in pieces; some hang upside down and are not to be found. AdamW, peak learning rate
  {training["learning_rate"]}, seed {training["seed"]}, float32; {training["processor_seconds"]:,} s of one processor
  core. {training["remark"]}
- To repeat it: `python -m gdp.plugins.face_alignment.train --weights FILE`.

## On {metrics["pictures"]} pictures of {SIZE} px with faces never seen (seed {metrics["seed"]})

| | |
|---|---|
| faces of {SMALLEST:.0f} px and more, not cut by the edge | {metrics["faces"]} |
| found | {metrics["found"]:.1%} |
| findings without a face, a picture | {metrics["false"]:.3f} |
| distance of the landmarks to the true ones, mean | {metrics["error"]:.2f} px |
| the same, 95th percentile | {metrics["error_95"]:.2f} px |

Distances are given for a face of 64 px. Licence: Apache-2.0, as gdp.
"""
