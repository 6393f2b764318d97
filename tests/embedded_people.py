"""Pictures with rendered people in them, and a small student that makes rendered faces older: made here, in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from gdp.plugins.faces.attributes import FaceAttributes, sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.plugins.scenes.parameters import sample_scenes
from gdp.plugins.scenes.renderer import render as render_scenes
from gdp.support.squares import Square

YEARS = 35.0
RESOLUTION = 64


def levels(pictures: Tensor) -> numpy.ndarray:
    """(N, 3, H, W) in [-1, 1] to (N, H, W, 3) uint8."""
    return ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def in_range(pictures: numpy.ndarray) -> Tensor:
    return torch.from_numpy(numpy.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


class SmallStudent(nn.Module):
    """Predicts the change that years bring, added to its input; sees about a quarter of the face at each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, 48, 3, padding=1), nn.SiLU(),
            nn.Conv2d(48, 48, 3, padding=2, dilation=2), nn.SiLU(),
            nn.Conv2d(48, 48, 3, padding=4, dilation=4), nn.SiLU(),
            nn.Conv2d(48, 48, 3, padding=2, dilation=2), nn.SiLU(),
            nn.Conv2d(48, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures + self.layers(pictures)


def train_student(steps: int, faces: int = 600, seed: int = 70) -> SmallStudent:
    torch.manual_seed(seed)
    attributes = sample_attributes(seed, range(faces))
    source, target = render(attributes), render(attributes.older(YEARS))
    student = SmallStudent()
    optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
    for _ in range(steps):
        chosen = torch.randint(faces, (12,))
        loss = functional.l1_loss(student(source[chosen]), target[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return student.eval()


@dataclass(frozen=True)
class Scene:
    """A picture of several people, and the same with each of them older."""

    picture: numpy.ndarray
    """(H, W, 3)."""
    squares: list[Square]
    """Where each rendered face stands."""
    attributes: FaceAttributes

    def filled(self, faces: Tensor) -> numpy.ndarray:
        """The picture with other contents (N, 3, 64, 64) in the squares."""
        return place(self.picture, self.squares, faces)

    def interior(self, number: int) -> numpy.ndarray:
        """(H, W) true on the face: an ellipse from brow to chin, well inside of the square."""
        height, width = self.picture.shape[:2]
        across, down = numpy.meshgrid(numpy.arange(width) + 0.5, numpy.arange(height) + 0.5)
        inverse = self.squares[number].inverse()
        x, y = inverse[:, :2] @ numpy.stack([across.ravel(), down.ravel()]) + inverse[:, 2:]
        return (((x - 0.5) / 0.24) ** 2 + ((y - 0.54) / 0.3) ** 2 < 1).reshape(height, width)


def make_scene(seed: int, size: tuple[int, int], sides: list[float], turn: float = 180.0) -> Scene:
    """Put as many people as there are sides (pixels) side by side on a scene, turned by up to `turn` degrees."""
    random = numpy.random.default_rng(seed)
    height, width = size
    attributes = sample_attributes(seed, range(len(sides)))
    behind = render_scenes(sample_scenes(seed, range(1)), "photo")
    picture = levels(functional.interpolate(behind, size=size, mode="bilinear"))[0]
    squares = []
    for number, side in enumerate(sides):
        angle = math.radians(turn * random.uniform(-1, 1))
        column = width / len(sides)
        room = numpy.maximum([column / 2 - 0.6 * side, height / 2 - 0.6 * side], 0)
        middle = numpy.array([column * (number + 0.5), height / 2]) + room * random.uniform(-1, 1, 2)
        turned = side * numpy.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        squares.append(Square(numpy.concatenate([turned, (middle - turned @ [0.5, 0.5])[:, None]], axis=1)))
    return Scene(place(picture, squares, render(attributes)), squares, attributes)


def place(picture: numpy.ndarray, squares: list[Square], faces: Tensor) -> numpy.ndarray:
    """Draw faces (N, 3, 64, 64) into squares of a picture by torch's own sampling, at four samples a pixel."""
    height, width = picture.shape[:2]
    made = in_range(picture[None])[0]
    across, down = torch.meshgrid(
        (torch.arange(2 * width) + 0.5) / 2, (torch.arange(2 * height) + 0.5) / 2, indexing="xy"
    )
    for square, face in zip(squares, faces, strict=True):
        inverse = torch.from_numpy(square.inverse()).float()
        places = torch.stack([across, down], dim=2) @ inverse[:, :2].T + inverse[:, 2]
        whole = torch.cat([face, torch.ones(1, *face.shape[1:])])
        drawn = functional.grid_sample(whole[None], (2 * places - 1)[None], mode="bicubic", align_corners=False)
        drawn = functional.avg_pool2d(drawn, 2)[0]
        inside = ((places > 0) & (places < 1)).all(dim=2).float()
        cover = functional.avg_pool2d(inside[None, None], 2)[0, 0]
        content = drawn[:3] / drawn[3:].clamp_min(0.5)
        made = made + cover * (content - made)
    return levels(made[None])[0]


def psnr(first: numpy.ndarray, second: numpy.ndarray, where: numpy.ndarray) -> float:
    """Decibels between two pictures (H, W, 3) at the pixels where `where` (H, W) is true."""
    apart = first[where].astype(numpy.float64) - second[where]
    return 10 * math.log10(255**2 / max(numpy.square(apart).mean(), 1e-9))
