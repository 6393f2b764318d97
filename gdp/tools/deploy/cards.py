"""The card that stands beside an exported file: how to feed it, and how far it is from torch. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gdp.core.errors import CorruptFileError, MissingResourceError, readable_os_errors
from gdp.core.files import file_sha256, write_atomically
from gdp.support.wording import readable_json
from gdp.tools.deploy.limits import (
    LARGEST_RESOLUTION,
    damaged,
    read_description,
    source_channels,
    text,
    whole,
)

FORMAT = 1
PROTOCOL = (
    "pictures of this file against those of torch in float32, eager, on the same inputs; differences in 8-bit levels "
    "over all pixels and colours; PSNR = 10 log10(255^2 / mean squared difference), null where nothing differs"
)


@dataclass(frozen=True)
class Difference:
    """Differences between two engines' pictures, in 8-bit levels (1 to 255)."""

    pictures: int
    """How many were compared."""
    largest: int
    """Of any pixel and colour."""
    mean: float
    """Mean absolute difference."""
    psnr_db: float | None
    """Peak signal-to-noise ratio, 10 log10(255^2 / mean squared difference); None where nothing differs."""

    def describe(self) -> str:
        """Return it in one line."""
        psnr = "equal" if self.psnr_db is None else f"{self.psnr_db:.1f} dB PSNR"
        return f"{psnr}; largest difference {self.largest} of 255, mean {self.mean:.4f}; {self.pictures} pictures"


@dataclass(frozen=True)
class Card:
    """What is known of an exported file."""

    engine: str
    """Name of the engine that wrote and reads it."""
    compared_on: str
    """On what it ran when it was compared: versions, threads, precision."""
    size_multiple: int
    """Heights and widths must be multiples of this many pixels."""
    input_channels: int
    resolution: int
    """Height and width in pixels that the student was trained at."""
    weights_sha256: str
    """Of the student's safetensors."""
    bytes: int
    """Of the file and of what belongs to it."""
    sha256: str
    """Of the file."""
    difference: Difference
    versions: dict[str, str]
    trained_on: Mapping[str, Any] | None = None
    """What student.json says of the pictures that the student learnt from; None where it says nothing."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The sha256 of what belongs to the file, by name; an older gdp wrote none."""

    def to_data(self, path: Path) -> dict[str, Any]:
        """Return the card of a file as plain data."""
        return {
            "format": FORMAT,
            "file": path.name,
            "engine": self.engine,
            "compared_on": self.compared_on,
            "input": {
                "name": "pictures",
                "layout": "NHWC",
                "type": "uint8",
                "range": [0, 255],
                "colours": "RGB",
                "channels": self.input_channels,
                "size_multiple": self.size_multiple,
            },
            "output": {"name": "translated", "layout": "NHWC", "type": "uint8", "range": [0, 255], "colours": "RGB"},
            "resolution": self.resolution,
            "weights_sha256": self.weights_sha256,
            "bytes": self.bytes,
            "sha256": self.sha256,
            **({"parts": dict(self.parts)} if self.parts else {}),
            "difference_to_torch": {**asdict(self.difference), "protocol": PROTOCOL},
            **({} if self.trained_on is None else {"trained_on": dict(self.trained_on)}),
            "versions": self.versions,
        }


def card_path(path: Path) -> Path:
    """Return where the card of an exported file stands."""
    return path.with_name(f"{path.name}.json")


def files_of(path: Path) -> list[Path]:
    """Return an exported file and what belongs to it: OpenVINO's weights stand in a .bin beside the .xml."""
    weights = path.with_suffix(".bin")
    return [path, weights] if path.suffix == ".xml" and os.path.lexists(weights) else [path]


def write_card(card: Card, path: Path) -> None:
    """Write the card of an exported file beside it.

    Raises:
        DiskFullError, RunFolderError: as the system says.
    """
    write_atomically(card_path(path), readable_json(card.to_data(path)).encode())


def read_card(path: Path) -> Card:
    """Read the card of an exported file.

    Raises:
        MissingResourceError: there is none.
        CorruptFileError: it is damaged, or of a newer gdp.
    """
    place = card_path(path)
    if not place.is_file():
        raise MissingResourceError(
            f"{path}: there is no card {place.name} beside this file, so nobody knows how to feed it. gdp apply takes "
            f"runs, and files that gdp export has written together with their cards"
        )
    data = read_description(place)
    whole(data, "format", place, FORMAT, "formats that this gdp reads")
    shape, found = data.get("input"), data.get("difference_to_torch")
    if not isinstance(shape, dict) or not isinstance(found, dict):
        raise damaged(place, "it has no input or no difference_to_torch")
    said = data.get("trained_on")
    parts = data.get("parts", {})
    if not isinstance(said, Mapping | None) or not isinstance(parts, dict):
        raise damaged(place, "trained_on or parts is no table")
    resolution = whole(data, "resolution", place, LARGEST_RESOLUTION, "pixels")
    try:
        return Card(
            engine=text(data, "engine", place),
            compared_on=str(data["compared_on"]),
            size_multiple=whole(shape, "size_multiple", place, resolution, "pixels"),  # others are padded up to it
            input_channels=source_channels(shape, "channels", place),
            resolution=resolution,
            weights_sha256=text(data, "weights_sha256", place),
            bytes=int(data["bytes"]),
            sha256=text(data, "sha256", place),
            difference=Difference(found["pictures"], found["largest"], found["mean"], found["psnr_db"]),
            versions=dict(data["versions"]),
            trained_on=said,
            parts={name: text(parts, name, place) for name in parts},
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise damaged(place, repr(error)) from error


def damaged_part(card: Card, path: Path) -> Path | None:
    """Return the exported file, or what belongs to it, where it is not what the card was written for; None if all is.

    Raises:
        RunFolderError: it cannot be read.
    """
    beside = {path.with_name(Path(name).name): digest for name, digest in card.parts.items()}
    with readable_os_errors(path):
        for part, digest in {path: card.sha256, **beside}.items():
            if not part.is_file() or file_sha256(part) != digest:
                return part
    return None


def read_whole_card(path: Path) -> Card:
    """Read the card of an exported file that is what the card was written for.

    Raises:
        MissingResourceError: there is no card.
        CorruptFileError: the card or the file is damaged, or of a newer gdp.
    """
    card = read_card(path)
    part = damaged_part(card, path)
    if part is not None:
        raise CorruptFileError(
            f"{part}: this is not what gdp export wrote: its hash is not that of the card {card_path(path).name}. "
            f"Export the student again, or put the file back."
        )
    return card
