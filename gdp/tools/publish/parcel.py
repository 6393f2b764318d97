"""What is sent to a hub: the student's files, its model card, and chosen exports with their cards. Imports no torch.

What must not be published: places of this machine, and secrets. Messages never show a secret.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError
from gdp.support.places import find_places
from gdp.tools.deploy.cards import card_path, files_of, read_card
from gdp.tools.deploy.limits import read_description
from gdp.tools.deploy.student_folder import WEIGHTS, StudentFolder
from gdp.tools.report import CARD, SAMPLE, SCALED_SAMPLE, UNKNOWN_LICENCE

SHORTEST_SECRET = 8
"""Characters; a shorter value of an environment variable is found by chance and is no key."""

_SECRETS = {
    "a Hugging Face token": rb"\bhf_[A-Za-z0-9]{30,}\b",
    "an API key": rb"\bsk-[A-Za-z0-9_-]{20,}",
    "an AWS access key": rb"\bAKIA[0-9A-Z]{16}\b",
    "a GitHub token": rb"\bgh[pousr]_[A-Za-z0-9]{36,}\b",
    "a Google API key": rb"\bAIza[A-Za-z0-9_-]{35}\b",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an address with a password": rb"\bhttps?://[^/\s:@\"']+:[^/\s@\"']+@",
    "an address with a key": rb"[?&](?:sig|token|key|api_key|access_token|X-Amz-Signature)=[^&\s\"']{8,}",
}
_PLACES_OF_MACHINES = re.compile(rb"/(?:home|Users|root|mnt|opt|tmp|usr|workspace)/[\w.@+-]+/[\w.@+-]+")


@dataclass(frozen=True)
class Leak:
    """Something that must not be published."""

    file: str
    line: int | None
    """Counted from 1; None in files that are not text."""
    what: str

    def describe(self) -> str:
        """Return it in one line."""
        return f"{self.file if self.line is None else f'{self.file}:{self.line}'} holds {self.what}"


def secrets_of(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, bytes]:
    """Return the values of environment variables that hold keys, by name, where they are long enough to be any."""
    found = {name: environment.get(name, "").strip() for name in names}
    return {name: value.encode() for name, value in found.items() if len(value) >= SHORTEST_SECRET}


def find_leaks(name: str, content: bytes, secrets: Mapping[str, bytes]) -> Iterator[Leak]:
    """Find what must not be published in one file.

    Args:
        name: of the file. Of text (.md, .json) every absolute path counts; of other files those that are of this
            machine or begin like people's folders do, for networks name their layers with slashes, too.
        content: all of it. Of .safetensors only the header is looked at: the rest is numbers.
        secrets: values that must not appear, by the name of what holds them.
    """
    text = name.endswith((".md", ".json"))
    if name.endswith(".safetensors"):
        content = content[: 8 + int.from_bytes(content[:8], "little")]
    for variable, secret in secrets.items():
        if (at := content.find(secret)) >= 0:
            yield Leak(name, _line(content, at) if text else None, f"the value of ${variable}")
    for what, pattern in _SECRETS.items():
        if found := re.search(pattern, content):
            yield Leak(name, _line(content, found.start()) if text else None, what)
    if text:
        for character, path in find_places(content.decode(errors="replace")):
            line = content.decode(errors="replace").count("\n", 0, character) + 1
            yield Leak(name, line, f"a path of a machine, {path}")
    else:
        yield from _places_in_binary(name, content)


def _places_in_binary(name: str, content: bytes) -> Iterator[Leak]:
    here = {Path.home(), Path.cwd(), Path(sys.prefix)}
    for place in sorted(str(place) for place in here if len(place.parts) > 1):
        if f"{place}{os.sep}".encode() in content:
            yield Leak(name, None, f"paths of this machine below {place}")
            return
    if found := _PLACES_OF_MACHINES.search(content):
        yield Leak(name, None, f"a path of a machine, {found[0].decode(errors='replace')}")


def _line(content: bytes, at: int) -> int:
    return content.count(b"\n", 0, at) + 1


_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_HEADER_LICENCE = re.compile(r"^license:.*$", re.MULTILINE)
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


def gather(folder: Path, engines: Sequence[str], licence: str | None) -> Parcel:
    """Read and check what is to be sent.

    Args:
        folder: of the trained student.
        engines: whose exported files go along, as onnx or openvino-int8.
        licence: an identifier as the hub knows it, such as apache-2.0; None leaves the card's own.

    Raises:
        MissingResourceError: there is no model card, or no export of an engine.
        CorruptFileError: a file is damaged, or belongs to other weights.
        GdpError: the licence is no identifier.
    """
    card = folder / CARD
    if not card.is_file():
        raise MissingResourceError(
            f"{folder}: there is no model card {CARD}, and a student is published with one alone. gdp run writes "
            f"it at the end of a run: run the recipe again, and what is done already is kept"
        )
    text = _read(card).decode("utf-8", errors="replace")
    if licence is not None:
        text = with_licence(text, licence)
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
        raise GdpError(
            f"{licence!r} is no licence identifier: give one in the hub's form, such as apache-2.0 or cc-by-nc-4.0"
        )
    header, found, rest = card.partition("\n---\n")
    if not (card.startswith("---\n") and found):
        raise GdpError(f"{CARD}: this card has no header between lines of ---, so it has no place for a licence")
    line = f"license: {licence}"
    header = _HEADER_LICENCE.sub(line, header) if _HEADER_LICENCE.search(header) else f"{header}\n{line}"
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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingResourceError(f"{path}: this file cannot be read ({error.strerror})") from error
    if not content:
        raise CorruptFileError(f"{path}: this file is empty; make it again")
    return content
