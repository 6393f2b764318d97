"""Pairs and where they are kept: the records, the verdicts on them, and the pair store.

Importing this package imports neither torch nor a codec: plugins that only describe themselves stay light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdp.core.pairs.records import Json, PairBatch, PairRecord, Score, Scores, Verdict

if TYPE_CHECKING:
    from gdp.core.pairs.store import PairStore

__all__ = ["Json", "PairBatch", "PairRecord", "PairStore", "Score", "Scores", "Verdict"]


def __getattr__(name: str) -> Any:
    if name == "PairStore":
        from gdp.core.pairs.store import PairStore

        return PairStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
