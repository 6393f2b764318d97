"""Real pictures to compare engines on: a run's held-out pairs, or a folder of the user's."""

from __future__ import annotations

from pathlib import Path

import numpy
from PIL import Image

from gdp.core.deployment.files import PICTURES
from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.engines import Pictures
from gdp.core.pairs.store import PairStore
from gdp.core.run_folder import RunFolder
from gdp.core.stages.filters import HELD_OUT, TRAIN
from gdp.core.training.inference import DeployedStudent, read_picture

COUNT = 16


def pictures_of_run(run: RunFolder, count: int = COUNT) -> Pictures | None:
    """Return the sources of the first held-out pairs (training pairs where none was held out); None without pairs.

    Returns:
        (N, H, W, C) uint8, at the pairs' own size.
    """
    pairs = run.read_json("stages.json", {}).get("pairs", {}).get("summary", {}).get("folder")
    if not isinstance(pairs, str) or not (run.path / pairs).is_dir():
        return None
    with PairStore.open(run.path / pairs, read_only=True) as store:
        indices = (store.split(HELD_OUT) or store.split(TRAIN))[:count]
        if not indices:
            return None
        source, _ = store.load_uint8(indices)  # (N, C, H, W)
    return numpy.ascontiguousarray(source.permute(0, 2, 3, 1).numpy())


def pictures_of_folder(folder: Path, student: DeployedStudent, count: int = COUNT) -> Pictures:
    """Return the first pictures of a folder, by name, cut and scaled to the student's training size.

    Raises:
        MissingResourceError: the folder is not there or holds no picture.
        CorruptFileError: a picture cannot be read.
    """
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in PICTURES)[:count]
    if not files:
        raise MissingResourceError(f"{folder}: there are no pictures ({', '.join(sorted(PICTURES))}) in this folder")
    inputs = student.input_channels // 3
    made = numpy.stack([numpy.asarray(_square(read_picture(file), student.resolution)) for file in files])
    return made if inputs == 1 else numpy.concatenate([numpy.roll(made, n, axis=0) for n in range(inputs)], axis=3)


def _square(picture: Image.Image, size: int) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
