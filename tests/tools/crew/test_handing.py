"""Pairs that are handed over come back as they were, whole or not at all, by a folder and by S3."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from s3_emulator import OLD, s3_emulator

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.pairs.layout import EncodedPair
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.core.pairs.store import PairStore, encode_batch
from gdp.tools.crew.crew import _runs
from gdp.tools.crew.handing import Handing, pack, unpack


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "handed-over")
        return
    with s3_emulator("pairs"):
        yield "s3://pairs/of/a-key"


def batch(first: int, count: int, channels: int = 6) -> PairBatch:
    generator = torch.Generator().manual_seed(first)
    source, target = (torch.rand(count, c, 6, 10, generator=generator) * 2 - 1 for c in (channels, 3))
    latent, shape = PairRecord.pack_latent(torch.arange(3.0))
    indices = list(range(first, first + count))
    records = [PairRecord(i, 2**70, {"strength": 1.5}, "abc", latent, shape, "a.png", {"x": [1]}) for i in indices]
    return PairBatch(indices, source, target, records)


def encoded(pairs: PairBatch) -> list[EncodedPair]:
    with ThreadPoolExecutor(1) as pool:
        return encode_batch(pairs, "webp", pool)


def test_packed_pairs_are_what_they_were_and_a_store_takes_them_as_if_it_had_encoded_them(tmp_path: Path) -> None:
    parts = [batch(0, 3), batch(3, 2, channels=3)]
    for pairs in parts:
        assert unpack(pack(encoded(pairs), "webp")) == encoded(pairs)
    with PairStore.open(tmp_path / "one") as one, PairStore.open(tmp_path / "two") as two:
        for pairs in parts:
            one.append(pairs)
            two.add(unpack(pack(encoded(pairs), "webp")))
        assert two.encoded([4, 0]) == one.encoded([4, 0]) == [encoded(parts[1])[1], encoded(parts[0])[0]]
        assert two.records([0, 4]) == one.records([0, 4])
    assert (tmp_path / "two/shard-000000.tar").read_bytes() == (tmp_path / "one/shard-000000.tar").read_bytes()
    with pytest.raises(CorruptFileError, match="a tar of pairs cannot be read"):
        unpack(b"x" * 2048)


@pytest.mark.filterwarnings(OLD)
def test_what_is_handed_over_is_found_taken_and_removed_and_what_was_damaged_is_not_taken(place: str) -> None:
    pairs, handing = encoded(batch(5, 2)), Handing(place)
    assert handing.found() == []
    data = pack(pairs, "webp")
    first, second = handing.put(5, 7, "aan1", data), handing.put(5, 7, "aan2", data)
    assert handing.take(second) == pairs  # though it was not there when the place was last looked at
    assert handing.found() == [first, second]
    handing.remove([first])
    assert handing.take(first) is None
    damaged = handing.put(7, 9, "aan1", data[:-1])
    assert handing.take(damaged) is not None  # what was put is what is there
    assert handing.take(type(damaged)(7, 9, damaged.name.replace("aan1", "aan3"))) is None
    handing.remove(handing.found())
    assert handing.found() == []


def test_a_place_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingResourceError, match="nonsense"):
        Handing("nonsense://bucket/place").found()
    with pytest.raises(Exception, match="file"):
        Handing(str(tmp_path / "file" / "below")).put(0, 1, "a", b"")


def test_missing_pairs_are_divided_at_gaps_and_at_the_borders_of_shards() -> None:
    assert list(_runs([0, 1, 2, 5, 6, 7, 8], 4)) == [(0, 3), (5, 8), (8, 9)]
    assert list(_runs([], 4)) == []
