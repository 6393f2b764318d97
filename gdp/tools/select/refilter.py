"""Judging a finished run's pairs by other thresholds: from the stored scores, and only then written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gdp.core.errors import GdpError, RunFolderError
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.pairs.store import PairStore
from gdp.core.progress import Progress
from gdp.core.records import Plugins
from gdp.core.run.judging import walk
from gdp.core.run.opening import open_pairs
from gdp.core.run.pipeline import Plan, execute
from gdp.core.run.session import Session, never
from gdp.core.run.stages import filters
from gdp.core.run.steps import stages_to_do, step_of, steps_of
from gdp.tools.select.requests import NewFilters


@dataclass(frozen=True)
class Missing:
    """What a filter would have to measure first."""

    filter: str
    pairs: int
    away: bool
    """Whether its pictures leave the machine, which may cost money."""
    scores: bool
    """Whether it keeps scores apart from its verdicts."""


@dataclass
class Refiltering:
    """New filters for a run, tried in memory; `apply` makes them the run's own."""

    session: Session
    before: dict[str, Any]
    """The run's funnel as it is; {} where its pairs were never judged."""
    after: dict[str, Any]
    """The funnel by the new filters, as far as the stored scores tell: made, filters (filter, input, kept, dropped,
    unknown, unmeasured, reasons), kept."""
    missing: Missing | None
    """The first filter that would have to measure something; what lies behind it is not known before."""
    stale: list[str] = field(default_factory=list)
    """Finished stages that rest on other pairs than those that are kept now."""

    def require_known(self) -> None:
        """Make sure that the stored scores tell all.

        Raises:
            GdpError: a filter would have to measure something; it is named, with the number of pairs.
        """
        if self.missing is not None:
            raise GdpError(f"{_explain(self.missing)} Nothing was changed.")

    def apply(self, *, measure: bool = False) -> bool:
        """Write recipe, verdicts, split and funnel; the next `gdp run` of the folder goes on from there.

        Returns:
            Whether it is done; False where the user asked to stop, and `gdp run` of the folder goes on.

        Raises:
            GdpError: a filter would have to measure something and `measure` is False, or nothing would be left.
        """
        if not measure:
            self.require_known()
        if self.missing is None and not self.after["kept"]:
            raise GdpError("No pair would be left to train on. Nothing was changed.")
        folder = self.session.folder
        known = {name: self.session.keys[name] for name in ("teacher", "store", "pairs")}
        before = _split(self.session)
        execute(self.session, Plan(until="filter", known=known))
        if "filter" not in folder.stages():
            return False
        self.after = folder.read_json(filters.FUNNEL, {})
        self.stale = _stale(self.session, _same_training(self.session, before))
        if not self.stale:
            _finish_if_whole(self.session)
        return True


def open_refiltering(
    asked: NewFilters,
    plugins: Plugins,
    *,
    device: torch.device,
    progress: Progress,
    stop_requested: Callable[[], bool] = never,
) -> Refiltering:
    """Judge a run's pairs by new filters in memory; nothing is written.

    Args:
        asked: what `read_new_filters` has read.
        plugins: the registry.
        device: where filters measure.
        progress: where to report.
        stop_requested: asked between pieces of work.

    Raises:
        GdpError: not all pairs are made.
    """
    folder, old, new = asked.folder, asked.old, asked.new
    session = Session(new, folder, plugins, progress, device, stop_requested, only_judges=True)
    store, made = open_pairs(session)
    with store:
        made_all = folder.stages().get("pairs", {}).get("key") == session.keys.get("pairs", "")
        if not made_all or "teacher" not in session.keys:
            raise RunFolderError(f"{folder.path}: not all pairs of this run are made yet; gdp run makes them.")
        rows, kept, missing = _try(session, store, made)
        before = sorted([*store.split(filters.TRAIN), *store.split(filters.HELD_OUT)])
    same = kept == before and old.pairs.section.held_out == new.pairs.section.held_out
    after = {"made": len(made), "filters": rows, "kept": len(kept)}
    folder.require_whole(filters.FUNNEL)  # one that is lost is not one that never was
    return Refiltering(session, folder.read_json(filters.FUNNEL, {}), after, missing, _stale(session, same))


def _try(
    session: Session, store: PairStore, made: Sequence[int]
) -> tuple[list[dict[str, Any]], list[int], Missing | None]:
    """Judge in memory, as far as the scores go: the funnel's rows, the pairs that are kept, what is missing."""
    rows: list[dict[str, Any]] = []
    kept, missing = list(made), None
    for judged in walk(session, store, made, measure=False):
        if missing is None and judged.unmeasured:
            record = judged.filter.choice.record
            scores = isinstance(judged.filter.judge, ScoringFilter)
            missing = Missing(judged.filter.name, len(judged.unmeasured), record.images_leave_machine, scores)
        rows.append({**judged.funnel_row(), "unmeasured": len(judged.unmeasured)})
        kept = list(judged.kept)
    return rows, kept, missing


def _stale(session: Session, same: bool) -> list[str]:
    """Return the finished stages that rest on the pairs that were kept, unless these stay the same."""
    names = [step.name for step in steps_of(session)]
    return [] if same else [name for name in names[names.index("train") :] if name in session.folder.stages()]


def _split(session: Session) -> list[list[int]]:
    """Return the pairs that are trained on, and those that are held out."""
    with session.open_store(read_only=True) as store:
        return [session.split(store, name) for name in (filters.TRAIN, filters.HELD_OUT)]


def _same_training(session: Session, before: list[list[int]]) -> bool:
    """Say whether the training that the folder holds is one of the pairs that are kept now; `before` were others."""
    trained = session.folder.stages().get("train", {}).get("key")
    if trained is None:
        return True
    if len(session.keys["store"]) < len(trained):  # the beginning that an older gdp left in a folder's name
        return _split(session) == before
    return bool(trained == step_of(session, "train").keys(session, session.keys)["train"])


def _finish_if_whole(session: Session) -> None:
    """Say of a run whose filters are again those by which it had finished that it is finished."""
    if not stages_to_do(session):
        with session.folder.locked(session.progress.message):
            session.folder.update_run(state="finished")


def _explain(missing: Missing) -> str:
    why = (
        "it has no scores of them under its present settings"
        if missing.scores
        else "it keeps verdicts and no scores, so other settings mean another look"
    )
    away = ", which sends pictures away from this machine and may cost money" if missing.away else ""
    return (
        f"filter {missing.filter}: {missing.pairs} pairs would have to be measured first ({why}). Let it with "
        f"--measure{away}, or choose settings that need no new scores."
    )
