"""Where the features sit on the face and how large they are, at each age."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gdp.plugins.faces.geometry import Scene


@dataclass(frozen=True)
class Layout:
    """Places (in the face's u, v) and sizes of the features, each (N, 1, 1) in head units."""

    smile: Tensor
    eye_u: Tensor
    eye_v: Tensor
    eye_width: Tensor
    eye_height: Tensor
    nose_v: Tensor
    nose_size: Tensor
    nose_shift: Tensor
    mouth_v: Tensor
    mouth_width: Tensor


def make_layout(scene: Scene) -> Layout:
    """Lay out the faces of `scene`."""
    child, aged, smile = scene.child, scene.aged, scene.number("smile")
    size = 1.0 + 0.12 * scene.number("eye_size") + 0.22 * child - 0.10 * aged
    nose = 1.0 + 0.15 * scene.number("nose_width") - 0.28 * child + 0.22 * aged
    return Layout(
        smile=smile,
        eye_u=0.205 + 0.015 * scene.number("eye_spacing"),
        eye_v=0.01 + 0.045 * child,
        eye_width=0.108 * size,
        eye_height=0.062 * size * (1.0 - 0.16 * smile),
        nose_v=0.245 + 0.02 * scene.number("nose_size") - 0.015 * child + 0.025 * aged,
        nose_size=nose,
        # The tip stands out of the face, so it moves further when the head turns.
        nose_shift=0.14 * scene.yaw_sine * nose,
        mouth_v=0.435 - 0.045 * child + 0.005 * aged,
        mouth_width=(0.165 + 0.015 * scene.number("mouth_width")) * (1.0 - 0.12 * child + 0.22 * smile),
    )
