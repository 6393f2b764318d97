"""What a rendered face is: its attributes, and how they are drawn for face number i of a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from gdp.toolbox import counter_uniform

MIN_AGE = 6.0
MAX_AGE = 85.0
HAIR_LENGTHS = ("short", "medium", "long")
SKIN_CLASSES = ("light", "tan", "brown", "dark")
HAIR_COLOURS = ("black", "dark brown", "chestnut", "auburn", "copper", "blond")
EYE_COLOURS = ("brown", "hazel", "green", "blue", "grey")

_CLASS_COUNTS = {
    "glasses": 2,
    "hair_length": len(HAIR_LENGTHS),
    "hair_colour": len(HAIR_COLOURS),
    "skin": len(SKIN_CLASSES),
    "eye_colour": len(EYE_COLOURS),
}
"""Attributes that are classes (int64) and how many there are of each; all others are float32."""

_RANGES = {
    "age": (MIN_AGE, MAX_AGE),
    "yaw": (-20.0, 20.0),
    "pitch": (-10.0, 10.0),
    "roll": (-4.0, 4.0),
    "background_hue": (0.0, 1.0),
    "clothes_hue": (0.0, 1.0),
    "glasses_roundness": (0.0, 1.0),
    "light_direction": (-1.0, 1.0),
}
"""Uniform ranges of the continuous attributes; those not named lie in [-1, 1], 0 being the average face."""


@dataclass(frozen=True)
class FaceAttributes:
    """Known attributes of N faces, one (N,) tensor each; classes are int64, everything else float32.

    Continuous attributes without a unit lie in [-1, 1] with 0 as the average, unless said otherwise.
    """

    age: Tensor
    """Years, 6 to 85."""
    smile: Tensor
    """0 (neutral, closed lips) to 1 (broad, teeth showing); drawn near one of the two ends."""
    glasses: Tensor
    """1 with glasses, 0 without."""
    glasses_roundness: Tensor
    """0 (rectangular lenses) to 1 (round)."""
    glasses_shade: Tensor
    """Brightness of the frame."""
    hair_length: Tensor
    """Index into `HAIR_LENGTHS`."""
    hair_colour: Tensor
    """Index into `HAIR_COLOURS`: the colour before any greying."""
    hair_shade: Tensor
    """Jitter of the hair's brightness."""
    hair_volume: Tensor
    """How far the hair stands off the skull."""
    hair_part: Tensor
    """Where the hair parts, from the picture's left to its right."""
    hair_fringe: Tensor
    """From an open forehead to one covered by a fringe."""
    hair_wave: Tensor
    """From straight to wavy."""
    hair_recession: Tensor
    """How strongly the hairline answers to age."""
    skin: Tensor
    """Index into `SKIN_CLASSES`."""
    skin_shade: Tensor
    """Small jitter of the skin's brightness within its class."""
    blush: Tensor
    """Redness of the cheeks."""
    freckles: Tensor
    """Freckles show where this is above 0.3."""
    yaw: Tensor
    """Degrees, -20 to 20; positive turns the nose to the picture's right."""
    pitch: Tensor
    """Degrees, -10 to 10; positive turns the nose down."""
    roll: Tensor
    """Degrees, -4 to 4, clockwise."""
    face_width: Tensor
    """Width of the head."""
    jaw: Tensor
    """From a pointed chin to a square jaw."""
    eye_colour: Tensor
    """Index into `EYE_COLOURS`."""
    eye_size: Tensor
    """Size of the eyes."""
    eye_spacing: Tensor
    """Distance between the eyes."""
    brow_thickness: Tensor
    """Thickness of the brows."""
    brow_arch: Tensor
    """From straight to arched brows."""
    nose_size: Tensor
    """Length of the nose."""
    nose_width: Tensor
    """Width of the nose."""
    lip_fullness: Tensor
    """Thickness of the lips."""
    lip_colour: Tensor
    """From natural to red lips."""
    mouth_width: Tensor
    """Width of the mouth."""
    light_direction: Tensor
    """Key light from the picture's left (-1) to its right (1)."""
    light_height: Tensor
    """Key light from eye level (-1) to high above (1)."""
    background_hue: Tensor
    """Hue, 0 to 1 around the colour circle."""
    background_lightness: Tensor
    """Brightness of the background."""
    clothes_hue: Tensor
    """Hue, 0 to 1 around the colour circle."""
    clothes_lightness: Tensor
    """Brightness of the clothes."""
    collar: Tensor
    """From a round neck to a deep V."""

    def __len__(self) -> int:
        return int(self.age.shape[0])

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> FaceAttributes:
        """The faces at `index`, always as a batch: an int gives a batch of one."""
        if isinstance(index, int):
            index = [index]
        chosen = torch.arange(len(self))[index if isinstance(index, slice) else torch.as_tensor(index)]
        return FaceAttributes(**{name: value[chosen] for name, value in self.to_dict().items()})

    def with_age(self, age: Tensor | float) -> FaceAttributes:
        """The same faces at another age in years, (N,) or one number, clamped to 6..85; nothing else changes."""
        years = torch.as_tensor(age, dtype=torch.float32).expand(len(self)).clamp(MIN_AGE, MAX_AGE)
        return replace(self, age=years.clone())

    def older(self, years: Tensor | float) -> FaceAttributes:
        """The same faces `years` later (earlier when negative), clamped to 6..85 years."""
        return self.with_age(self.age + years)

    def to_dict(self) -> dict[str, Tensor]:
        """Every attribute by its name, as stored in a safetensors file."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Tensor]) -> FaceAttributes:
        """The inverse of `to_dict`; keys that name no attribute are ignored. Raises KeyError for a missing one."""
        return cls(**{field.name: torch.as_tensor(values[field.name]) for field in fields(cls)})

    @classmethod
    def cat(cls, parts: Sequence[FaceAttributes]) -> FaceAttributes:
        """The faces of all parts, one after another."""
        return cls(**{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)})


def sample_attributes(seed: int, indices: Tensor | range) -> FaceAttributes:
    """Draw faces number `indices` of `seed`; face i is the same whatever it is drawn together with.

    `indices` is (N,) int64, or a range. The attributes are independent of one another.
    """
    index = torch.as_tensor(list(indices)) if isinstance(indices, range) else indices
    values: dict[str, Tensor] = {}
    for stream, field in enumerate(fields(FaceAttributes)):
        uniform = counter_uniform(seed, index.to(torch.int64).cpu(), stream)
        if field.name in _CLASS_COUNTS:
            values[field.name] = (uniform * _CLASS_COUNTS[field.name]).floor().to(torch.int64)
        elif field.name == "smile":
            # Two narrow humps, so that "smiling" is a question with an answer.
            values[field.name] = torch.where(uniform < 0.5, uniform * 0.24, 0.52 + uniform * 0.48).to(torch.float32)
        else:
            low, high = _RANGES.get(field.name, (-1.0, 1.0))
            values[field.name] = (low + uniform * (high - low)).to(torch.float32)
    return FaceAttributes(**values)


def sample_latents(seed: int, indices: Tensor | range) -> Tensor:
    """Return what faces number `indices` of `seed` are drawn from, as standard normal numbers (N, K) float32.

    One number for each of the K attributes: the normal quantile of the uniform number that decides it.
    """
    index = torch.as_tensor(list(indices)) if isinstance(indices, range) else indices
    streams = range(len(fields(FaceAttributes)))
    uniform = torch.stack([counter_uniform(seed, index.to(torch.int64).cpu(), stream) for stream in streams], dim=1)
    latents: Tensor = torch.special.ndtri(uniform.clamp(1e-6, 1 - 1e-6)).to(torch.float32)
    return latents
