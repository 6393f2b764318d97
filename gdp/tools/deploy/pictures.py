"""Real pictures to compare engines on: a run's held-out pairs, or a folder of the user's.

How far an exported network's pictures are from torch's, on real pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from PIL import Image

from gdp.core.errors import MissingResourceError, PluginError
from gdp.core.pairs.store import PairStore
from gdp.core.run.stages.filters import HELD_OUT, TRAIN
from gdp.core.run_folder import RunFolder
from gdp.support.interfaces.engines import PictureArray, Translate
from gdp.support.interfaces.picture_network import PictureNetwork
from gdp.support.picture_files import read_picture
from gdp.support.picture_finding import find_pictures, no_pictures
from gdp.tools.deploy.cards import Difference
from gdp.tools.deploy.student import DeployedStudent

COUNT = 16
"""Pictures that an export is compared on."""
CALIBRATION_COUNT = 64


def pictures_of_run(run: RunFolder, count: int = COUNT) -> PictureArray | None:
    """Return the sources of the first held-out pairs (training pairs where none was held out); None without pairs.

    Returns:
        (N, H, W, C) uint8, at the pairs' own size.
    """
    return _sources(run, (HELD_OUT, TRAIN), count)


def calibration_pictures_of_run(run: RunFolder, count: int = CALIBRATION_COUNT) -> PictureArray | None:
    """Return the sources of the first training pairs, on none of which an export is compared; None without pairs.

    Returns:
        (N, H, W, C) uint8, at the pairs' own size.
    """
    return _sources(run, (TRAIN,), count)


def _sources(run: RunFolder, splits: Sequence[str], count: int) -> PictureArray | None:
    """Return the first sources of the first split that holds any."""
    pairs = run.read_json("stages.json", {}).get("pairs", {}).get("summary", {}).get("folder")
    if not isinstance(pairs, str) or not (run.path / pairs).is_dir():
        return None
    with PairStore.open(run.path / pairs, read_only=True) as store:
        indices = next(filter(None, map(store.split, splits)), [])[:count]
        if not indices:
            return None
        source, _ = store.load_uint8(indices)  # (N, C, H, W)
    return numpy.ascontiguousarray(source.permute(0, 2, 3, 1).numpy())


def pictures_of_folder(folder: Path, student: DeployedStudent, count: int = COUNT) -> PictureArray:
    """Return the first pictures of a folder, by name, cut and scaled to the student's training size.

    Raises:
        MissingResourceError: the folder is not there or holds no picture.
        CorruptFileError: a picture cannot be read.
    """
    files = find_pictures(folder, recursive=False)[:count] if folder.is_dir() else []
    if not files:
        there = no_pictures(folder, recursive=False) if folder.is_dir() else f"{folder}: there is no such folder"
        raise MissingResourceError(there)
    inputs = student.input_channels // 3
    shown = (Image.fromarray(read_picture(file).on_white()) for file in files)
    made = numpy.stack([numpy.asarray(_square(picture, student.resolution)) for picture in shown])
    return made if inputs == 1 else numpy.concatenate([numpy.roll(made, n, axis=0) for n in range(inputs)], axis=3)


def _square(picture: Image.Image, size: int) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))


def reference(network: PictureNetwork, pictures: PictureArray) -> PictureArray:
    """Return what torch makes of pictures in float32, one at a time: (N, H, W, C) -> (N, H, W, 3)."""
    with torch.no_grad():
        made = [network(picture).numpy() for picture in torch.split(torch.from_numpy(pictures), 1)]
    return numpy.concatenate(made)


def compare(translate: Translate, pictures: PictureArray, expected: PictureArray) -> Difference:
    """Compare an engine's pictures, made one at a time, with those of `reference`.

    Raises:
        PluginError: the engine returns pictures of another shape or type.
    """
    return difference(numpy.concatenate([translate(picture[None]) for picture in pictures]), expected)


def difference(made: PictureArray, expected: PictureArray) -> Difference:
    """Return how far an engine's pictures are from those of `reference`.

    Raises:
        PluginError: they are of another shape or type.
    """
    if made.shape != expected.shape or made.dtype != expected.dtype:
        raise PluginError(
            f"the engine made {made.dtype} pictures of shape {made.shape} where torch makes {expected.dtype} of "
            f"{expected.shape}; tell the engine's author"
        )
    apart = made.astype(numpy.int16) - expected.astype(numpy.int16)
    squared = float(numpy.square(apart, dtype=numpy.float64).mean())
    psnr = 10 * math.log10(255**2 / squared) if squared else None
    return Difference(len(made), int(numpy.abs(apart).max()), float(numpy.abs(apart).mean()), psnr)
