"""Judging a finished run's pairs by other thresholds: from the stored scores, and only then written down.

What the filters say of the pairs by the scores that are stored: decided in memory, nothing measured or written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gdp.core.building import plugin_errors
from gdp.core.errors import GdpError, RunFolderError
from gdp.core.interfaces.filters import CombiningFilter, ScoringFilter
from gdp.core.pairs.records import Scores, Verdict
from gdp.core.pairs.store import PairStore
from gdp.core.progress import Progress
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.core.records import Plugins
from gdp.core.run.judging import NamedFilter, named_filters, score_key, verdict_key
from gdp.core.run.names import Stage
from gdp.core.run.opening import load_run_recipe, open_pairs
from gdp.core.run.pipeline import WORK, Plan, execute
from gdp.core.run.session import Session, never
from gdp.core.run.stages import filters
from gdp.core.run_folder import find_run


@dataclass(frozen=True)
class Rejudged:
    """What one filter says of the pairs that reached it."""

    filter: NamedFilter
    entered: Sequence[int]
    kept: Sequence[int]
    verdicts: Mapping[int, Verdict]
    """By pair; those that the filter would have to look at first are left out."""
    scores: Mapping[int, Scores]
    unmeasured: Sequence[int]
    """Pairs that the filter would have to look at first; they go no further."""

    def funnel_row(self) -> dict[str, Any]:
        """Return the filter's row of the funnel, as funnel.json has it, and how many pairs are unmeasured."""
        decisions = Counter(verdict.decision for verdict in self.verdicts.values())
        reasons = Counter(
            verdict.reason or "no reason given" for verdict in self.verdicts.values() if verdict.decision != "keep"
        )
        return {
            "filter": self.filter.name,
            "only_score": self.filter.choice.section.only_score,
            "input": len(self.entered),
            "kept": len(self.kept),
            "dropped": decisions["drop"],
            "unknown": decisions["unknown"],
            "unmeasured": len(self.unmeasured),
            "reasons": dict(reasons.most_common()),
        }


def rejudge(session: Session, store: PairStore, made: Sequence[int]) -> Iterator[Rejudged]:
    """Let each filter of the recipe decide, in turn, on what the filters before it kept.

    Args:
        session: on the run; its keys of teacher and pairs are known.
        store: its pairs.
        made: numbers of the pairs to decide on, ascending.

    Raises:
        GdpError: a filter cannot be built, or says that its settings do not fit the scores.
    """
    remaining = made
    filters = named_filters(session)
    earlier: dict[str, Mapping[int, Scores]] = {}
    for position, named in enumerate(filters):
        with plugin_errors(f"filter {named.name}"):
            verdicts, scores = _decide(session, store, named, remaining, earlier)
        kept = [index for index in remaining if index in verdicts and named.lets_pass(verdicts[index])]
        unmeasured = [index for index in remaining if index not in verdicts]
        yield Rejudged(named, remaining, kept, verdicts, scores, unmeasured)
        if any(isinstance(later.judge, CombiningFilter) for later in filters[position + 1 :]):
            earlier[named.name] = scores  # else they are not held, for there may be many
        remaining = kept


def _decide(
    session: Session,
    store: PairStore,
    named: NamedFilter,
    indices: Sequence[int],
    earlier: Mapping[str, Mapping[int, Scores]],
) -> tuple[Mapping[int, Verdict], Mapping[int, Scores]]:
    """Return the verdicts and scores of the pairs that were measured, as the stage filter would."""
    if not indices:
        return {}, {}  # nothing is left to judge, and no plugin need foresee that
    wanted = set(indices)
    match named.judge:
        case ScoringFilter() as judge:
            stored = store.iterate_scores(score_key(session, named.choice, judge))
            scores: Mapping[int, Scores] = {index: found for index, found in stored if index in wanted}
            return (judge.decide(scores) if scores else {}), scores
        case CombiningFilter() as judge:
            verdicts = judge.decide(
                {index: {name: found[index] for name, found in earlier.items()} for index in indices}
            )
            return verdicts, {index: verdict.scores for index, verdict in verdicts.items()}
        case _:
            key = verdict_key(session, named.choice)
            verdicts = {index: found for index, found in store.iterate_verdicts(key) if index in wanted}
            return verdicts, {index: verdict.scores for index, verdict in verdicts.items()}


@dataclass(frozen=True)
class RefilterRequest:
    """What a user asks for."""

    run: Path
    """The run's folder, or its name in `runs/`."""
    recipe: Path | None = None
    """Recipe with the new filters; left out, the run's own."""
    overrides: Sequence[str] = ()
    """Such as `filters.0.min_age=21`."""


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
        execute(self.session, Plan(until=Stage.FILTER))
        if Stage.FILTER not in folder.stages():
            return False
        self.after = folder.read_json("funnel.json", {})
        self.stale = _stale(self.session, _same_training(self.session))
        return True


def open_refiltering(
    request: RefilterRequest,
    plugins: Plugins,
    *,
    device: torch.device,
    progress: Progress,
    stop_requested: Callable[[], bool] = never,
) -> Refiltering:
    """Judge a run's pairs by new filters in memory; nothing is written.

    Raises:
        MissingResourceError: there is no such run.
        RecipeError: with all mistakes of the recipe and of the overrides.
        GdpError: something else than the filters or pairs.held_out would change, or not all pairs are made.
    """
    folder = find_run(request.run)
    old = load_run_recipe(folder, plugins)
    if request.recipe is None:
        new = load_run_recipe(folder, plugins, request.overrides)
    else:
        new = load_recipe(request.recipe, plugins, request.overrides)
    _refuse_other_changes(old, new)
    session = Session(new, folder, plugins, progress, device, stop_requested)
    store, made = open_pairs(session)
    with store:
        if folder.stages().get(Stage.PAIRS, {}).get("key") != session.keys["pairs"]:
            raise RunFolderError(f"{folder.path}: not all pairs of this run are made yet; gdp run makes them.")
        rows, kept, missing = _try(session, store, made)
        before = sorted([*store.split(filters.TRAIN), *store.split(filters.HELD_OUT)])
    same = kept == before and old.pairs.section.held_out == new.pairs.section.held_out
    after = {"made": len(made), "filters": rows, "kept": len(kept)}
    return Refiltering(session, folder.read_json("funnel.json", {}), after, missing, _stale(session, same))


def _refuse_other_changes(old: Recipe, new: Recipe) -> None:
    """Make sure that only filters and the split change: all else is the affair of `gdp run`."""
    before, after = old.to_data(), new.to_data()
    for data in (before, after):
        del data["filters"], data["pairs"]["held_out"]
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if changed:
        parts = ", ".join(
            f"{name}.{key}" for name in changed for key in _changed_keys(before.get(name), after.get(name))
        )
        raise GdpError(
            f"gdp filter changes [[filters]] and pairs.held_out alone, and this would change {parts}: leave it as the "
            f"run has it, or use gdp run. Nothing was changed."
        )


def _changed_keys(before: Any, after: Any) -> list[str]:
    """Name the keys of a section that differ; `*` where the section is no table or is not in both."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ["*"]
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _try(
    session: Session, store: PairStore, made: Sequence[int]
) -> tuple[list[dict[str, Any]], list[int], Missing | None]:
    """Judge in memory, as far as the scores go: the funnel's rows, the pairs that are kept, what is missing."""
    rows: list[dict[str, Any]] = []
    kept, missing = list(made), None
    for judged in rejudge(session, store, made):
        if missing is None and judged.unmeasured:
            record = judged.filter.choice.record
            scores = isinstance(judged.filter.judge, ScoringFilter)
            missing = Missing(judged.filter.name, len(judged.unmeasured), record.images_leave_machine, scores)
        rows.append(judged.funnel_row())
        kept = list(judged.kept)
    return rows, kept, missing


def _stale(session: Session, same: bool) -> list[str]:
    """Return the finished stages that rest on the pairs that were kept, unless these stay the same."""
    behind = list(Stage)[list(Stage).index(Stage.TRAIN) :]
    return [] if same else [str(stage) for stage in behind if stage in session.folder.stages()]


def _same_training(session: Session) -> bool:
    """Say whether the training that the folder holds is one of the pairs that are kept now."""
    trained = session.folder.stages().get(Stage.TRAIN, {}).get("key")
    return trained is None or bool(trained == WORK[Stage.TRAIN].key(session))


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
