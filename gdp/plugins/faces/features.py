"""Eyes, brows, nostrils, mouth and glasses."""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import Palette, bump, bump2, inside, paint, ramp, smooth_ramp
from gdp.plugins.faces.geometry import Layout, Scene

_EYE_WHITE = torch.tensor([0.97, 0.96, 0.95])[None, :, None, None]
_LASHES = torch.tensor([0.13, 0.09, 0.08])[None, :, None, None]
_PUPIL = torch.tensor([0.05, 0.04, 0.05])[None, :, None, None]
_WHITE = torch.ones(1, 3, 1, 1)
_MOUTH_INSIDE = torch.tensor([0.36, 0.09, 0.10])[None, :, None, None]
_TEETH = torch.tensor([0.98, 0.96, 0.92])[None, :, None, None]


_EYES_TOP, _EYES_BOTTOM = -0.40, 0.30
_MOUTH_TOP, _MOUTH_BOTTOM = 0.14, 0.70


def draw_features(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """Draw mouth, nostrils, eyes and brows on the head."""
    part, rows = scene.band(_MOUTH_TOP, _MOUTH_BOTTOM)
    _draw_mouth(part, layout, palette, canvas[:, :, rows])
    _draw_nostrils(part, layout, palette, canvas[:, :, rows])
    part, rows = scene.band(_EYES_TOP, _EYES_BOTTOM)
    _draw_eyes(part, layout, palette, canvas[:, :, rows])
    _draw_brows(part, layout, palette, canvas[:, :, rows])


def draw_glasses(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """Frames with a bridge and temples, a faint reflection on the lenses; only on faces that wear them."""
    part, rows = scene.band(_EYES_TOP, _EYES_BOTTOM)
    _draw_glasses(part, layout, palette, canvas[:, :, rows])


def _draw_eyes(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """White, iris, pupil, highlight, lashes and the crease of the lid, both eyes at once."""
    du, dv = scene.side - layout.eye_u, scene.v - layout.eye_v
    across = du / layout.eye_width
    arch = (1.0 - across.square()).clamp_min(0.0)
    # Old lids hang over the outer corner; a smile lifts the lower lid.
    droop = 0.018 * scene.aged * (1.0 + across)
    upper = dv + layout.eye_height * arch - droop
    lower = dv - layout.eye_height * arch * (0.85 - 0.35 * layout.smile)
    distance = torch.maximum(-upper, lower)
    opening = inside(torch.maximum(distance, (across.abs() - 1.0) * 0.1), scene.pixel)
    shade = (1.0 - 0.28 * smooth_ramp(upper, 0.045, 0.0)) * (1.0 - 0.07 * scene.aged)
    paint(canvas, _EYE_WHITE * shade.unsqueeze(1), opening)
    radius = 0.052 + 0.010 * scene.child
    iris_v = dv + 0.006
    from_centre = (du.square() + iris_v.square()).sqrt()
    rim = 1.0 - 0.45 * smooth_ramp(from_centre / radius, 0.7, 1.0) + 0.9 * iris_v.clamp(-0.05, 0.05) * 3.0
    paint(canvas, palette.iris * rim.unsqueeze(1), inside(from_centre - radius, scene.pixel) * opening)
    paint(canvas, _PUPIL, inside(from_centre - 0.46 * radius, scene.pixel) * opening)
    glint = ((du - 0.018 * scene.u.sign() * scene.light[0].sign()).square() + (dv + 0.026).square()).sqrt()
    paint(canvas, _WHITE, 0.9 * inside(glint - 0.014, scene.pixel) * opening)
    lash_width = (0.016 + 0.004 * across).clamp_min(0.008)
    lashes = inside(upper.abs() - lash_width, 1.3 * scene.pixel) * inside((across.abs() - 1.08) * 0.1, scene.pixel)
    paint(canvas, _LASHES, (0.92 - 0.25 * scene.aged) * lashes)
    lid_line = bump(lower, 0.02) * smooth_ramp(across.abs(), 1.05, 0.85)
    crease = bump(upper + 0.036 - 0.01 * scene.aged, 0.022) * smooth_ramp(across.abs(), 1.1, 0.8)
    darkness = (0.30 * lid_line + (0.30 + 0.15 * scene.aged) * crease) * (1.0 - opening)
    paint(canvas, palette.skin_shadow, darkness)


def _draw_brows(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """Brows in the hair's colour; they thin and grey with age."""
    across = (scene.side - layout.eye_u - 0.01) / 0.145
    arch = 0.022 + 0.016 * scene.number("brow_arch")
    middle = layout.eye_v - 0.128 - 0.02 * scene.child - 0.01 * scene.aged - arch * (1.0 - across.square())
    middle = middle - 0.008 * layout.smile
    thick = (0.024 + 0.010 * scene.number("brow_thickness")) * (1.0 - 0.38 * scene.aged - 0.22 * scene.child)
    thick = thick * (1.0 - 0.45 * ramp(across, -0.2, 1.0))
    distance = torch.maximum((scene.v - middle).abs() - thick, (across.abs() - 1.0) * 0.1)
    dark = 0.78 * palette.hair - 0.02
    colour = dark + (palette.white_hair * 0.86 - dark) * (0.80 * palette.grey.square()).unsqueeze(1)
    paint(canvas, colour, (0.88 - 0.25 * scene.aged) * inside(distance, 1.5 * scene.pixel))


def _draw_nostrils(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """Two soft dark spots under the tip of the nose."""
    from_middle = (scene.u - layout.nose_shift).abs()
    spots = bump2(from_middle - 0.045 * layout.nose_size, scene.v - layout.nose_v - 0.018, 0.034, 0.026)
    paint(canvas, 0.55 * palette.skin_shadow, 0.80 * spots)


def _draw_mouth(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """Lips, closed or open over the teeth; with age they thin and the corners sink."""
    across = scene.u / layout.mouth_width
    arch = (1.0 - across.square()).clamp_min(0.0)
    bend = (0.075 * layout.smile - 0.018 * scene.aged * (1.0 - layout.smile)) * (across.square() - 0.35).clamp(
        -1.0, 0.8
    )
    dv = scene.v - layout.mouth_v + bend
    full = (1.0 + 0.28 * scene.number("lip_fullness")) * (1.0 - 0.48 * scene.aged) * (1.0 - 0.20 * layout.smile)
    gap = 0.088 * layout.smile * arch
    bow = 0.80 + 0.35 * bump(across.abs() - 0.30, 0.40)
    upper, lower = 0.036 * full * arch * bow, 0.052 * full * arch
    sides = (across.abs() - 1.0) * 0.12
    lips = inside(torch.maximum(torch.maximum(-dv - upper, dv - gap - lower), sides), scene.pixel)
    light = 0.92 + 0.20 * bump(dv - gap - 0.5 * lower, 0.03) - 0.16 * smooth_ramp(dv, 0.0, -0.035)
    paint(canvas, palette.lips * light.unsqueeze(1), 0.92 * lips)
    opening = torch.maximum(torch.maximum(-dv, dv - gap), sides)
    paint(canvas, _MOUTH_INSIDE, inside(opening, scene.pixel) * ramp(layout.smile, 0.1, 0.3))
    teeth = torch.maximum(opening, dv - 0.72 * gap)
    paint(canvas, _TEETH, inside(teeth + 0.006, scene.pixel) * ramp(layout.smile, 0.1, 0.3))
    line = bump(dv, 0.020) * smooth_ramp(across.abs(), 1.10, 0.85) * (1.0 - 0.9 * layout.smile)
    corners = bump2(scene.u.abs() - layout.mouth_width, dv, 0.035, 0.035)
    paint(canvas, 0.50 * palette.lips, 0.75 * line + 0.40 * corners * (1.0 - line))


def _draw_glasses(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    worn = scene.number("glasses")
    du, dv = scene.side - layout.eye_u - 0.004, scene.v - layout.eye_v - 0.015
    half_u, half_v = 0.158, 0.122
    roundness = (0.045 + 0.075 * scene.number("glasses_roundness")).clamp_max(0.12)
    corner_u = (du.abs() - half_u + roundness).clamp_min(0.0)
    corner_v = (dv.abs() - half_v + roundness).clamp_min(0.0)
    inner = torch.maximum(du.abs() - half_u + roundness, dv.abs() - half_v + roundness).clamp_max(0.0)
    lens = (corner_u.square() + corner_v.square()).sqrt() + inner - roundness
    glare = inside(lens, scene.pixel) * (0.06 + 0.16 * bump(du + 0.7 * dv + 0.06, 0.06))
    paint(canvas, _WHITE, worn * glare)
    thickness = 0.015
    rims = inside(lens.abs() - thickness, scene.pixel)
    bridge = inside(
        torch.maximum((dv + 0.045 - 0.4 * scene.u.square()).abs() - thickness, scene.side - 0.06), scene.pixel
    )
    temple = torch.maximum((dv + 0.05).abs() - thickness, layout.eye_u + half_u - scene.side)
    temples = inside(torch.maximum(temple, scene.head - 0.01), scene.pixel)
    frame = torch.maximum(torch.maximum(rims, bridge), temples)
    paint(canvas, palette.frame, worn * 0.95 * frame)
