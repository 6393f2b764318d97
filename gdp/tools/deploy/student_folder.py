"""The folder of a trained student: what its description and the cards beside it say. Imports no torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError
from gdp.core.records import PluginRecord
from gdp.support.interfaces.engines import EngineContext
from gdp.tools.deploy.cards import Card, card_path, damaged_part, read_card, read_whole_card
from gdp.tools.deploy.limits import LARGEST_RESOLUTION, read_description, text, whole
from gdp.tools.deploy.trained_on import TrainedOn, read_trained_on

WEIGHTS = "student.safetensors"
DESCRIPTION = "student.json"
CHOICE = "engine.json"
"""Beside the student: which engine was the fastest, and how that was found out."""


class StudentFolder:
    """A `student/` folder; its description and each card in it are read once, when they are first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cards: dict[str, Card | CorruptFileError] = {}
        self._whole: dict[str, bool] = {}

    @cached_property
    def weights_sha256(self) -> str:
        """What student.json says of the weights beside it, which are not read.

        Raises:
            CorruptFileError: it cannot be read.
        """
        return text(self._description, "weights_sha256", self.path / DESCRIPTION)

    @cached_property
    def trained_on(self) -> TrainedOn:
        """What student.json says of the pictures that the student was trained on.

        Raises:
            CorruptFileError: it cannot be read.
        """
        path = self.path / DESCRIPTION
        resolution = whole(self._description, "resolution", path, LARGEST_RESOLUTION, "pixels")
        return read_trained_on(self._description.get("trained_on"), resolution, str(path))

    @cached_property
    def _description(self) -> dict[str, Any]:
        return read_description(self.path / DESCRIPTION)

    def card(self, file: str) -> Card:
        """Return the card of an exported file.

        Raises:
            MissingResourceError: there is none.
            CorruptFileError: it is damaged, or of a newer gdp.
        """
        if file not in self._cards:
            try:
                self._cards[file] = read_card(self.path / file)
            except CorruptFileError as error:
                self._cards[file] = error
        card = self._cards[file]
        if isinstance(card, CorruptFileError):
            raise card
        return card

    def current(self, file: str) -> Card | None:
        """Return the card of an exported file that is whole and of the student's present weights, or None.

        What is damaged is exported again, as what is not there.

        Raises:
            CorruptFileError: the description cannot be read.
        """
        path = self.path / file
        if not path.is_file() or not card_path(path).is_file():
            return None
        try:
            card = self.card(file)
        except CorruptFileError:
            return None
        if file not in self._whole:
            self._whole[file] = damaged_part(card, path) is None
        return card if self._whole[file] and card.weights_sha256 == self.weights_sha256 else None

    def damage(self, file: str) -> CorruptFileError | None:
        """Return what is wrong with an exported file or its card; None where nothing is, or there is none."""
        path = self.path / file
        if path.is_file() and card_path(path).is_file():
            try:
                read_whole_card(path)
            except CorruptFileError as error:
                return error
        return None

    def why_exported(self, file: str, engine: str) -> str:
        """Say that the student is exported for an engine now, and why."""
        if (self.path / file).is_file():
            return f"{self.path / file}: damaged, or of other weights; it is exported for {engine} again"
        return f"exporting the student for {engine}, once"

    def exported(self, file: str, card: Card) -> None:
        """Take note of a file that was just exported."""
        self._cards[file] = card
        self._whole[file] = True

    def exports(self) -> dict[str, str]:
        """Return the sha256 of the exported files by their engines; a damaged card's file is none."""
        found = {}
        for place in sorted(self.path.glob("*.*.json")):
            try:
                card = self.card(place.name.removesuffix(".json"))
            except CorruptFileError:
                continue
            found[card.engine] = card.sha256
        return found

    def circumstances(self, context: EngineContext, engines: Sequence[PluginRecord] = ()) -> dict[str, Any]:
        """Return what the choice of the fastest engine depends on: student, exports, engines, machine, threads.

        Args:
            context: device and threads.
            engines: all that are there; those of gdp itself are known by the versions of what they run on.
        """
        others = sorted(f"{record.name} {record.supplier}" for record in engines if record.supplier)
        return {
            "weights_sha256": self.weights_sha256,
            "exports": self.exports(),
            "machine": f"{platform.machine()} {platform.processor()} {os.cpu_count()}",
            "device": context.device,
            "threads": context.threads,
            "versions": {name: _version(name) for name in ("torch", "onnxruntime", "openvino")},
            **({"engines": others} if others else {}),
        }

    def remembered(self, context: EngineContext, engines: Sequence[PluginRecord] = ()) -> str | None:
        """Return the engine that an earlier trial found fastest, if nothing that it depends on has changed since."""
        try:
            data = read_description(self.path / CHOICE)
        except CorruptFileError:  # no choice, or one that cannot be read: it is made anew
            return None
        engine = data.get("engine")
        fits = isinstance(engine, str) and data.get("circumstances") == self.circumstances(context, engines)
        return engine if fits else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
