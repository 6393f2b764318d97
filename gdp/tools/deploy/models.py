"""Opening a trained student to translate pictures: by a named engine, or by the fastest. Imports no torch by itself."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from gdp.core.config import Config
from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, ShapeError
from gdp.core.interfaces.engines import Engine, EngineContext, PictureArray, Translate
from gdp.core.records import Plugins
from gdp.tools.deploy.cards import card_path, read_card
from gdp.tools.deploy.tiling import Tiling, translate_any_size

STUDENT = "student"
WEIGHTS = "student.safetensors"
CHOICE = "engine.json"
"""Beside the student: which engine was the fastest, and how that was found out."""


@dataclass(frozen=True)
class Place:
    """Where a trained student lies: a folder with its weights, or one exported file."""

    folder: Path
    file: Path | None = None
    """The exported file that the user named; None for a whole student."""


def find_model(model: Path) -> Place:
    """Find a trained student by its run (folder or name in runs/), its `student/` folder, or an exported file.

    Raises:
        MissingResourceError: there is no trained student.
    """
    for place in (model, Path("runs") / model):
        for folder in (place / STUDENT, place):
            if (folder / WEIGHTS).is_file():
                return Place(folder)
    if model.is_file() and model.suffix == ".safetensors":
        return Place(model.parent)
    if model.is_file():
        return Place(model.parent, model)
    raise MissingResourceError(
        f"{model}: there is no trained student here. Name a run (gdp runs shows which there are), or a file that gdp "
        f"export has written"
    )


@dataclass(frozen=True)
class Model:
    """A trained student, run by an engine, for pictures of any size."""

    translate: Translate
    size_multiple: int
    input_channels: int
    resolution: int
    """Height and width in pixels that it was trained at."""
    engine: str
    runs_on: str
    """Versions, threads and precision."""

    def __call__(self, pictures: PictureArray, tiling: Tiling | None = None) -> PictureArray:
        """Translate (N, H, W, C) uint8 RGB pictures of any size to (N, H, W, 3).

        Raises:
            ShapeError: not of that shape or type.
        """
        good = pictures.ndim == 4 and pictures.dtype == numpy.uint8 and pictures.shape[3] == self.input_channels
        if not good or 0 in pictures.shape:
            raise ShapeError(
                f"this student takes uint8 pictures (N, height, width, {self.input_channels}); got {pictures.dtype} "
                f"{pictures.shape}"
            )
        return translate_any_size(self.translate, pictures, self.size_multiple, tiling or Tiling())


def build_engine(plugins: Plugins, name: str, context: EngineContext, settings: Mapping[str, Any]) -> Engine:
    """Make an engine by its name.

    Raises:
        PluginNotFoundError, PluginError: there is none, or its package is not installed.
        GdpError: the settings are not its own.
    """
    record = plugins.get("engine", name)
    try:
        config: Config = record.config.model_validate(settings)
    except ValueError as error:
        raise GdpError(f"engine {name}: {error}") from error
    engine: Engine = plugins.load(record)(config, context)
    return engine


def is_current(path: Path, folder: Path) -> bool:
    """Say whether an exported file is there and is of the student's present weights."""
    if not path.is_file() or not card_path(path).is_file():
        return False
    return read_card(path).weights_sha256 == weights_sha256(folder)


def weights_sha256(folder: Path) -> str:
    """Return what student.json says of the weights beside it, without reading them.

    Raises:
        CorruptFileError: it cannot be read.
    """
    path = folder / "student.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path}: the student's description is damaged ({error!r}); export it again") from error


def circumstances(folder: Path, context: EngineContext) -> dict[str, Any]:
    """Return what the choice of the fastest engine depends on: student, exports, machine, versions, threads."""
    return {
        "weights_sha256": weights_sha256(folder),
        "exports": _exports(folder),
        "machine": f"{platform.machine()} {platform.processor()} {os.cpu_count()}",
        "device": context.device,
        "threads": context.threads,
        "versions": {name: _version(name) for name in ("torch", "onnxruntime", "openvino")},
    }


def _exports(folder: Path) -> dict[str, str]:
    """Return the sha256 of the exported files beside a student by their engines; a damaged card's file is none."""
    found = {}
    for place in sorted(folder.glob("*.*.json")):
        try:
            card = read_card(place.with_suffix(""))
        except CorruptFileError:
            continue
        found[card.engine] = card.sha256
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def remembered(folder: Path, context: EngineContext) -> str | None:
    """Return the engine that an earlier trial found fastest, if nothing that it depends on has changed since."""
    try:
        data = json.loads((folder / CHOICE).read_text(encoding="utf-8"))
        return str(data["engine"]) if data["circumstances"] == circumstances(folder, context) else None
    except (OSError, ValueError, KeyError, TypeError):  # no choice, or one that cannot be read: it is made anew
        return None
