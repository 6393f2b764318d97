"""What is painted of a face and around it: background and body, hair, the head's skin, and its features.

The hair is one silhouette, seen behind the head and, above the hairline, in front of it. The skin's light, soft relief
and marks of age are gathered in one plane and coloured once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gdp.plugins.faces.drawing import Palette, bump, bump2, inside, paint, ramp, smooth_minimum, smooth_ramp, wave
from gdp.plugins.faces.geometry import Layout, Scene


def background(scene: Scene, palette: Palette) -> Tensor:
    """A fresh canvas (N, 3, H, W) in [0, 1] with a vertical gradient and a soft glow behind the head."""
    height = 0.5 + 0.55 * scene.picture_y  # (N, H, W)
    canvas = palette.background_top + (palette.background_bottom - palette.background_top) * height.unsqueeze(1)
    glow = 0.12 * bump2(scene.picture_x, scene.picture_y + 0.1, 1.25, 1.25)
    return canvas.add_(glow.unsqueeze(1))


def draw_clothes(scene: Scene, palette: Palette, canvas: Tensor) -> None:
    """Shoulders and a garment, shaded towards the sides."""
    scene, rows = scene.band(0.60, 1.0)
    x = scene.picture_x
    slope = 0.60 + 0.10 * scene.child
    across = x.abs()
    top = 0.70 + slope * (across - 0.20).clamp_min(0.0).square() + 0.10 * across
    distance = top - scene.picture_y
    light = 1.0 - 0.30 * smooth_ramp(across, 0.25, 0.9) + 0.22 * scene.light[0] * x
    seam = 1.0 - 0.25 * bump(distance + 0.035, 0.035)
    paint(canvas[:, :, rows], palette.clothes * (light * seam).unsqueeze(1), inside(distance, scene.pixel))


def draw_neck(scene: Scene, palette: Palette, canvas: Tensor) -> None:
    """The neck down to the collar, in the chin's shadow."""
    scene, rows = scene.band(0.20, 1.0)
    centre = 0.35 * (scene.picture_x - scene.x)
    x = scene.picture_x - centre
    width = 0.235 - 0.055 * scene.child - 0.015 * scene.aged
    flare = (scene.picture_y - 0.62).clamp_min(0.0)
    sides = x.abs() - width - 0.9 * flare.square() * 4.0
    # The collar: a parabola for a round neck, turning into a V.
    deep = 0.5 + 0.5 * scene.number("collar")
    across = scene.picture_x.abs()
    collar = scene.picture_y - (0.78 + 0.10 * deep) + across * across * (1.0 - deep) * 1.6 + across * 0.62 * deep
    mask = inside(torch.maximum(sides, collar), scene.pixel)
    chin_shadow = smooth_ramp(scene.head, 0.26, -0.02)
    folds = bump(scene.picture_y - 0.74 - 0.3 * x.square(), 0.03) + bump(
        scene.picture_y - 0.80 - 0.3 * x.square(), 0.03
    )
    light = 0.80 - 0.50 * chin_shadow + 0.55 * scene.light[0] * x / width - 0.35 * scene.aged * folds
    light = light - 0.25 * smooth_ramp(x.abs(), 0.10, 0.26)
    colour = palette.skin_shadow + (palette.skin - palette.skin_shadow) * light.unsqueeze(1)
    paint(canvas[:, :, rows], colour, mask)


def draw_ears(scene: Scene, palette: Palette, canvas: Tensor) -> None:
    """Both ears with a shaded shell; they grow a little with age, and vanish behind the head when it turns."""
    size = 1.0 + 0.18 * scene.aged + 0.05 * scene.child
    scene, rows = scene.band(-0.32, 0.42)
    # Seen from one side the far ear slips behind the head.
    shown = 0.020 + 0.11 * (scene.x.sign() * -scene.yaw_sine)
    dx = scene.x.abs() - scene.half_width - shown
    dy = scene.y - 0.07 - 0.02 * scene.child
    radius = ((dx / (0.075 * size)).square() + (dy / (0.135 * size)).square()).sqrt()
    light = 0.78 + 0.4 * scene.light[0] * scene.x.sign() - 0.45 * bump(radius - 0.25, 0.55)
    colour = palette.skin_shadow + (palette.skin - palette.skin_shadow) * light.unsqueeze(1)
    paint(canvas[:, :, rows], colour, inside((radius - 1.0) * 0.09 * size, scene.pixel))


_LONG_ENOUGH = 2.0


def hair_silhouette(scene: Scene) -> Tensor:
    """Signed distance to the outline of all hair, negative inside, (N, H, W)."""
    length, volume = scene.number("hair_length"), scene.number("hair_volume")
    thick = 0.065 + 0.022 * volume + 0.012 * length - 0.022 * scene.aged
    curl = 0.014 * (1.0 + scene.number("hair_wave"))
    width = scene.half_width + thick
    cap = ((scene.x / width).square() + (scene.y / (scene.top + thick * 1.15)).square()).sqrt()
    cap = torch.maximum((cap - 1.0) * width * 1.1, scene.y - 0.16)
    # Medium hair ends as a bob at the chin, long hair runs over the shoulders.
    hangs = ramp(length, 0.0, 1.0)
    is_long = ramp(length, 1.0, 2.0)
    end = 0.46 + is_long
    fall = ramp(scene.y, -0.05, 0.55)
    half = width + 0.035 * fall * (1.0 + is_long) + curl * wave(2.6 * scene.y + 0.25) * fall
    half = half - 0.30 * (1.0 - is_long) * smooth_ramp(scene.y, end - 0.22, end + 0.05).square()
    hanging = torch.maximum(scene.x.abs() - half, torch.maximum(-0.02 - scene.y, scene.y - end))
    return torch.minimum(cap, hanging + _LONG_ENOUGH * (1.0 - hangs))


def draw_back_hair(scene: Scene, strands: Tensor, silhouette: Tensor, canvas: Tensor) -> None:
    """The hair behind head and neck, darker towards the neck."""
    shade = 0.72 - 0.30 * smooth_ramp(scene.x.abs(), 0.50, 0.20) * (scene.y > 0.0)
    paint(canvas, strands * shade.unsqueeze(1), inside(silhouette, scene.pixel))


def draw_front_hair(scene: Scene, palette: Palette, strands: Tensor, silhouette: Tensor, canvas: Tensor) -> None:
    """The hair above the hairline and, when long, its locks beside the face, with a soft shadow on the skin."""
    under_hairline = _under_hairline(scene)
    # The shadow falls on the head only, where hair ends over skin.
    shadow = 0.30 * smooth_ramp(under_hairline, 0.10, 0.0) * inside(scene.head, scene.pixel)
    paint(canvas, palette.skin_shadow, shadow)
    mask = inside(torch.maximum(silhouette, under_hairline), scene.pixel)
    paint(canvas, strands, mask)


def _under_hairline(scene: Scene) -> Tensor:
    """Signed distance below the hairline, negative where hair grows, (N, H, W)."""
    age, hangs = scene.number("age"), ramp(scene.number("hair_length"), 0.0, 1.0)
    fringe = 0.5 + 0.5 * scene.number("hair_fringe")
    recession = ramp(age, 32.0, 85.0) * (0.60 + 0.40 * scene.number("hair_recession"))
    u, side = scene.u, scene.side
    part = 0.30 * scene.number("hair_part")
    forehead = -0.42 + 0.19 * fringe - 0.15 * recession * (1.0 + 0.3 * fringe)
    slant = 0.16 * (u - part) * scene.number("hair_part").sign() * (0.4 + 0.6 * fringe)
    temples = -0.14 * recession * bump(side - 0.27, 0.17)
    locks = 0.010 * wave(5.0 * u + 3.0 * part) * (0.4 + fringe)
    line = forehead + slant + temples + locks + 0.12 * side.square()
    above = (scene.v - line) * 0.9
    # Beside the face hair grows to the sideburns, or past the jaw when it is long.
    edge = scene.half_width - 0.055 - 0.015 * hangs + 0.05 * hangs * ramp(scene.y, 0.2, 0.7)
    beside = torch.maximum(edge - side, scene.v - 0.03 - 2.0 * hangs)
    return smooth_minimum(above, beside, 0.14)


def hair_strands(scene: Scene, palette: Palette) -> Tensor:
    """Colour of the hair, (N, 3, H, W): strands from the parting, light from the key, grey hairs with age."""
    part = 0.30 * scene.number("hair_part")
    bend = 0.05 * (1.0 + scene.number("hair_wave")) * wave(1.7 * scene.y)
    spread = (scene.x - part + bend) / (0.45 + 0.55 * (scene.y + 0.75).clamp(0.0, 0.9))
    strand = 0.6 * wave(4.2 * spread + 0.3 * part) + 0.4 * wave(9.5 * spread + 0.2)  # in [-1, 1]
    x, y = scene.x / 0.62, scene.y / 0.80
    z = (1.0 - x.square() - y.square()).clamp_min(0.05).sqrt()
    cosine = x * scene.light[0] + y * scene.light[1] + z * scene.light[2]
    gloss = bump((x - 0.4 * scene.light[0]).square() + (y + 0.12).square() - 0.42, 0.30) * (0.6 + 0.4 * strand)
    light = 0.70 + 0.34 * cosine + 0.14 * strand
    grey = (palette.grey + 0.7 * strand * palette.grey * (1.0 - palette.grey)).unsqueeze(1)
    colour = palette.hair + (palette.white_hair - palette.hair) * grey
    return (colour * light.unsqueeze(1)).add_((0.20 * gloss * cosine.clamp_min(0.0)).unsqueeze(1))


def draw_head(scene: Scene, layout: Layout, palette: Palette, canvas: Tensor) -> None:
    """Paint the head without eyes, brows, lips and hair."""
    light = _lambert(scene)
    for draw, top, bottom in (
        (_forehead, -0.64, 0.0),
        (_eyes, -0.40, 0.32),
        (_nose, -0.34, 0.50),
        (_mouth, 0.08, 0.83),
    ):
        part, rows = scene.band(top, bottom)
        light[:, rows] += draw(part, layout)
    colour = palette.skin_shadow + (palette.skin - palette.skin_shadow) * light.clamp_(0.0, 1.12).unsqueeze(1)
    cheeks, rows = scene.band(-0.06, 0.56)
    _flush(cheeks, layout, colour[:, :, rows])
    paint(canvas, colour, inside(scene.head, scene.pixel))


def _lambert(scene: Scene) -> Tensor:
    """Wrapped Lambert light over an ellipsoid, (N, H, W) about 0 to 1."""
    x, y = scene.x / 0.62, scene.y / 0.85
    z = (1.0 - x.square() - y.square()).clamp_min(0.03).sqrt()
    cosine = x * scene.light[0] + y * scene.light[1] + z * scene.light[2]
    return (0.46 + 0.60 * cosine).clamp_min(0.05)


def _forehead(scene: Scene, layout: Layout) -> Tensor:
    """Three lines across the forehead, one after another with age; light to add, (N, rows, W)."""
    u, side, age = scene.u, scene.side, scene.number("age")
    bend = scene.v - layout.eye_v - 0.10 * side.square()
    dark = torch.zeros_like(u)
    for height, start in ((0.27, 28.0), (0.355, 36.0), (0.44, 44.0)):
        line = bend + height + 0.012 * wave(2.1 * u + height)
        dark += (0.42 * ramp(age, start, start + 45.0)) * bump(line, _line_width(scene))
    return dark.mul_(-1.0).mul_(smooth_ramp(side, 0.34, 0.14))


def _eyes(scene: Scene, layout: Layout) -> Tensor:
    """Sockets; with age crow's feet, bags and frown lines; light to add, (N, rows, W)."""
    side, age, wide = scene.side, scene.number("age"), _line_width(scene)
    du, dv = side - layout.eye_u, scene.v - layout.eye_v
    light = -(0.16 + 0.08 * scene.aged) * bump2(du, dv + 0.02, 0.20, 0.15)
    corner = du - 0.115
    beside = smooth_ramp(corner, 0.0, 0.03) * smooth_ramp(corner, 0.14, 0.07)
    feet = bump(dv + 0.55 * corner, wide) + bump(dv - 0.05 * corner, wide) + bump(dv - 0.65 * corner, wide)
    bags = bump(dv - 0.088 + 1.6 * du.square(), 1.4 * wide) * bump(du, 0.15)
    frown = bump(side - 0.035, wide) * bump(dv + 0.12, 0.08)
    light -= (0.42 * ramp(age, 30.0, 75.0)) * feet * beside
    light -= (0.42 * ramp(age, 26.0, 78.0)) * bags
    light -= (0.34 * ramp(age, 38.0, 80.0)) * frown
    return light


def _nose(scene: Scene, layout: Layout) -> Tensor:
    """The nose, lit from one side, and the cheeks; light to add, (N, rows, W)."""
    lit = scene.light[0] * scene.u.sign()
    u, v = scene.u - layout.nose_shift, scene.v - layout.nose_v
    across = u.abs()
    light = (0.08 + 0.06 * layout.smile) * bump2(scene.side - 0.25, scene.v - layout.mouth_v + 0.20, 0.15, 0.12)
    light += 0.13 * bump(u, 0.07) * bump(scene.v - 0.06, 0.24)
    light -= 0.16 * bump2(across - 0.095, v + 0.09, 0.07, 0.20) * (0.65 - lit)
    light += 0.13 * bump2(u, v + 0.035, 0.07 * layout.nose_size, 0.055)
    light -= 0.34 * bump2(u, v - 0.035, 0.13 * layout.nose_size, 0.045)
    light -= 0.20 * bump2(across - 0.105 * layout.nose_size, v + 0.01, 0.035, 0.06)
    return light


def _mouth(scene: Scene, layout: Layout) -> Tensor:
    """Chin; with age nasolabial folds, jowls and hollow cheeks; light to add, (N, rows, W)."""
    side, age, wide = scene.side, scene.number("age"), _line_width(scene)
    v = scene.v - layout.mouth_v
    light = 0.07 * bump2(scene.u, scene.v - scene.chin + 0.12, 0.15, 0.09) - 0.12 * bump2(
        scene.u, v - 0.115, 0.13, 0.045
    )
    # From the wings of the nose past the corners of the mouth; a smile deepens it at any age.
    below = scene.v - layout.nose_v + 0.02
    fold = side - 0.125 - 0.30 * below - 0.35 * below * (0.27 - below) * (1.0 + 0.6 * layout.smile)
    depth = 0.10 * layout.smile + 0.50 * ramp(age, 20.0, 78.0)
    light -= depth * bump(fold, 1.5 * wide) * smooth_ramp(below, -0.01, 0.05) * smooth_ramp(below, 0.30, 0.22)
    jowl = bump(side - 0.225 - 0.15 * v, 1.5 * wide) * bump(v - 0.11, 0.12)
    light -= (0.42 * ramp(age, 45.0, 85.0)) * jowl
    light -= (0.26 * ramp(age, 38.0, 85.0)) * bump2(side - 0.34, v + 0.06, 0.13, 0.20)
    return light


def _line_width(scene: Scene) -> float:
    """Half width of a wrinkle: never so thin that it would fall between the pixels."""
    return max(scene.pixel, 0.024)


def _flush(scene: Scene, layout: Layout, colour: Tensor) -> None:
    """Redden the cheeks and the nose, and strew freckles, in place."""
    young = 1.0 - 0.7 * scene.aged
    strength = (0.05 + 0.06 * (1.0 + scene.number("blush")) + 0.05 * scene.child) * young
    red = strength * bump2(scene.side - 0.27, scene.v - layout.nose_v, 0.17, 0.13)
    colour[:, 1:] *= (1.0 - 1.25 * red).unsqueeze(1)
    amount = 0.10 * ramp(scene.number("freckles"), 0.3, 1.0) * young
    grain = wave(7.3 * scene.u + 3.1 * scene.v) * wave(9.1 * scene.v - 4.3 * scene.u)
    dots = amount * ramp(grain, 0.25, 0.8) * bump2(scene.side - 0.17, scene.v - layout.nose_v + 0.04, 0.24, 0.13)
    colour *= (1.0 - 1.4 * dots).unsqueeze(1)


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
