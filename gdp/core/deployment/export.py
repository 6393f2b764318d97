"""Export a trained student: write the file of an engine, run it on real pictures, and keep what differs beside it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

from gdp.core.deployment.comparison import Difference, compare, reference
from gdp.core.deployment.network import PictureNetwork
from gdp.core.errors import GdpError, MissingResourceError, readable_os_errors
from gdp.core.interfaces.engines import Engine, Pictures
from gdp.core.run_folder import write_atomically
from gdp.core.training.inference import DeployedStudent
from gdp.core.versions import versions

WORST_PSNR_DB = 40.0
"""An export whose pictures are further than this from torch's is refused."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    engine: str
    """Its name."""
    runs_on: str
    """On what it was compared."""
    size_multiple: int
    input_channels: int
    resolution: int
    bytes: int
    sha256: str
    difference: Difference

    def to_data(self) -> dict[str, Any]:
        """Return the card that stands beside the file."""
        return {
            "format": 1,
            "file": self.path.name,
            "engine": self.engine,
            "compared_on": self.runs_on,
            "input": {
                "name": "pictures",
                "layout": "NHWC",
                "type": "uint8",
                "range": [0, 255],
                "colours": "RGB",
                "channels": self.input_channels,
                "height_and_width": f"any multiples of {self.size_multiple} pixels",
                "size_multiple": self.size_multiple,
            },
            "output": {"name": "translated", "layout": "NHWC", "type": "uint8", "range": [0, 255], "colours": "RGB"},
            "trained_at": self.resolution,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "difference_to_torch": {**self.difference.to_data(), "protocol": PROTOCOL},
            "versions": versions(),
        }


PROTOCOL = (
    "pictures of this file against those of torch in float32, eager, on the same inputs; differences in 8-bit levels "
    "over all pixels and colours; PSNR = 10 log10(255^2 / mean squared difference), null where nothing differs"
)


def picture_network(student: DeployedStudent) -> PictureNetwork:
    """Return a student's network as engines take it: on the CPU, contiguous, in evaluation mode."""
    generator = student.student.generator.to("cpu").to(memory_format=torch.contiguous_format)
    return PictureNetwork(generator).eval()


def export_student(
    student: DeployedStudent, engine: Engine, name: str, pictures: Pictures, folder: Path, worst_psnr_db: float
) -> Exported:
    """Write a student for an engine, into a folder where an earlier file of that name is replaced.

    Args:
        student: the trained student.
        engine: writes and runs the file.
        name: of the engine.
        pictures: (N, H, W, C) real ones to compare on.
        folder: gets the file and a card `<file>.json` beside it.
        worst_psnr_db: refuse the file where its pictures are further from torch's.

    Raises:
        GdpError: the network cannot be exported, or what it makes is too far from torch; nothing is written then.
        DiskFullError, RunFolderError: the folder cannot be written.
    """
    network = picture_network(student)
    expected = reference(network, pictures)
    example = torch.from_numpy(numpy.resize(pictures, (2, *pictures.shape[1:])))
    with readable_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as place:
            made = Path(place) / engine.file
            engine.export(network, example, student.size_multiple, made)
            translate = engine.open(made, (lambda: network) if engine.runs_from_weights else None)
            difference = compare(translate, pictures, expected)
            if difference.psnr_db is not None and difference.psnr_db < worst_psnr_db:
                raise GdpError(
                    f"{name}: the exported student differs too much from torch ({difference.describe()}), and at least "
                    f"{worst_psnr_db:g} dB are asked for. Nothing was written."
                )
            del translate  # some systems do not move a file that is open
            for part in sorted(Path(place).iterdir()):
                shutil.move(part, folder / part.name)
    path = folder / engine.file
    content = path.read_bytes()
    exported = Exported(
        path,
        name,
        engine.describe(),
        student.size_multiple,
        student.input_channels,
        student.resolution,
        sum(part.stat().st_size for part in folder.glob(f"{path.stem}.*") if part.suffix in (path.suffix, ".bin")),
        hashlib.sha256(content).hexdigest(),
        difference,
    )
    write_atomically(card_path(path), (json.dumps(exported.to_data(), indent=2) + "\n").encode())
    return exported


def card_path(path: Path) -> Path:
    """Return where the card of an exported file stands."""
    return path.with_name(f"{path.name}.json")


def require_pictures(pictures: Pictures | None, place: Path) -> Pictures:
    """Make sure that there is something to compare on.

    Raises:
        MissingResourceError: the run has no pairs any more.
    """
    if pictures is None:
        raise MissingResourceError(
            f"{place}: there are no pairs here to compare the exported student on. Name a folder of pictures such as "
            f"the student will see: --pictures FOLDER"
        )
    return pictures
