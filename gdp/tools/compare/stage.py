"""Stage compare: train and measure the variants of the recipe, and the recipe itself with further seeds.

A training has a folder of its own, `variants/<name>-seed<n>/`, in which the stages train and evaluate leave what they
leave in a run's. Pairs come from the run's own store wherever a variant makes them alike.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.stages import Stage
from gdp.core.progress import Stopped
from gdp.core.recipe.choices import dump
from gdp.core.recipe.reading import Choice, Compare, Recipe
from gdp.core.recipe.sections import EvaluatorSection
from gdp.core.records import CORE_STAGES
from gdp.core.run.session import Session
from gdp.core.run.stages import filters
from gdp.core.run.steps import Step, keys_until, step_of
from gdp.core.training.optimizer import total_steps
from gdp.support.metrics_files import read_metrics
from gdp.tools.compare.numbers import FILE, Outcome, document
from gdp.tools.compare.trials import Trial, TrialProgress, open_trial, trials

TRAINED_ANEW = CORE_STAGES
"""Whoever repeats a run from one of these stages repeats the trainings of its comparison."""
FACTS = ("steps", "parameters", "seconds_training", "images_per_second")
"""Of a training's summary, what the comparison passes on."""


class CompareStage(Stage[Session]):
    """Trains and measures the variants of the recipe beside it."""

    def applies(self, run: Session) -> bool:
        """Say whether the recipe has something to compare."""
        return run.recipe.compare is not None

    def key(self, run: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on: training and measurements, and all that the variants change."""
        compare = _compare(run)
        variants = [{"name": each.name, "recipe": _content(run, each.recipe)} for each in compare.variants]
        return {
            "train": keys["train"],
            "evaluate": keys["evaluate"],
            "compare": dump(compare.section),
            "variants": variants,
        }

    def is_there(self, run: Session) -> bool:
        """Say whether the table of a finished comparison is still there."""
        return (run.folder.path / FILE).is_file()

    def reset(self, run: Session, first: str) -> None:
        """Forget what was measured; trainings stay unless the run's own is repeated, too."""
        for trial in trials(run.recipe):
            if trial.is_the_run:
                continue
            folder = trial.folder(run.folder)
            if first in TRAINED_ANEW:
                shutil.rmtree(folder.path, ignore_errors=True)
            else:
                folder.forget_stage("evaluate")

    def leaves(self, run: Session) -> Iterable[Path]:
        """Return the table, and weights and numbers of every training; each has hashes of all that it left."""
        root = run.folder.path
        return [
            root / FILE,
            *root.glob("variants/*/metrics.json"),
            *root.glob("variants/*/train/*/student.safetensors"),
        ]

    def execute(self, run: Session) -> dict[str, Any]:
        """Train and measure what was not yet, and write variants.json anew after each training.

        Raises:
            Stopped: the user asked to stop; the same command goes on from the last checkpoint.
            MissingResourceError: no evaluator of the recipe measures a number that is to be compared.
        """
        compare = _compare(run)
        metrics, evaluators = _wanted(run, compare)
        opened = _open(run, evaluators)
        with run.open_store(read_only=True) as store:
            count = len(run.split(store, filters.TRAIN))
        expected = [total_steps(trial.recipe.train, count) for trial, _ in opened]
        done = sum(steps for steps, (trial, each) in zip(expected, opened, strict=True) if _is_trained(trial, each))
        trained_now = 0
        outcomes: list[Outcome] = []
        with run.progress.task("compare", sum(expected), "steps", done=done) as task:
            for steps, (trial, each) in zip(expected, opened, strict=True):
                if not trial.is_the_run:
                    each.progress = TrialProgress(task, trial.label, steps, run.progress.message)
                    trained_now += _bring_up_to_date(each)
                outcomes.append(_outcome(run, trial, each, metrics))
                _publish(run, compare, trial, outcomes, metrics)
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
        teacher = step_of(each, "teacher")
        each.keys = teacher.keys(each, {})
        if not teacher.stage.is_there(each):
            teacher.perform(each)
        each.keys = keys_until(each, "filter")
        each.own_split = each.keys["filter"] != session.keys["filter"]
        opened.append((trial, each))
    return opened


def _parts(session: Session) -> list[Step]:
    """Return the stages of one training, in order."""
    own = ("pairs", "filter") if session.own_split else ()
    return [step_of(session, name) for name in (*own, "train", "evaluate")]


def _is_trained(trial: Trial, session: Session) -> bool:
    if trial.is_the_run:
        return True
    for step in _parts(session)[:-1]:
        session.keys = {**session.keys, **step.keys(session, session.keys)}
        if not step.is_up_to_date(session, session.keys):
            return False
    return True


def _bring_up_to_date(session: Session) -> bool:
    """Do what one training still lacks; return whether it was trained just now."""
    trained = False
    for step in _parts(session):
        session.keys = {**session.keys, **step.keys(session, session.keys)}
        if step.is_up_to_date(session, session.keys):
            continue
        if session.stop_requested():
            raise Stopped
        step.perform(session)
        if step.name == "train":
            trained = True
            # A finished training is never gone on with, and a comparison has many.
            shutil.rmtree(session.train_folder / "checkpoints", ignore_errors=True)
    return trained


def _outcome(session: Session, trial: Trial, each: Session, metrics: Mapping[str, Any]) -> Outcome:
    summary = each.folder.stages()["train"]["summary"]
    facts = {name: summary[name] for name in FACTS if name in summary}
    folder = session.folder.relative(each.folder.path / summary["folder"])
    found = {name: value for name, value in read_metrics(each.folder).items() if name in metrics}
    return Outcome(trial.name, each.training_seed, {"folder": folder, **facts}, found)


def _publish(
    session: Session, compare: Compare, trial: Trial, outcomes: list[Outcome], metrics: Mapping[str, Any]
) -> None:
    """Write what is known by now, and tell the listeners about the newest training."""
    changes: dict[str, Any] = {compare.section.unchanged: {}}
    changes |= {each.name: _changes(each.to_data()) for each in compare.variants}
    session.folder.write_json(FILE, document(outcomes, metrics, changes))
    named = {f"{trial.place}.{name}": value for name, value in outcomes[-1].metrics.items()}
    session.plugins.notify("gdp_metrics", run=session.folder, stage="compare", step=0, metrics=named)


def _changes(variant: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variant[name] for name in ("without", "change")}
