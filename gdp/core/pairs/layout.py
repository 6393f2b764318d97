"""How one pair is encoded without loss, and how it lies in its shard.

Its members are `000000012.source.webp`, `.source2.webp`, `.target.webp` and `.json`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy
from numpy.typing import NDArray
from PIL import Image

from gdp.core.errors import CorruptFileError, PairStoreError
from gdp.core.pairs.records import Json, PairRecord
from gdp.core.pairs.shards import BLOCK, how_to_mend, member_header, padding

ImageFormat = Literal["webp", "png"]

Pixels = NDArray[numpy.uint8]
"""(H, W, 3) uint8 RGB."""


def pixel_hash(*pictures: Pixels) -> bytes:
    """Return the sha256 (32 bytes) of the RGB values, row by row, one picture after the other."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(numpy.ascontiguousarray(picture).data)
    return digest.digest()


def encode(picture: Pixels, image_format: ImageFormat) -> bytes:
    """Encode losslessly. The same pixels give the same bytes (under the same Pillow)."""
    buffer = io.BytesIO()
    if image_format == "webp":
        Image.fromarray(picture).save(buffer, "WEBP", lossless=True, method=0, quality=0)
    else:
        # Runs alone are looked for: in filtered pictures there is little else, and it is quicker by up to a quarter.
        Image.fromarray(picture).save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def decode(data: bytes) -> Pixels:
    """Decode to RGB.

    Raises:
        ValueError: the bytes are no whole picture.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as image:
            return numpy.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error


Picture = NDArray[numpy.uint8]
"""(C, H, W) uint8 RGB; C is 3, or 6 for two inputs."""


class StoredPair(NamedTuple):
    """Where a pair is: its shard, and the byte offset and size there of what each member holds."""

    pair_index: int
    shard: int
    height: int
    width: int
    source_offset: int
    source_size: int
    source2_offset: int | None
    source2_size: int | None
    target_offset: int
    target_size: int
    record_offset: int
    record_size: int
    source_sha256: bytes
    """Hash of the source's pixels (of both pictures where there are two); independent of the image format."""
    target_sha256: bytes

    @property
    def source_channels(self) -> int:
        """3, or 6 where the student takes two pictures."""
        return 3 if self.source2_offset is None else 6

    @property
    def start(self) -> int:
        """Offset of the pair's first byte in its shard."""
        return self.source_offset - BLOCK

    @property
    def end(self) -> int:
        """Offset of the first byte after the pair."""
        return self.record_offset + self.record_size + len(padding(self.record_size))

    def members(self, image_format: ImageFormat) -> list[tuple[str, int, int]]:
        """Return name, offset and size of each member, in order; the record's is the last."""
        members = [(f"source.{image_format}", self.source_offset, self.source_size)]
        if self.source2_offset is not None and self.source2_size is not None:
            members.append((f"source2.{image_format}", self.source2_offset, self.source2_size))
        members.append((f"target.{image_format}", self.target_offset, self.target_size))
        members.append(("json", self.record_offset, self.record_size))
        # WebDataset takes what comes before the first dot as the sample's key.
        return [(f"{self.pair_index:09d}.{suffix}", offset, size) for suffix, offset, size in members]


@dataclass(frozen=True)
class EncodedPair:
    """A pair as the contents of its members."""

    record: PairRecord
    height: int
    width: int
    sources: tuple[bytes, ...]
    target: bytes
    description: bytes
    """The `.json` member."""
    source_sha256: bytes
    target_sha256: bytes

    def place(self, shard: int, start: int, image_format: ImageFormat) -> tuple[StoredPair, list[bytes]]:
        """Lay the pair out in a shard from byte `start` on: where it is then, and the bytes to write there."""
        contents = [*self.sources, self.target, self.description]
        offsets = []
        for content in contents:
            offsets.append(start + BLOCK)
            start += BLOCK + len(content) + len(padding(len(content)))
        second_offset, second_size = (offsets[1], len(self.sources[1])) if len(self.sources) == 2 else (None, None)
        stored = StoredPair(
            pair_index=self.record.index,
            shard=shard,
            height=self.height,
            width=self.width,
            source_offset=offsets[0],
            source_size=len(self.sources[0]),
            source2_offset=second_offset,
            source2_size=second_size,
            target_offset=offsets[-2],
            target_size=len(self.target),
            record_offset=offsets[-1],
            record_size=len(self.description),
            source_sha256=self.source_sha256,
            target_sha256=self.target_sha256,
        )
        pieces = []
        for (name, _, size), content in zip(stored.members(image_format), contents, strict=True):
            pieces += [member_header(name, size), content, padding(size)]
        return stored, pieces


def encode_pair(record: PairRecord, source: Picture, target: Picture, image_format: ImageFormat) -> EncodedPair:
    """Encode a pair of pictures, (3 or 6, H, W) and (3, H, W) uint8.

    Raises:
        PairStoreError: the record cannot be written as JSON.
    """
    sources = [numpy.ascontiguousarray(part.transpose(1, 2, 0)) for part in numpy.split(source, len(source) // 3)]
    result = numpy.ascontiguousarray(target.transpose(1, 2, 0))
    source_sha256, target_sha256 = pixel_hash(*sources), pixel_hash(result)
    return EncodedPair(
        record=record,
        height=result.shape[0],
        width=result.shape[1],
        sources=tuple(encode(part, image_format) for part in sources),
        target=encode(result, image_format),
        description=_description(record, source_sha256, target_sha256),
        source_sha256=source_sha256,
        target_sha256=target_sha256,
    )


def describe_record(record: PairRecord, source_sha256: bytes, target_sha256: bytes) -> dict[str, Json]:
    """Return a record as JSON: what the `.json` member and the manifest's dump hold of it."""
    return {
        "index": record.index,
        "seed": record.seed,
        "edit": record.edit,
        "teacher": record.teacher,
        "latent": None if record.latent is None else base64.b64encode(record.latent).decode(),
        "latent_shape": None if record.latent_shape is None else list(record.latent_shape),
        "name": record.name,
        "extra": record.extra,
        "source_sha256": source_sha256.hex(),
        "target_sha256": target_sha256.hex(),
    }


def record_of(data: Mapping[str, Json]) -> PairRecord:
    """Return the record that `describe_record` has described.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    latent = None if data["latent"] is None else base64.b64decode(data["latent"])
    shape = None if data["latent_shape"] is None else tuple(data["latent_shape"])
    said = data["seed"], data["edit"], data["teacher"], latent, shape, data["name"], data["extra"]
    return PairRecord(data["index"], *said)


def _description(record: PairRecord, source_sha256: bytes, target_sha256: bytes) -> bytes:
    try:
        return canonical_json(describe_record(record, source_sha256, target_sha256)).encode()
    except (TypeError, ValueError) as error:
        raise PairStoreError(
            f"the record of pair {record.index} cannot be written as JSON ({error}): `edit` and `extra` hold words, "
            f"finite numbers, true, false, None, and lists and dicts of them"
        ) from error


def canonical_json(value: Json) -> str:
    """Return the one ASCII text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_pair(path: Path, stored: StoredPair) -> tuple[Picture, Picture]:
    """Read one pair's pictures from its shard, (3 or 6, H, W) and (3, H, W) uint8, and check their hashes.

    Raises:
        CorruptFileError: the shard does not hold what was stored.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(stored.source_offset)
            data = file.read(stored.target_offset + stored.target_size - stored.source_offset)
        pictures = [
            decode(data[offset - stored.source_offset :][:size])
            for _, offset, size in stored.members("webp")[:-1]  # the names, and so the format, do not matter here
        ]
    except (OSError, ValueError) as error:
        raise damaged_pair(path, stored.pair_index, str(error)) from error
    if (pixel_hash(*pictures[:-1]), pixel_hash(pictures[-1])) != (stored.source_sha256, stored.target_sha256):
        raise damaged_pair(path, stored.pair_index, "its pixels are not those that were stored")
    channels_first = [picture.transpose(2, 0, 1) for picture in pictures]
    return numpy.concatenate(channels_first[:-1]), channels_first[-1]


def read_encoded(path: Path, stored: StoredPair, record: PairRecord) -> EncodedPair:
    """Read one pair's members from its shard as they are; who decodes them compares their hashes.

    Raises:
        CorruptFileError: the shard is shorter than what was stored.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(stored.start)
            data = file.read(stored.end - stored.start)
    except OSError as error:
        raise damaged_pair(path, stored.pair_index, str(error)) from error
    if len(data) != stored.end - stored.start:
        raise damaged_pair(path, stored.pair_index, "the shard ends within it")
    contents = [data[offset - stored.start :][:size] for _, offset, size in stored.members("webp")]
    *sources, target, description = contents
    hashes = stored.source_sha256, stored.target_sha256
    return EncodedPair(record, stored.height, stored.width, tuple(sources), target, description, *hashes)


def damaged_pair(path: Path, index: int, problem: str) -> CorruptFileError:
    """Return the error that says that a pair cannot be read."""
    return CorruptFileError(f"{path}: pair {index} is damaged: {problem}. {how_to_mend(path.parent)}")
