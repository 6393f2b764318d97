"""Stage evaluate: let each evaluator measure the trained student; write metrics.json, and words and pictures on it."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gdp.core.building import class_of, plugin_errors
from gdp.core.errors import BudgetError, PluginError
from gdp.core.files import write_atomically
from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Metric, PictureRow
from gdp.core.interfaces.stages import Stage
from gdp.core.interfaces.students import Student
from gdp.core.pairs.records import PairBatch
from gdp.core.pictures import encode_png
from gdp.core.progress import StoppableProgress, Stopped
from gdp.core.run.session import Session
from gdp.core.run.stages.filters import HELD_OUT
from gdp.core.run_folder import RunFolder
from gdp.core.training.inference import deployed_predict
from gdp.support.metrics_files import VERDICT, metrics_document, read_given_metrics, verdict_document

WORK = "evaluate"
"""What the other processes of a run are called to, with the evaluator's place in the recipe."""


class EvaluateStage(Stage[Session]):
    """Lets each evaluator measure the trained student."""

    def key(self, session: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on: the training and every evaluator's settings."""
        choices = [session.settings_key(choice) for choice in session.recipe.evaluators]
        return {"train": keys["train"], "filter": keys["filter"], "evaluators": choices}

    def is_there(self, session: Session) -> bool:
        """Say whether the numbers of a finished stage are still there."""
        if session.summaries.get("evaluate", {}).get("not_yet"):
            return False  # a budget was spent; it is asked again
        return (session.folder.path / "metrics.json").is_file()

    def leaves(self, session: Session) -> Iterable[Path]:
        """Return the numbers, what is said of them, and the pictures."""
        folder = session.folder.path
        named = [folder / name for name in ("metrics.json", VERDICT, "pictures/rows.json")]
        return [*named, *(folder / "pictures" / "rows").glob("*.png")]

    def execute(self, session: Session) -> dict[str, Any]:
        """Measure everything anew: all numbers of a run come from one process on one machine.

        Raises:
            Stopped: the user asked to stop.
        """
        total = Evaluation()
        measured_by: dict[str, str] = {}
        measured: dict[str, float] = {}
        not_yet: list[str] = []
        with session.open_store(read_only=True) as store:
            student = session.trained_student()
            held_out = session.split(store, HELD_OUT)
            context = replace(evaluation_context(session, student, held_out, store.load), measured=measured)
            for place, (name, evaluator) in enumerate(session.new_evaluators()):
                if session.stop_requested():
                    raise Stopped
                together = partial(session.company.called, f"{WORK} {place}", session.keys)
                try:
                    found = measure(name, evaluator, replace(context, together=together))
                except BudgetError as error:
                    not_yet.append(name)
                    session.progress.message(f"evaluator {name}: not yet ({error})")
                    found = Evaluation(absent={name: f"not yet: {error}"})
                _merge(total, found, name)
                measured.update({metric: found.metrics[metric].value for metric in found.metrics})
                measured_by.update(dict.fromkeys(found.metrics, name))
        funnel = session.split_home.read_json("funnel.json", {"made": 0, "kept": 0})
        for count in ("made", "kept"):
            total.metrics[f"pairs.{count}"] = Metric(funnel[count], f"Pairs {count}, counted in the manifest.", "pairs")
        total.metrics.update(read_given_metrics(session.folder, total.metrics))
        plain = {name: metric.value for name, metric in total.metrics.items()}
        session.folder.write_json("pictures/rows.json", write_rows(session.folder, total.rows))
        session.folder.write_json(VERDICT, _verdict(session, plain))
        session.folder.write_json("metrics.json", metrics_document(total, measured_by))
        session.plugins.notify("gdp_metrics", run=session.folder, stage="evaluate", step=0, metrics=plain)
        counts = {"metrics": len(total.metrics), "absent": len(total.absent)}
        return {**counts, "not_yet": not_yet} if not_yet else counts


def take_part(session: Session, place: int) -> None:
    """Do the share of one of several processes in a measurement: that of the recipe's evaluator at a place."""
    with session.open_store(read_only=True) as store:
        held_out = session.split(store, HELD_OUT)
        context = evaluation_context(session, session.trained_student(), held_out, store.load)
        _, evaluator = session.new_evaluators()[place]
        evaluator.take_part(context)


def evaluation_context(
    session: Session, student: Student, held_out: Sequence[int], load: Callable[[Sequence[int]], PairBatch]
) -> EvaluationContext:
    """Return what evaluators measure, and with what.

    Args:
        session: the run.
        student: with the weights that are to be measured.
        held_out: numbers of the pairs that no training saw.
        load: reads pairs, as `PairStore.load` does.
    """
    return EvaluationContext(
        student=student,
        predict=deployed_predict(student, session.recipe.train.precision, session.device),
        teacher=session.teacher,
        pair_source=session.pair_source,
        held_out=held_out,
        load=load,
        seed=session.recipe.seed,
        device=session.device,
        progress=StoppableProgress(session.progress, session.stop_requested),
        memory=session.memory,
    )


def measure(name: str, evaluator: Evaluator, context: EvaluationContext) -> Evaluation:
    """Let one evaluator measure.

    Raises:
        PluginError: it failed in a way that it did not foresee.
    """
    with plugin_errors(f"evaluator {name}"):
        return evaluator.evaluate(context)


def _verdict(session: Session, numbers: Mapping[str, float]) -> dict[str, Any]:
    """Let the recipe's evaluators say what the numbers mean."""
    classes = [
        (choice.record.name, partial(class_of, session.plugins, choice.record)) for choice in session.recipe.evaluators
    ]
    verdict = verdict_document(classes, {name: value for name, value in numbers.items() if math.isfinite(value)})
    for failure in verdict["failed"]:
        session.progress.message(failure)
    return verdict


def _merge(total: Evaluation, found: Evaluation, name: str) -> None:
    for metric in found.metrics:
        if metric in total.metrics:
            raise PluginError(f"evaluator {name}: {metric} was measured by another evaluator of this recipe already")
    total.metrics.update(found.metrics)
    total.absent.update(found.absent)
    total.rows.extend(found.rows)


def write_rows(folder: RunFolder, rows: Sequence[PictureRow]) -> list[dict[str, Any]]:
    """Write the report's before/after pictures and return the entries of pictures/rows.json."""
    shutil.rmtree(folder.path / "pictures" / "rows", ignore_errors=True)
    entries = []
    for number, row in enumerate(rows):
        names = {}
        for column, picture in row.pictures.items():
            word = re.sub(r"[^a-z0-9]+", "-", column.lower()).strip("-")
            names[column] = f"pictures/rows/{number:03d}-{word}.png"
            write_atomically(folder.path / names[column], encode_png(picture))
        entries.append({"title": row.title, "pictures": names})
    return entries
