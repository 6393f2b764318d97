"""What an append does before it writes: the order of pairs, their encoding and their places in a shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gdp.core.errors import PairStoreError
from gdp.core.pairs.layout import EncodedPair, ImageFormat, StoredPair, encode_pair
from gdp.core.pairs.manifest import ShardState
from gdp.core.pairs.records import PairBatch, PairRecord
from gdp.core.pictures import storable_levels

LARGEST_INDEX = 999_999_999
"""Member names hold nine digits."""

PIXELS_A_TASK = 2**15
"""What a thread encodes or decodes at a time, so that handing over small pictures does not cost more than them."""


def tasks(count: int, height: int, width: int) -> list[range]:
    """Divide `count` pairs of a size among tasks for a thread pool."""
    share = max(1, PIXELS_A_TASK // (height * width))
    return [range(start, min(start + share, count)) for start in range(0, count, share)]


def missing_pairs(count: int, states: Mapping[int, ShardState], shard_size: int) -> list[int]:
    """Return which of the pairs 0 to count - 1 can still be appended, ascending."""
    missing: list[int] = []
    for shard in range(-(-count // shard_size)):
        start = states[shard].last_index + 1 if shard in states else shard * shard_size
        missing.extend(range(start, min(count, (shard + 1) * shard_size)))
    return missing


def require_order(folder: Path, indices: Sequence[int], states: Mapping[int, ShardState], shard_size: int) -> None:
    """Make sure that pairs can be appended.

    Raises:
        PairStoreError: an index does not come after those before it in the batch and in its shard.
    """
    last = -1
    for index in indices:
        state = states.get(index // shard_size)
        last = max(last, state.last_index if state else -1)
        if not last < index <= LARGEST_INDEX:
            raise PairStoreError(
                f"{folder}: pairs come in ascending order, up to {LARGEST_INDEX}: {index} follows {last}. "
                f"`PairStore.missing` says which pairs are still to be made"
            )
        last = index


def encode_batch(batch: PairBatch, image_format: ImageFormat, pool: ThreadPoolExecutor) -> list[EncodedPair]:
    """Round pictures to 8 bits and encode them in several threads.

    Raises:
        PairStoreError: a picture holds NaN or infinite values.
    """
    sources, targets = storable_levels(batch.source).numpy(), storable_levels(batch.target).numpy()

    def encode(rows: range) -> list[EncodedPair]:
        return [encode_pair(batch.records[row], sources[row], targets[row], image_format) for row in rows]

    return [pair for task in pool.map(encode, tasks(len(batch), *batch.target.shape[2:])) for pair in task]


def place_pairs(
    pairs: Sequence[EncodedPair], shard: int, end: int, image_format: ImageFormat
) -> tuple[list[tuple[StoredPair, PairRecord]], list[bytes]]:
    """Lay pairs out in a shard behind byte `end`: where each is then, and the bytes to write there."""
    placed: list[tuple[StoredPair, PairRecord]] = []
    pieces: list[bytes] = []
    for pair in pairs:
        stored, members = pair.place(shard, end, image_format)
        placed.append((stored, pair.record))
        pieces += members
        end = stored.end
    return placed, pieces
