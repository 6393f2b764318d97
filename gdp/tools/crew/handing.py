"""Encoded pairs on their way from a process to another: tars that are written whole, by attempt, and checked by hash.

A place is a folder, or an address that fsspec reads, such as `s3://bucket/prefix`.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, describe_exception
from gdp.core.files import write_atomically
from gdp.core.pairs.layout import EncodedPair, ImageFormat, record_of
from gdp.core.pairs.shards import END_OF_ARCHIVE

_NAME = re.compile(r"pairs-(\d{9})-(\d{9})\.\w+\.([0-9a-f]{16})\.tar")


def pack(pairs: Iterable[EncodedPair], image_format: ImageFormat) -> bytes:
    """Return a tar of pairs, as a shard that begins with the first of them holds them."""
    pieces: list[bytes] = []
    end = 0
    for pair in pairs:
        stored, members = pair.place(0, end, image_format)
        pieces += members
        end = stored.end
    return b"".join([*pieces, END_OF_ARCHIVE])


def unpack(data: bytes) -> list[EncodedPair]:
    """Return the pairs of a tar that `pack` has made.

    Raises:
        CorruptFileError: it is no such tar.
    """
    found: list[EncodedPair] = []
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file is not None
                members[member.name.split(".")[1]] = file.read()
                if member.name.endswith(".json"):
                    found.append(_encoded(members))
                    members = {}
    except (tarfile.TarError, OSError, KeyError, IndexError, ValueError, TypeError, AssertionError) as error:
        raise CorruptFileError(f"a tar of pairs cannot be read ({describe_exception(error)})") from error
    return found


def _encoded(members: dict[str, bytes]) -> EncodedPair:
    said = json.loads(members["json"])
    with Image.open(io.BytesIO(members["target"]), formats=("WEBP", "PNG")) as image:
        width, height = image.size
    sources = tuple(members[name] for name in ("source", "source2") if name in members)
    hashes = (bytes.fromhex(said[f"{side}_sha256"]) for side in ("source", "target"))
    return EncodedPair(record_of(said), height, width, sources, members["target"], members["json"], *hashes)


@dataclass(frozen=True)
class Handed:
    """A tar that was handed over: the pairs `start` to `stop` - 1."""

    start: int
    stop: int
    name: str
    """Of the file, by range, attempt and content."""


@dataclass(frozen=True)
class Handing:
    """A place where tars of pairs are handed over."""

    place: str

    def put(self, start: int, stop: int, attempt: str, data: bytes) -> Handed:
        """Write a tar, whole or not at all.

        Raises:
            GdpError: it cannot be written there.
        """
        name = f"pairs-{start:09d}-{stop:09d}.{attempt}.{_hash(data)}.tar"
        with self._reached():
            if self._folder is not None:
                write_atomically(self._folder / name, data)
            else:
                self._files().pipe_file(f"{self.place}/{name}", data)
        return Handed(start, stop, name)

    def take(self, handed: Handed) -> list[EncodedPair] | None:
        """Read the pairs of a tar; None where it is not what was written."""
        try:
            with self._reached():
                if self._folder is not None:
                    data = (self._folder / handed.name).read_bytes()
                else:
                    data = self._files().cat_file(f"{self.place}/{handed.name}")
        except (FileNotFoundError, MissingResourceError):
            return None
        match = _NAME.fullmatch(handed.name)
        return unpack(data) if match is not None and match.group(3) == _hash(data) else None

    def found(self) -> list[Handed]:
        """Return what lies there, whoever has written it."""
        names: list[str] = []
        with self._reached(), suppress(FileNotFoundError):
            if self._folder is not None:
                names = [path.name for path in self._folder.iterdir()]
            else:
                names = [str(path).rpartition("/")[2] for path in self._files().ls(self.place, detail=False)]
        matches = [match for name in sorted(names) if (match := _NAME.fullmatch(name))]
        return [Handed(int(match[1]), int(match[2]), match[0]) for match in matches]

    def remove(self, files: Sequence[Handed]) -> None:
        """Remove tars whose pairs are stored; those of others stay."""
        with self._reached():
            for each in files:
                with suppress(FileNotFoundError):
                    if self._folder is not None:
                        (self._folder / each.name).unlink()
                    else:
                        self._files().rm(f"{self.place}/{each.name}")
            if self._folder is not None:
                with suppress(OSError):  # not empty, or not there
                    self._folder.rmdir()

    @property
    def _folder(self) -> Path | None:
        return None if "://" in self.place else Path(self.place)

    def _files(self) -> Any:
        import fsspec

        files = fsspec.core.url_to_fs(self.place)[0]
        files.invalidate_cache()  # of listings: others write there
        return files

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise MissingResourceError(f"{self.place}: {error} is not there") from error
        except ImportError as error:
            raise MissingResourceError(f"{self.place}: {error}") from error
        except GdpError:
            raise
        except Exception as error:
            raise MissingResourceError(
                f"{self.place}: pairs cannot be handed over there ({describe_exception(error)}). Look whether it can "
                f"be read and written from all machines, with the keys that are there."
            ) from error


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
