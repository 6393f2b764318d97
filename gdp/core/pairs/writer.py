"""Pairs that are encoded and written while the next ones are made."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from gdp.core.pairs.records import PairBatch
from gdp.core.pairs.store import PairStore
from gdp.core.pictures import storable_levels


class PairWriter:
    """Appends batches of pairs to a store from a thread of its own, in order; a context manager.

    One batch is written at a time, and another may be handed over meanwhile only when it is durable: what a kill costs
    is one batch that is written and one that is made. Leaving waits for the last one, whatever the reason.
    """

    def __init__(self, store: PairStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pair-writer")
        self._written: Future[int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)
        self.wait()  # what was not stored is told, whatever ended the making

    def put(self, batch: PairBatch) -> int:
        """Hand pairs over, and return how many of those before have become durable by that.

        The pictures are rounded and copied from their device before this returns; the batch may then be thrown away.

        Raises: as `PairStore.append`, of this batch or of the one before.
        """
        rounded = replace(batch, source=storable_levels(batch.source), target=storable_levels(batch.target))
        done = self.wait()
        self._written = self._thread.submit(self._append, rounded)
        return done

    def wait(self) -> int:
        """Wait until all is durable, and return how many pairs have become so.

        Raises: as `PairStore.append`.
        """
        written, self._written = self._written, None
        return 0 if written is None else written.result()

    def _append(self, batch: PairBatch) -> int:
        self._store.append(batch)
        return len(batch)
