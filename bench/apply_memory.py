"""What `gdp apply` takes of the memory on large photos, beside the network, in each engine.

    python bench/apply_memory.py [--student RUN] [--photos 8] [--megapixels 24] [--engines torch,onnx,openvino]

Each engine runs in a process of its own: the student is opened and translates a picture of 64 px, and what the process
takes then counts as the network's. Then the photos are translated at the default settings; the largest resident memory
meanwhile, less that, is what is told. The first photos are translated again with one in work at a time, and what was
written must be the same, byte for byte. The results go to bench/results/apply_memory.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from gdp.core.files import write_atomically

RESULT = Path(__file__).parent / "results" / "apply_memory.json"
ENGINES = "torch,onnx,openvino"
STUDENT = {"blocks": 1, "width": 8}
RESOLUTION = 256
ALONE = 2
"""Photos that are translated once more, with a bound of one byte: one is in work at a time then."""
SHAPE = (2, 3)
"""Of a photo, height to width."""


def random_run(folder: Path) -> Path:
    """Write a run whose student is a small ResNet of random weights, exported for every engine; return its folder."""
    import torch

    from gdp.core.interfaces.context import BuildContext
    from gdp.core.tensor_file import write_tensors
    from gdp.registry import PluginRegistry
    from gdp.support.interfaces.engines import EngineContext
    from gdp.tools.deploy.export import export_run
    from gdp.tools.deploy.models import build_engine

    registry, student = PluginRegistry.discover(), folder / "student"
    record = registry.get("student", "resnet")
    torch.manual_seed(0)
    built = registry.load(record)(record.config.model_validate(STUDENT), BuildContext(resolution=RESOLUTION))
    write_tensors(student / "student.safetensors", built.generator.state_dict())
    digest = hashlib.sha256((student / "student.safetensors").read_bytes()).hexdigest()
    card = {"plugin": "resnet", "config": STUDENT, "input_channels": 3, "resolution": RESOLUTION}
    (student / "student.json").write_text(json.dumps({**card, "precision": "float32", "weights_sha256": digest}))
    pictures = write_photos(folder / "pictures", 4, 0.1)[0].parent
    for engine in ("onnx", "openvino"):
        built_engine = build_engine(registry, engine, EngineContext(), {})
        export_run(registry, student, built_engine, engine, pictures=pictures)
    return folder


def write_photos(folder: Path, count: int, megapixels: float) -> list[Path]:
    """Write smooth random photos as JPEG."""
    folder.mkdir(parents=True)
    unit = round((megapixels * 1e6 / (SHAPE[0] * SHAPE[1])) ** 0.5)
    width, height = unit * SHAPE[1], unit * SHAPE[0]
    random = numpy.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (height // 50, width // 50, 3), dtype=numpy.uint8))
        paths.append(folder / f"{number}.jpg")
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(paths[-1], quality=92)
    return paths


def measure(model: Path, engine: str, photos: list[Path], output: Path, memory: int | None) -> dict[str, Any]:
    """Translate photos in this process; return the memory beside the network, and the seconds."""
    from gdp.core.memory import MemoryBound
    from gdp.core.progress import SilentProgress
    from gdp.registry import PluginRegistry
    from gdp.support.measuring import forget_peak, peak_bytes, present_bytes
    from gdp.tools.deploy.applying import Application, apply_to_pictures, whole_pictures
    from gdp.tools.deploy.files import Job
    from gdp.tools.deploy.opening import open_model
    from gdp.tools.deploy.tiling import Tiling

    opened = open_model(PluginRegistry.discover(), model, engine=engine)
    opened(numpy.zeros((1, 64, 64, 3), numpy.uint8))
    idle, forgotten = present_bytes(), forget_peak()
    jobs = [Job(photo, output / photo.name) for photo in photos]
    application = Application(whole_pictures(opened, Tiling()), batch=1)
    begun = time.perf_counter()
    applied = apply_to_pictures(jobs, application, SilentProgress(), memory=MemoryBound(memory))
    seconds = time.perf_counter() - begun
    peak = peak_bytes()
    assert idle is not None and peak is not None and forgotten and not applied.failed, applied.failed
    return {
        "engine": engine,
        "runs_on": opened.runs_on,
        "network_bytes": idle,
        "beside_bytes": peak - idle,
        "seconds": round(seconds, 1),
    }


def hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of the files in a folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def in_a_process(*arguments: object) -> dict[str, Any]:
    """Run `measure` in a process of its own."""
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 # our own command
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return found


def compare(model: Path, engine: str, photos: Path, folder: Path) -> dict[str, Any]:
    """Measure one engine, and look whether the first photos come out the same one by one, with the least memory."""
    together, alone = (folder / engine / name for name in ("together", "alone"))
    found = in_a_process(model, engine, photos, together)
    few = folder / f"few-{engine}"
    few.mkdir()
    for photo in sorted(photos.iterdir())[:ALONE]:
        (few / photo.name).hardlink_to(photo)
    one_by_one = in_a_process(model, engine, few, alone, 1)
    same = hashes(alone).items() <= hashes(together).items()
    return {**found, "beside_bytes_one_by_one": one_by_one["beside_bytes"], "same_bytes_one_by_one": same}


def main() -> None:
    """Read the options, measure one engine after another, write and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--student", type=Path, help="a run's folder; default: a small one of random weights")
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--engines", default=ENGINES)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.measure:
        model, engine, place, output, *memory = options.measure
        photos = [Path(place)] if Path(place).is_file() else sorted(Path(place).iterdir())
        print(json.dumps(measure(Path(model), engine, photos, Path(output), int(memory[0]) if memory else None)))
        return
    with tempfile.TemporaryDirectory(prefix="gdp-apply-memory-") as place:
        folder = Path(place)
        run = options.student or random_run(folder / "run")
        photos = write_photos(folder / "photos", options.photos, options.megapixels)
        rows = []
        for engine in options.engines.split(","):
            rows.append(compare(run, engine, photos[0].parent, folder / "out"))
            show(rows[-1])
    height, width = SHAPE
    data = {
        "photos": options.photos,
        "megapixels": options.megapixels,
        "shape": f"{width}:{height}",
        "student": options.student.name if options.student else f"ResNet of random weights, {STUDENT}",
        "protocol": " ".join((__doc__ or "").split()),
        "engines": rows,
    }
    write_atomically(options.output, (json.dumps(data, indent=1) + "\n").encode())


def show(row: dict[str, Any]) -> None:
    """Print what was found of an engine."""
    beside, alone = row["beside_bytes"] / 1e9, row["beside_bytes_one_by_one"] / 1e9
    same = "the same" if row["same_bytes_one_by_one"] else "OTHER"
    print(
        f"{row['engine']}: {beside:.2f} GB beside the network; one by one {alone:.2f} GB and {same} bytes", flush=True
    )


if __name__ == "__main__":
    main()
