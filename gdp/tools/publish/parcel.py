"""What is sent to a hub: the student's files, its model card, and chosen exports with their cards. Imports no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, UsageError
from gdp.core.files import read_file
from gdp.core.memory import describe_bytes
from gdp.tools.deploy.cards import card_path, files_of, read_card
from gdp.tools.deploy.limits import own_file, read_description
from gdp.tools.deploy.student_folder import WEIGHTS, StudentFolder
from gdp.tools.report import CARD, SAMPLE, SCALED_SAMPLE, UNKNOWN_LICENCE, header_line

_SAMPLES_IN_CARD = re.compile(
    rf"^!\[(?P<words>[^\]\n]*)\]\((?P<file>{re.escape(SAMPLE)}|{re.escape(SCALED_SAMPLE)})\)\n\n?", re.MULTILINE
)
"""Where a model card shows its picture."""
LARGEST_TEXT = 2**20
"""Bytes of a model card."""
LARGEST_FILE = 2**30
"""Bytes of any other file: all of them are in memory while they are looked through and sent."""
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_HEADER_LICENCE = re.compile(r"^license:.*$", re.MULTILINE)
_OTHER_LICENCE = re.compile(r"^license_(?:name|link):.*\n", re.MULTILINE)
_MODEL = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_LICENCE_SECTION = re.compile(r"^## Licence\s+(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Part:
    """One file of a repository."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Parcel:
    """All that one push sends."""

    parts: tuple[Part, ...]
    licence: str
    """What the card's header says."""
    licence_text: str
    """What the card says of the teacher's licence, in words."""

    @property
    def licence_is_known(self) -> bool:
        """Whether gdp knows the licence of what the student was made from."""
        return bool(self.licence_text) and UNKNOWN_LICENCE not in self.licence_text


def gather(
    folder: Path,
    engines: Sequence[str],
    licence: str | None,
    *,
    samples: bool = False,
    base_model: str | None = None,
) -> Parcel:
    """Read and check what is to be sent.

    Args:
        folder: of the trained student.
        engines: whose exported files go along, as onnx or openvino-int8.
        licence: an identifier as the hub knows it, such as apache-2.0; None leaves the card's own.
        samples: whether the picture of what the student makes goes along; people may be in it, so the card is sent
            without it else.
        base_model: OWNER/NAME of the hub's model that the student was made from; None leaves the card's own.

    Raises:
        MissingResourceError: there is no model card, or no export of an engine.
        CorruptFileError: a file is damaged, or belongs to other weights.
        GdpError: the licence is no identifier, or the base model no name.
    """
    card = folder / CARD
    if not card.is_file():
        raise MissingResourceError(
            f"{folder}: there is no model card {CARD}, and a student is published with one alone. gdp run writes "
            f"it at the end of a run: run the recipe again, and what is done already is kept"
        )
    try:
        text = _read(card).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{card}: this model card is not UTF-8 text; save it as UTF-8") from error
    if "\0" in text:
        raise CorruptFileError(f"{card}: this model card holds zero bytes, as UTF-16 text does; save it as UTF-8")
    if licence is not None:
        text = with_licence(text, licence)
    if base_model is not None:
        text = with_base_model(text, base_model)
    text = with_widget(text) if samples else _SAMPLES_IN_CARD.sub("", text)
    weights = _read(folder / WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != StudentFolder(folder).weights_sha256:
        raise CorruptFileError(
            f"{folder / WEIGHTS}: these are not the weights that student.json tells of; run the recipe again"
        )
    parts = [
        Part(WEIGHTS, weights),
        Part("student.json", _read(folder / "student.json")),
        Part(CARD, text.encode()),
    ]
    if samples:
        parts += [Part(name, _read(folder / name)) for name in (SAMPLE, SCALED_SAMPLE) if (folder / name).is_file()]
    for engine in dict.fromkeys(engines):
        parts += _export(folder, engine)
    section = _LICENCE_SECTION.search(text)
    header = _HEADER_LICENCE.search(text)
    return Parcel(
        tuple(parts),
        header[0].partition(":")[2].strip() if header else "",
        " ".join(section[1].split()) if section else "",
    )


def with_licence(card: str, licence: str) -> str:
    """Return a model card whose header names a licence.

    Raises:
        GdpError: it is no identifier, or the card has no header to put it in.
    """
    if not _LICENCE.fullmatch(licence):
        raise UsageError(
            f"{licence!r} is no licence identifier: give one in the hub's form, such as apache-2.0 or cc-by-nc-4.0"
        )
    return _with_field(_OTHER_LICENCE.sub("", card, count=2), "license", licence)


def with_base_model(card: str, base: str) -> str:
    """Return a model card whose header names the model of the hub that the student was made from.

    Raises:
        GdpError: it is no name of one, or the card has no header to put it in.
    """
    if not _MODEL.fullmatch(base):
        raise UsageError(f"{base!r} names no model of the hub: give OWNER/NAME, such as ada/my-teacher")
    return _with_field(card, "base_model", base)


def with_widget(card: str) -> str:
    """Return a model card whose header has the picture that the card shows, for the hub to show as an example.

    A card that shows none, or names examples already, comes back as it is.
    """
    shown = _SAMPLES_IN_CARD.search(card)
    if shown is None or re.search(r"^widget:", card.partition("\n---\n")[0], re.MULTILINE):
        return card
    example = {"text": shown["words"], "output": {"url": shown["file"]}}
    return _with_field(card, "widget", [example])


def _with_field(card: str, name: str, value: object) -> str:
    """Return a model card with a field in its header, in the place of one of that name."""
    header, found, rest = card.partition("\n---\n")
    if not (card.startswith("---\n") and found):
        raise GdpError(f"{CARD}: this card has no header between lines of ---, so it has no place for {name}")
    line, present = header_line(name, value), re.compile(rf"^{name}:.*(?:\n[ -].*)*", re.MULTILINE)
    header = present.sub(lambda _: line, header) if present.search(header) else f"{header}\n{line}"
    return header + found + rest


def _export(folder: Path, engine: str) -> list[Part]:
    """Return an engine's file, what belongs to it, and its card."""
    cards = [path for path in sorted(folder.glob("*.json")) if _engine(path) == engine]
    if not cards:
        there = sorted({name for path in folder.glob("*.json") if (name := _engine(path))})
        raise MissingResourceError(
            f"{folder}: there is no export for {engine} ({', '.join(there) or 'none at all'} there). Make it with: gdp "
            f"export RUN --to {engine}"
        )
    path = cards[0].with_suffix("")
    card = read_card(path)
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise CorruptFileError(f"{path}: this is not the file that its card tells of; export the student again")
    if card.weights_sha256 != StudentFolder(folder).weights_sha256:
        raise CorruptFileError(f"{path}: this was exported from other weights than are there now; export it again")
    others = [file for file in files_of(path) if file != path]
    return [Part(path.name, content), *(Part(file.name, _read(file)) for file in [*others, card_path(path)])]


def _engine(path: Path) -> str:
    """Return the engine that a file is the card of; empty for other files."""
    try:
        data = read_description(path)
    except CorruptFileError:
        return ""
    engine = data.get("engine")
    return engine if isinstance(engine, str) and data.get("file") == path.stem else ""


def _read(path: Path) -> bytes:
    most = LARGEST_TEXT if path.suffix == ".md" else LARGEST_FILE
    try:
        size = own_file(path).stat().st_size
        content = read_file(path, most + 1) if size <= most else b""
    except OSError as error:
        raise MissingResourceError(f"{path}: this file cannot be read ({error.strerror})") from error
    if max(size, len(content)) > most:
        raise CorruptFileError(f"{path}: this file has more than {describe_bytes(most)}, which no student of gdp's has")
    if not content:
        raise CorruptFileError(f"{path}: this file is empty; make it again")
    return content
