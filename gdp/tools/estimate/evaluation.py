"""The last stages' part of an estimate: evaluators, export, report."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from time import perf_counter

from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext
from gdp.core.run import pictures
from gdp.core.run.session import Session, plugin_errors
from gdp.core.run.stages import evaluate, export
from gdp.core.training.checkpoint import write_tensors
from gdp.core.training.inference import deployed_predict
from gdp.tools.estimate.arithmetic import Duration
from gdp.tools.estimate.pace import EnoughError, PaceProgress
from gdp.tools.estimate.stages import Counts, Part
from gdp.tools.estimate.trial import ManyPairs
from gdp.tools.report import write_model_card, write_report


def probe_evaluators(trial: Session, many: ManyPairs, counts: Counts, limit: float) -> tuple[list[Part], Evaluation]:
    """Let every evaluator measure an untrained student; work that takes long is broken off and extrapolated.

    Args:
        trial: of the trial.
        many: its pairs.
        counts: pairs that the run will have.
        limit: seconds that an evaluator's work may still take when it is not broken off.

    Returns:
        The parts, and what was measured to the end (numbers that say nothing, for the report to have some).
    """
    started = perf_counter()
    student = trial.new_student()
    context = EvaluationContext(
        student=student,
        predict=deployed_predict(student, trial.recipe.train.precision, trial.device),
        teacher=trial.teacher,
        pair_source=trial.pair_source,
        held_out=range(counts.held_out),
        load=many.load,
        seed=trial.recipe.seed,
        device=trial.device,
        progress=PaceProgress(limit),
    )
    evaluators = trial.new_evaluators()
    parts = [Part("evaluate: opening", Duration.exactly(perf_counter() - started), "student and evaluators loaded")]
    whole = Evaluation()
    for name, evaluator in evaluators:
        pace, how = PaceProgress(limit), "broken off and extrapolated"
        with suppress(EnoughError), plugin_errors(f"evaluator {name}"):
            found = evaluator.evaluate(replace(context, progress=pace))
            how = "measured to the end"
            whole.metrics.update(found.metrics)
            whole.rows.extend(found.rows)
        parts.append(Part(f"evaluate: {name}", pace.measured(), how))
    return parts, whole


def probe_export(trial: Session) -> Part:
    """Export an untrained student."""
    trial.train_folder.mkdir(parents=True, exist_ok=True)
    write_tensors(trial.train_folder / "student.safetensors", trial.new_student().generator.state_dict())
    started = perf_counter()
    export.execute(trial)
    return Part("export", Duration.exactly(perf_counter() - started), "measured to the end")


def probe_report(trial: Session, evaluation: Evaluation) -> Part:
    """Write the report of the trial, whose student must be exported."""
    folder = trial.folder
    folder.update_run(name=trial.recipe.name, state="finished")
    folder.write_text("recipe.toml", trial.recipe.to_toml())
    started = perf_counter()
    folder.write_json("pictures/rows.json", pictures.write_rows(folder, evaluation.rows))
    folder.write_json("metrics.json", evaluate.metrics_document(evaluation, {}))
    write_report(folder.path)
    write_model_card(folder.path)
    return Part("report", Duration.exactly(perf_counter() - started), "measured to the end, with fewer pictures")
