"""How well `gdp apply --align faces` works on photographs: faces found, result inside each, all else untouched, time.

    python bench/real_faces.py [--real ../shared/real] [--output bench/results/real_faces.json]

Needs a folder with pictures of others that is not part of gdp: aligned faces of CelebA-HQ, the same people as StyleGAN2
projects and ages them, and photos of horses. Each face is put into a larger photo without people, small, shifted and
turned, by this file's own drawing (Pillow); what gdp finds and pastes there is held against the aligned original.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch.nn import functional

from gdp import Aligner, EngineContext, PictureArray, Square
from gdp.plugins.face_alignment import PhotographsConfig
from gdp.plugins.face_alignment.photographs import PhotographAligner
from gdp.support.measuring import describe_machine
from gdp.tools.deploy.aligners import NamedAligner
from gdp.tools.deploy.aligning import AlignedSquares
from gdp.tools.deploy.models import Model

Levels = NDArray[numpy.uint8]
ROOT = Path(__file__).resolve().parents[1]
SIZE = (900, 1200)
"""Height and width of the pictures that faces are put into."""
SMALLEST, LARGEST = 90.0, 360.0
"""Pixels of a face's FFHQ square there, drawn evenly over their logarithm."""
SIDE = 512
"""Pixels at which the aligned faces are read, more than any of them has in a picture."""
RESOLUTION = 128
"""Pixels of the student."""
STEPS, BATCH = 120, 8
TURNS = (60.0, 90.0, 180.0)
"""Degrees by which some faces are turned, to tell how far finding goes."""

PROTOCOL = f"""
Pictures: every aligned face once, in a photo of {SIZE[1]} x {SIZE[0]} pixels without people (a zebra photo of 256 px,
enlarged), its square {SMALLEST:.0f} to {LARGEST:.0f} px large (log-uniform), anywhere wholly inside, turned evenly by
up to 30 degrees; seed fixed. Found: a square whose middle is within 15 % of the true square's side, whose side is
within 20 %, and which is turned by less than 10 degrees more or less.
Student: 7 convolutions at {RESOLUTION} px, trained here for {STEPS} steps, one on the 39 people as StyleGAN2 projects
them and makes them older (`projected`), one on the real photos and `aged` of them, a fixed edit of this file that
depends on where in the frame a pixel is (`aligned`, `celeba`); the same people are measured: alignment is measured, not
how well a student generalises.
Loss in dB: inside an ellipse from brow to chin, PSNR to the target (drawn at the face's true place) of the student's
output on the aligned original, drawn there, less that of gdp's result. Negative: better than the aligned one.
`position_locked`, the least flattering: not a network but the fixed edit itself at {RESOLUTION} px, which hangs on the
place in the frame to the pixel and so is nearly exact on the aligned original; some of the real photos.
Frame: how far the found square is from the picture's own, which for CelebA-HQ was cut by other landmarks.
Untouched: outside of the found squares every level of every pixel is the original's.
Time: processor seconds a picture of {SIZE[1]} x {SIZE[0]} of finding alone, one thread, decoded picture to squares.
"""


class Student(nn.Module):
    """Adds what makes a face older to a picture (N, 3, H, W) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, 48, 3, padding=1), nn.SiLU(),
            *(layer for step in (2, 4, 8, 4, 2)
              for layer in (nn.Conv2d(48, 48, 3, padding=step, dilation=step), nn.SiLU())),
            nn.Conv2d(48, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the pictures older."""
        return pictures + self.layers(pictures)


@dataclass(frozen=True)
class Face:
    """An aligned face and what becomes of it."""

    levels: Levels
    """(S, S, 3)."""
    target: Levels


@dataclass(frozen=True)
class Scene:
    """A picture with one face in it."""

    picture: Levels
    behind: Levels
    """The same without the face."""
    square: Square
    """Where the aligned face stands."""

    def with_face(self, levels: Levels) -> Levels:
        """Draw another picture into the square."""
        return draw(self.behind, levels, self.square)

    def interior(self) -> NDArray[numpy.bool_]:
        """Return (H, W), true on the face: an ellipse from brow to chin."""
        x, y = _places(self.square, self.picture.shape)
        inside: NDArray[numpy.bool_] = ((x - 0.5) / 0.24) ** 2 + ((y - 0.54) / 0.3) ** 2 < 1
        return inside


def read(path: Path, side: int | None = None) -> Levels:
    """Return a picture file as (H, W, 3), or as (side, side, 3)."""
    with Image.open(path) as picture:
        image = picture.convert("RGB")
        return numpy.asarray(image if side is None else image.resize((side, side), Image.Resampling.LANCZOS))


def read_faces(real: Path, most: int | None = None) -> dict[str, list[Face]]:
    """Return faces by kind: `projected` with StyleGAN2's older picture, and real photos, `aged`, `aligned` and
    `celeba`."""
    edits = real / "stylegan2_ffhq_edits" / "images"
    people = sorted(path.name.removesuffix("_aligned.jpg") for path in edits.glob("*_aligned.jpg"))[:most]
    celeba = sorted((real / "stargan2_faces_animals/celeba_hq").glob("*/*.jpg"))[:most]
    photos = {"aligned": [edits / f"{one}_aligned.jpg" for one in people], "celeba": celeba}
    projected = [[read(edits / f"{one}_{kind}.jpg", SIDE) for kind in ("projected", "age_neg20")] for one in people]
    return {"projected": [Face(*pair) for pair in projected]} | {
        kind: [Face(levels, aged(levels)) for levels in (read(path, SIDE) for path in paths)]
        for kind, paths in photos.items()
    }


def make_scene(face: Levels, behind: Levels, random: numpy.random.Generator, turn: float = 30.0) -> Scene:
    """Put a face into a photo, turned by up to `turn` degrees."""
    height, width = SIZE
    photo = numpy.asarray(Image.fromarray(behind).resize((width, height), Image.Resampling.BICUBIC))
    side = SMALLEST * (LARGEST / SMALLEST) ** random.random()
    angle = math.radians(turn * random.uniform(-1, 1))
    reach = side / 2 * (abs(math.cos(angle)) + abs(math.sin(angle)))
    middle = numpy.array([random.uniform(reach, width - reach), random.uniform(reach, height - reach)])
    turned = side * numpy.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    square = Square(numpy.concatenate([turned, (middle - turned @ [0.5, 0.5])[:, None]], axis=1))
    return Scene(draw(photo, face, square), photo, square)


def draw(behind: Levels, face: Levels, square: Square) -> Levels:
    """Draw a picture (S, S, 3) into a square of another, at four samples a pixel."""
    corners = square.at(numpy.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    left, top = numpy.maximum(numpy.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = numpy.minimum(numpy.ceil(corners.max(axis=0)).astype(int), behind.shape[1::-1])
    image = Image.fromarray(face)
    if (side := 2 * round(square.side)) < image.width:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    matrix = square.inverse()
    matrix[:, 2] += matrix[:, :2] @ [left, top]
    size, data = (2 * (right - left), 2 * (bottom - top)), (matrix * image.width * [0.5, 0.5, 1]).flatten().tolist()
    drawn = image.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    covered = Image.new("L", image.size, 255)
    cover = covered.transform(size, Image.Transform.AFFINE, data, Image.Resampling.NEAREST)
    share = numpy.asarray(cover, numpy.float32)[..., None] / 255
    fine = numpy.asarray(drawn, numpy.float32) * share
    halves = (bottom - top, 2, right - left, 2)
    share, fine = (value.reshape(*halves, -1).mean(axis=(1, 3)) for value in (share, fine))
    made = behind.copy()
    below = behind[top:bottom, left:right]
    made[top:bottom, left:right] = numpy.rint(below * (1 - share) + fine).clip(0, 255).astype(numpy.uint8)
    return made


def _places(square: Square, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    across, down = numpy.meshgrid(numpy.arange(shape[1]) + 0.5, numpy.arange(shape[0]) + 0.5)
    inverse = square.inverse()
    x, y = inverse[:, :2] @ numpy.stack([across.ravel(), down.ravel()]) + inverse[:, 2:]
    return x.reshape(shape[:2]), y.reshape(shape[:2])


def is_same(found: Square, true: Square) -> bool:
    """Say whether a found square is a face's true one, nearly."""
    near = math.dist(found.middle, true.middle) < 0.15 * true.side
    cosine = float(found.matrix[:, 0] @ true.matrix[:, 0]) / (found.side * true.side)
    return near and 0.8 < found.side / true.side < 1.25 and cosine > math.cos(math.radians(10))


def psnr(first: Levels, second: Levels, where: NDArray[numpy.bool_]) -> float:
    """Return the decibels between two pictures (H, W, 3) where `where` (H, W) is true."""
    apart = first[where].astype(numpy.float64) - second[where]
    return 10 * math.log10(255**2 / max(float(numpy.square(apart).mean()), 1e-9))


def aged(levels: Levels) -> Levels:
    """Return an aligned face with deeper lines, darker around the eyes, and greyer towards the hair."""
    image = Image.fromarray(levels)
    down, across = (numpy.mgrid[0 : image.height, 0 : image.width] + 0.5) / image.height
    face, eyes = (
        numpy.exp(-(((across - 0.5) / wide) ** 2) - ((down - middle) / high) ** 2)[..., None]
        for wide, middle, high in ((0.25, 0.6, 0.3), (0.22, 0.47, 0.09))
    )
    smooth = numpy.asarray(image.filter(ImageFilter.GaussianBlur(image.height / 48)), numpy.float32)
    made = levels + 0.9 * face * (levels - smooth)
    made = made * (1 - 0.25 * eyes)
    grey = numpy.clip((0.42 - down) / 0.2, 0, 1)[..., None]
    made = made * (1 - 0.8 * grey) + 0.8 * grey * (0.9 * made.mean(axis=2, keepdims=True) + 25)
    finished: Levels = numpy.rint(made).clip(0, 255).astype(numpy.uint8)
    return finished


def small(levels: Levels) -> Levels:
    """Return an aligned picture at the student's resolution."""
    return numpy.asarray(Image.fromarray(levels).resize((RESOLUTION, RESOLUTION), Image.Resampling.LANCZOS))


def _tensor(pictures: Sequence[Levels]) -> Tensor:
    return torch.from_numpy(numpy.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def train(pairs: Sequence[tuple[Levels, Levels]], steps: int = STEPS, seed: int = 5) -> Model:
    """Train a student on aligned (source, target) pairs and return it as gdp applies it."""
    torch.manual_seed(seed)
    source, target = (_tensor([small(pair[side]) for pair in pairs]) for side in (0, 1))
    student = Student()
    optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / steps)
        chosen = torch.randint(len(source), (BATCH,))
        loss = functional.l1_loss(student(source[chosen]), target[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    student.eval()

    @torch.no_grad()
    def translate(pictures: PictureArray) -> PictureArray:
        made = student(_tensor([*pictures])).clamp(-1, 1).add(1).mul(127.5).round()
        return made.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()

    return Model(translate, 2, 3, RESOLUTION, "torch", "here")


def locked_student() -> Model:
    """Return what does at the student's pixels exactly what `aged` does, and so hangs on the frame to the pixel."""
    return Model(lambda pictures: numpy.stack([aged(each) for each in pictures]), 2, 3, RESOLUTION, "none", "here")


class Told(Aligner):
    """An aligner that was told the squares."""

    finds = ("face", "faces")

    def __init__(self, squares: Sequence[Square]) -> None:
        super().__init__(None, EngineContext())
        self.squares = squares

    def regions(self, pictures: PictureArray) -> list[list[Square]]:
        """Return the squares for each picture."""
        return [[*self.squares] for _ in pictures]


def apply(model: Model, aligner: Aligner, picture: Levels) -> Levels:
    """Return a picture as `gdp apply --align` writes it."""
    made: Levels = AlignedSquares(model, NamedAligner(aligner, "the aligner"))(picture[None])[0]
    return made


def older_original(model: Model, face: Levels) -> Levels:
    """Return the student's output on the aligned original, at the original's size, its finer detail kept."""
    shown = small(face)
    change = model(shown[None])[0].astype(numpy.float32) - shown
    planes = [
        Image.fromarray(change[..., colour]).resize(face.shape[1::-1], Image.Resampling.BICUBIC) for colour in range(3)
    ]
    made: Levels = (
        numpy.rint(face + numpy.stack([numpy.asarray(plane) for plane in planes], axis=2))
        .clip(0, 255)
        .astype(numpy.uint8)
    )
    return made


@dataclass(frozen=True)
class Result:
    """What came of one scene."""

    found: bool
    others: int
    """Squares that are not the face's."""
    loss_db: float | None
    frame: tuple[float, float, float] | None
    """Ratio of the found square's side to the true one's, distance of their middles as a share of it, and degrees."""
    touched: int
    """Pixels that differ outside of the found squares."""


def measure_scene(scene: Scene, face: Face, model: Model, aligner: Aligner) -> Result:
    """Find the face of a scene, translate it, and hold the result against the aligned one."""
    (squares,) = aligner.regions(scene.picture[None])
    same = [square for square in squares if is_same(square, scene.square)]
    result = apply(model, Told(squares), scene.picture)
    free = numpy.ones(scene.picture.shape[:2], bool)
    for square in squares:
        x, y = _places(square, scene.picture.shape)
        free &= (numpy.abs(x - 0.5) > 0.5) | (numpy.abs(y - 0.5) > 0.5)
    touched = int((result[free] != scene.picture[free]).any(axis=-1).sum())
    if not same:
        return Result(False, len(squares), None, None, touched)
    inside, truth = scene.interior(), scene.with_face(face.target)
    aligned = scene.with_face(older_original(model, face.levels))
    loss = psnr(aligned, truth, inside) - psnr(result, truth, inside)
    return Result(True, len(squares) - 1, loss, _frame(same[0], scene.square), touched)


def _frame(found: Square, true: Square) -> tuple[float, float, float]:
    angle = math.atan2(found.matrix[1, 0], found.matrix[0, 0]) - math.atan2(true.matrix[1, 0], true.matrix[0, 0])
    turned = (math.degrees(angle) + 180) % 360 - 180
    return found.side / true.side, math.dist(found.middle, true.middle) / true.side, turned


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Return shares and losses of several scenes, the worst beside the mean."""
    losses = [result.loss_db for result in results if result.loss_db is not None]
    frames = numpy.array([result.frame for result in results if result.frame is not None])
    return {
        "faces": len(results),
        "found": sum(result.found for result in results),
        "found_share": round(sum(result.found for result in results) / len(results), 4),
        "found_that_are_none": sum(result.others for result in results),
        "loss_db_worst": round(max(losses), 3),
        "loss_db_95th_percentile": round(float(numpy.quantile(losses, 0.95)), 3),
        "loss_db_mean": round(float(numpy.mean(losses)), 3),
        "within_1_db": sum(loss <= 1 for loss in losses),
        "frame_side_ratio_mean_and_deviation": [
            round(float(value), 4) for value in (frames[:, 0].mean(), frames[:, 0].std())
        ],
        "frame_shift_95th_percentile": round(float(numpy.quantile(frames[:, 1], 0.95)), 4),
        "frame_degrees_95th_percentile": round(float(numpy.quantile(numpy.abs(frames[:, 2]), 0.95)), 2),
        "pixels_touched_outside": sum(result.touched for result in results),
    }


def scenes_of(faces: Sequence[Face], behind: Sequence[Path], seed: int, turn: float) -> Iterator[tuple[Face, Scene]]:
    """Yield every face in a photo of its own."""
    random = numpy.random.default_rng(seed)
    for number, face in enumerate(faces):
        yield face, make_scene(face.levels, read(behind[number % len(behind)]), random, turn)


def turned_share(faces: Sequence[Face], behind: Sequence[Path], aligner: Aligner, turn: float) -> dict[str, Any]:
    """Return how many faces are found that are turned by exactly so many degrees, to either side."""
    random, found = numpy.random.default_rng(11), 0
    for number, face in enumerate(faces):
        scene = make_scene(face.levels, read(behind[number % len(behind)]), random, 0.0)
        angle = math.radians(turn if number % 2 else -turn)
        turn_by = numpy.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        matrix = scene.square.side * turn_by
        middle = numpy.array([SIZE[1], SIZE[0]]) / 2
        square = Square(numpy.concatenate([matrix, (middle - matrix @ [0.5, 0.5])[:, None]], axis=1))
        (squares,) = aligner.regions(draw(scene.behind, face.levels, square)[None])
        found += any(is_same(one, square) for one in squares)
    return {"degrees": turn, "faces": len(faces), "found": found}


def horses(paths: Sequence[Path], aligner: Aligner) -> dict[str, Any]:
    """Return in how many photos of horses a face is found (some show riders), and in which."""
    with_faces = [f"{path.parent.name}/{path.name}" for path in paths if aligner.regions(read(path)[None])[0]]
    return {
        "photos": len(paths), "none_found": len(paths) - len(with_faces),
        "none_found_share": round(1 - len(with_faces) / len(paths), 4), "found_in": with_faces,
    }  # fmt: skip


def seconds_a_picture(aligner: Aligner, pictures: Sequence[Levels]) -> dict[str, float]:
    """Return processor seconds of finding, the median and the largest."""
    taken = []
    for picture in pictures:
        start = time.process_time()
        aligner.regions(picture[None])
        taken.append(time.process_time() - start)
    return {"median": round(float(numpy.median(taken)), 3), "largest": round(max(taken), 3)}


def measure(real: Path, most: int | None, tell: Callable[[str, Any], None]) -> None:
    """Measure all of it, or only `most` faces of each kind; each part is told when it is known."""
    torch.set_num_threads(1)
    faces = read_faces(real, most)
    behind = sorted((real / "horse2zebra/trainB").glob("*.jpeg"))[: most or 40]
    aligner = PhotographAligner(PhotographsConfig(), EngineContext(threads=1))
    without = [path for path in behind if not aligner.regions(read(path)[None])[0]]
    photos = [*faces["aligned"], *faces["celeba"]]
    tell("horses", horses(sorted((real / "horse2zebra").glob("t*A/*.jpeg"))[: most and 8 * most], aligner))
    some = [scene.picture for _, scene in scenes_of(photos[:10], without, 7, 30.0)]
    tell("seconds_a_picture", seconds_a_picture(aligner, some))

    def measured(those: Sequence[Face], model: Model, seed: int) -> dict[str, Any]:
        scenes = scenes_of(those, without, seed, 30.0)
        return summary([measure_scene(scene, face, model, aligner) for face, scene in scenes])

    tell("position_locked", measured(photos[::4], locked_student(), 103))
    of_photos = train([(face.levels, face.target) for face in photos])
    tell("aligned", measured(faces["aligned"], of_photos, 101))
    tell("celeba", measured(faces["celeba"], of_photos, 102))
    of_teacher = train([(face.levels, face.target) for face in faces["projected"]])
    tell("projected", measured(faces["projected"], of_teacher, 100))
    tell("turned", [turned_share(photos[::4], without, aligner, turn) for turn in TURNS])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=ROOT.parent / "shared" / "real")
    parser.add_argument("--faces", type=int, help="Only so many of each kind, for a quick look.")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "real_faces.json")
    options = parser.parse_args()
    made: dict[str, Any] = {"protocol": " ".join(PROTOCOL.split()), "machine": describe_machine(torch.device("cpu"))}

    def tell(name: str, found: Any) -> None:
        print(f"{name}: {json.dumps(found)}", flush=True)
        made[name] = found
        options.output.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")

    measure(options.real, options.faces, tell)


if __name__ == "__main__":
    main()
