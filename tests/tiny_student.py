"""A student of random weights that is exported in a second, and pictures such as it would see."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.core.pairs.store import PairStore
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry
from gdp.support.interfaces.engines import EngineContext
from gdp.tools.deploy.export import export_run
from gdp.tools.deploy.models import build_engine

REGISTRY = PluginRegistry.discover()
SIZE = 32
ONE_THREAD = EngineContext(threads=1)


def make_tiny_student(folder: Path, plugin: str = "resnet", size: int = SIZE, **others: int) -> Path:
    """Write a network of one block, a ResNet where no plugin is named, into a `student/` folder and return that."""
    student = folder / "student"
    student.mkdir(parents=True)
    settings = {"blocks": 1, "width": 8, **others}
    record = REGISTRY.get("student", plugin)
    context = BuildContext(device=torch.device("cpu"), input_channels=3, resolution=size)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = REGISTRY.load(record)(record.config.model_validate(settings), context).generator
    save_file(generator.state_dict(), student / "student.safetensors")
    card = {
        "plugin": plugin, "config": settings, "input_channels": 3, "resolution": size, "precision": "float32",
        "weights_sha256": hashlib.sha256((student / "student.safetensors").read_bytes()).hexdigest(),
    }  # fmt: skip
    (student / "student.json").write_text(json.dumps(card))
    return student


def write_pictures(folder: Path, count: int = 24) -> Path:
    """Write smooth pictures of SIZE pixels into a folder, and return that."""
    folder.mkdir(parents=True, exist_ok=True)
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    levels = torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear").mul(255).to(torch.uint8)
    for number, picture in enumerate(levels.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(picture).save(folder / f"{number:02}.png")
    return folder


def make_tiny_run(folder: Path) -> Path:
    """Write a run with a student, four held-out pairs to compare exports on, and a folder of pictures."""
    run = folder / "run"
    make_tiny_student(run)
    write_pictures(run / "pictures", 4)
    source = torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2)) * 2 - 1
    records = [PairRecord(index, index, {}, "ab" * 32, None, None, None, {}) for index in range(4)]
    with PairStore.open(run / "pairs" / "abc") as store:
        store.append(PairBatch(list(range(4)), source, source, records))
        store.set_split(dict.fromkeys(range(4), "held_out"))
    RunFolder(run).finish_stage("pairs", "abc", 1.0, {"folder": "pairs/abc"})
    return run


def export(student: Path, engine: str, pictures: Path) -> Path:
    """Export the student for an engine, beside its weights."""
    path, _ = export_run(REGISTRY, student, build_engine(REGISTRY, engine, ONE_THREAD, {}), engine, pictures=pictures)
    return path
