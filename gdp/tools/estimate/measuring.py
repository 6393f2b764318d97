"""The last stages' part of an estimate: evaluators, export, report."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from time import perf_counter

from torch import nn

from gdp.core.arithmetic import count_parameters
from gdp.core.errors import GdpError
from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator
from gdp.core.interfaces.students import Student
from gdp.core.run.session import Session
from gdp.core.run.steps import Step, step_of
from gdp.core.tensor_file import write_tensors
from gdp.support.metrics_files import metrics_document
from gdp.tools.estimate.arithmetic import Duration
from gdp.tools.estimate.counting import UncountableError
from gdp.tools.estimate.pace import PaceProgress
from gdp.tools.estimate.pairs import asks_others
from gdp.tools.estimate.timing import NOT_RUN, Here, Seen, count, look
from gdp.tools.estimate.trial import FreshStudent, ManyPairs
from gdp.tools.estimate.works import Counts, Part
from gdp.tools.measure.evaluate import evaluation_context, measure, write_rows

BYTES_A_SECOND = 50e6
"""At which a student that is too large to be exported on trial is reckoned: written, hashed, read, compared."""


class Measuring:
    """Tries the evaluators, the export and the report with an untrained student.

    Args:
        trial: of the trial.
        many: its pairs.
        counts: pairs that the run will have.
        here: this machine.
        limit: seconds that an evaluator's work is watched.
        fresh: the student.
        compared: numbers that further trainings are compared by; empty where there is none.
    """

    def __init__(
        self,
        trial: Session,
        many: ManyPairs,
        counts: Counts,
        here: Here,
        limit: float,
        fresh: FreshStudent,
        compared: frozenset[str] = frozenset(),
    ) -> None:
        self._fresh, self._compared = fresh, compared
        self._trial, self._many, self._counts, self._here, self._limit = trial, many, counts, here, limit
        self._whole = Evaluation()
        self._exported = False

    def evaluators(self, tell: Callable[[str], None]) -> list[Part]:
        """Let every evaluator measure; work that takes long is broken off and extrapolated."""
        trial, student = self._trial, self._fresh.student
        started = perf_counter()
        context = evaluation_context(trial, student, range(self._counts.held_out), self._many.load)
        evaluators = trial.new_evaluators()
        opening = Duration.exactly(self._fresh.seconds + perf_counter() - started)
        loaded = Part.on_processor("evaluate: opening", opening, "student and evaluators loaded")
        parts = [replace(loaded, again=())]
        records = [choice.record for choice in trial.recipe.evaluators]
        teacher = trial.recipe.teacher
        away = teacher is not None and asks_others(teacher.record)
        for (name, evaluator), record in zip(evaluators, records, strict=True):
            tell(f"evaluator {name}")
            if away or asks_others(record):
                parts.append(Part.unknown(f"evaluate: {name}", "it asks others, or its teacher does: not tried"))
            else:
                parts.append(self._evaluator(name, evaluator, student, context))
        return parts

    def _evaluator(self, name: str, evaluator: Evaluator, student: Student, context: EvaluationContext) -> Part:
        stage = f"evaluate: {name}"

        def work(pace: PaceProgress) -> Evaluation:
            return measure(name, evaluator, replace(context, progress=pace))

        measured: set[str] = set()

        def kept(pace: PaceProgress) -> None:
            found = work(pace)
            measured.update(found.metrics)
            self._whole.metrics.update(found.metrics)
            self._whole.rows.extend(found.rows)

        try:
            seen = look(kept, self._here, self._limit)
        except GdpError as error:
            return Part.unknown(stage, f"could not be tried: {error}")
        if seen.duration is not None:
            how = "measured to the end" if seen.finished else "broken off and extrapolated"
            part = Part(stage, seen.works("projection" if seen.backwards else "forward"), how)
            return self._as_repeated(part, seen, work, measured) if self._compared else part
        networks: list[nn.Module] = [student.generator]
        networks += [context.teacher.module] if context.teacher is not None else []
        try:
            counted = count(work, self._here, networks, self._limit)
        except UncountableError as error:
            why = f"not done in {seen.seconds:.0f} s, nor could it be counted: raise --seconds ({error})"
            return Part.unknown(stage, why)
        how = f"no unit done in {seen.seconds:.0f} s; reckoned by its arithmetic"
        return Part(stage, counted.works("projection" if counted.backwards else "forward"), how)

    def _as_repeated(
        self, part: Part, seen: Seen, work: Callable[[PaceProgress], object], measured: Collection[str]
    ) -> Part:
        """Return an evaluator's part with what it takes once more, as it is measured for each further training."""
        if not seen.finished:
            return part
        if self._compared.isdisjoint(measured):  # a comparison builds only evaluators of which it shows a number
            return replace(part, again=())
        once_more = look(work, self._here, self._limit)
        if once_more.duration is None:
            return part
        return replace(part, again=once_more.works("projection" if once_more.backwards else "forward"))

    def export(self) -> Part:
        """Export an untrained student, or reckon it by its bytes where it is large."""
        trial, student = self._trial, self._fresh.student
        size = 4 * count_parameters(student.generator)
        if size > self._limit * BYTES_A_SECOND:
            duration = Duration.about(size / BYTES_A_SECOND, *NOT_RUN)
            return Part.on_processor("export", duration, f"{size / 1e6:,.0f} MB, reckoned by their number")
        trial.train_folder.mkdir(parents=True, exist_ok=True)
        write_tensors(trial.train_folder / "student.safetensors", student.generator.state_dict())
        self._exported = True
        return self._stage("export", step_of(trial, "export"), "measured to the end")

    def report(self) -> Part:
        """Write the report of the trial; of a student that was not exported there is none."""
        if not self._exported:
            return Part.on_processor("report", Duration(3.0, 0.5, 60.0), "not tried, for no student was exported")
        folder = self._trial.folder
        folder.update_run(name=self._trial.recipe.name, state="finished")
        folder.write_text("recipe.toml", self._trial.recipe.to_toml())
        folder.write_json("pictures/rows.json", write_rows(folder, self._whole.rows))
        folder.write_json("metrics.json", metrics_document(self._whole, {}))
        return self._stage("report", step_of(self._trial, "report"), "measured to the end, with fewer pictures")

    def _stage(self, name: str, step: Step, how: str) -> Part:
        started = perf_counter()
        step.stage.execute(self._trial)
        return Part.on_processor(name, Duration.exactly(perf_counter() - started), how)
