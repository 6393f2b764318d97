"""Stage compare: train and measure the variants of the recipe, and the recipe itself with further seeds.

A training has a folder of its own, `variants/<name>-seed<n>/`, in which the stages train and evaluate leave what they
leave in a run's. Pairs come from the run's own store wherever a variant makes them alike.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from gdp.core.errors import MissingResourceError
from gdp.core.progress import Stopped
from gdp.core.recipe.choices import dump
from gdp.core.recipe.reading import Choice, Compare, Recipe
from gdp.core.recipe.sections import EvaluatorSection
from gdp.core.run.session import Session
from gdp.core.run.stages import evaluate, filters, pairs, teacher, train
from gdp.core.run.work import Work, is_up_to_date, perform
from gdp.core.training.optimizer import total_steps
from gdp.tools.compare.numbers import FILE, Outcome, document
from gdp.tools.compare.trials import Trial, TrialProgress, open_trial, trials

NAME = "compare"
FACTS = ("steps", "parameters", "seconds_training", "images_per_second")
"""Of a training's summary, what the comparison passes on."""


def applies(session: Session) -> bool:
    """Say whether the recipe has something to compare."""
    return session.recipe.compare is not None


def key(session: Session) -> str:
    """Return the content key: the run's training and measurements, and all that the variants change."""
    compare = _compare(session)
    variants = [{"name": each.name, "recipe": _content(session, each.recipe)} for each in compare.variants]
    return session.key(
        NAME,
        {
            "train": session.keys["train"],
            "evaluate": session.keys["evaluate"],
            "compare": dump(compare.section),
            "variants": variants,
        },
    )


def is_there(session: Session) -> bool:
    """Say whether the table of a finished comparison is still there."""
    return (session.folder.path / FILE).is_file()


def reset(session: Session) -> None:
    """Forget what was measured; trainings stay, for only a repeated stage train repeats them."""
    for trial in trials(session.recipe):
        if not trial.is_the_run:
            trial.folder(session.folder).forget_stage(evaluate.NAME)


def execute(session: Session) -> dict[str, Any]:
    """Train and measure what was not yet, and write variants.json anew after each training.

    Raises:
        Stopped: the user asked to stop; the same command goes on from the last checkpoint.
        MissingResourceError: no evaluator of the recipe measures a number that is to be compared.
    """
    compare = _compare(session)
    metrics, evaluators = _wanted(session, compare)
    opened = _open(session, evaluators)
    with session.open_store(read_only=True) as store:
        count = len(session.split(store, filters.TRAIN))
    expected = [total_steps(trial.recipe.train, count) for trial, _ in opened]
    done = sum(steps for steps, (trial, each) in zip(expected, opened, strict=True) if _is_trained(trial, each))
    trained_now = 0
    outcomes: list[Outcome] = []
    with session.progress.task("compare", sum(expected), "steps", done=done) as task:
        for steps, (trial, each) in zip(expected, opened, strict=True):
            if not trial.is_the_run:
                each.progress = TrialProgress(task, trial.label, steps, session.progress.message)
                trained_now += _bring_up_to_date(each)
            outcomes.append(_outcome(session, trial, each, metrics))
            _publish(session, compare, trial, outcomes, metrics)
    trainings = {"trainings": len(opened), "trained_now": trained_now}
    return {"variants": len(compare.variants), "seeds": compare.section.seeds, **trainings}


def _compare(session: Session) -> Compare:
    assert session.recipe.compare is not None
    return session.recipe.compare


def _content(session: Session, recipe: Recipe) -> dict[str, Any]:
    """Return what makes up a variant, for a content key."""
    chosen = [recipe.teacher, recipe.dataset, recipe.pairs, *recipe.filters, recipe.student, *recipe.losses]
    sections = [{**dump(each.section), **session.settings_key(each)} for each in chosen if each is not None]
    teacher_training = dump(recipe.teacher_training) if recipe.teacher_training is not None else None
    return {"sections": sections, "train": dump(recipe.train), "teacher_training": teacher_training}


def _wanted(
    session: Session, compare: Compare
) -> tuple[dict[str, Mapping[str, str]], tuple[Choice[EvaluatorSection], ...]]:
    """Return the numbers to compare with their protocols, and the evaluators that measure them."""
    measured = session.folder.read_json("metrics.json", {})
    protocols, absent = measured.get("protocols", {}), measured.get("absent", {})
    for name in compare.section.metrics:
        if name not in protocols and name not in absent:
            close = get_close_matches(name, protocols, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(sorted(protocols))}"
            raise MissingResourceError(f"compare.metrics: no evaluator of this recipe measures {name}; {hint}")
    metrics = {name: protocols[name] for name in compare.section.metrics if name in protocols}
    for name in compare.section.metrics:
        if name in absent:
            session.progress.message(f"compare: {name} is left out, the run has not measured it: {absent[name]}")
    choices = session.recipe.evaluators
    by = {about.get("evaluator") for about in metrics.values()}
    if None in by:  # measured before metrics.json told by whom
        return metrics, choices
    return metrics, tuple(choice for choice in choices if choice.record.name in by)


def _open(session: Session, evaluators: tuple[Choice[EvaluatorSection], ...]) -> list[tuple[Trial, Session]]:
    """Open a session of every training, with the content keys of its pairs."""
    opened: list[tuple[Trial, Session]] = []
    alike: dict[str, Session] = {}
    for trial in trials(session.recipe):
        if trial.is_the_run:
            opened.append((trial, session))
            continue
        each = open_trial(session, trial, evaluators, alike.get(trial.name))
        alike.setdefault(trial.name, each)
        key = teacher.key(each)
        if not teacher.is_there(each):
            perform(each, teacher.NAME, key, cast(Work, teacher))
        pairs.key(each)
        filters.key(each)
        each.own_split = each.keys["filter"] != session.keys["filter"]
        opened.append((trial, each))
    return opened


def _parts(session: Session) -> list[tuple[str, Work]]:
    """Return the stages of one training, in order."""
    own = (pairs, filters) if session.own_split else ()
    return [(stage.NAME, cast(Work, stage)) for stage in (*own, train, evaluate)]


def _is_trained(trial: Trial, session: Session) -> bool:
    if trial.is_the_run:
        return True
    before = _parts(session)[:-1]
    return all(is_up_to_date(session, name, work.key(session), work) for name, work in before)


def _bring_up_to_date(session: Session) -> bool:
    """Do what one training still lacks; return whether it was trained just now."""
    trained = False
    for name, work in _parts(session):
        key = work.key(session)
        if is_up_to_date(session, name, key, work):
            continue
        if session.stop_requested():
            raise Stopped
        perform(session, name, key, work)
        if name == train.NAME:
            trained = True
            # A finished training is never gone on with, and a comparison has many.
            shutil.rmtree(session.train_folder / "checkpoints", ignore_errors=True)
    return trained


def _outcome(session: Session, trial: Trial, each: Session, metrics: Mapping[str, Any]) -> Outcome:
    summary = each.folder.stages()[train.NAME]["summary"]
    facts = {name: summary[name] for name in FACTS if name in summary}
    folder = session.folder.relative(each.folder.path / summary["folder"])
    found = {name: value for name, value in evaluate.read_metrics(each.folder).items() if name in metrics}
    return Outcome(trial.name, each.training_seed, {"folder": folder, **facts}, found)


def _publish(
    session: Session, compare: Compare, trial: Trial, outcomes: list[Outcome], metrics: Mapping[str, Any]
) -> None:
    """Write what is known by now, and tell the listeners about the newest training."""
    changes: dict[str, Any] = {compare.section.unchanged: {}}
    changes |= {each.name: _changes(each.to_data()) for each in compare.variants}
    session.folder.write_json(FILE, document(outcomes, metrics, changes))
    named = {f"{trial.place}.{name}": value for name, value in outcomes[-1].metrics.items()}
    session.plugins.notify("gdp_metrics", run=session.folder, stage=NAME, step=0, metrics=named)


def _changes(variant: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variant[name] for name in ("without", "change")}
