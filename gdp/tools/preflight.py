"""The pre-flight: checks all that a run needs, in numbered lines, and touches nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import torch

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.building import name_of, plugin_errors
from gdp.core.errors import GdpError
from gdp.core.interfaces.datasets import Part, UnpairedDataset
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.interfaces.students import Student
from gdp.core.pairs.layout import ImageFormat, encode
from gdp.core.pairs.records import PairBatch
from gdp.core.pictures import storable_levels
from gdp.core.progress import Stopped
from gdp.core.recipe.reading import Choice, Recipe
from gdp.core.recipe.text import format_path
from gdp.core.recipe.values import paths_in
from gdp.core.records import DISTRIBUTION
from gdp.core.run.judging import named_filters
from gdp.core.run.parts import require_parts
from gdp.core.run.session import Session, trained_weights
from gdp.core.run.stages.pairs import wanted
from gdp.core.run.stages.train import require_room, told_of_earlier
from gdp.core.run.steps import stages_to_do, steps_of
from gdp.core.training.loader import check_flat_frames
from gdp.core.training.objective import check_losses, unique_names
from gdp.core.training.precision import decide, place_networks
from gdp.core.training.preparation import prepare_losses
from gdp.support.direction_names import split_component
from gdp.tools.compare.trials import open_trial, trials
from gdp.tools.estimate.magnitude import magnitude
from gdp.tools.estimate.pairs import asks_for_pairs, stand_in_pairs

CHECKPOINTS_KEPT = 2
FLOATS_PER_PARAMETER = 4
"""Weights, average, and Adam's two moments."""


@dataclass(frozen=True)
class Check:
    """One line of the pre-flight."""

    title: str
    good: bool
    detail: str
    warns: bool = False
    """Whether it is good, and the user had better read it before anything begins."""


@dataclass(frozen=True)
class _MissingFile:
    """A file or folder that a setting names, and that is not there."""

    setting: str
    """With its plugin, in words."""
    path: Path
    foreign: bool
    """Whether a third party's plugin has the setting: it may mean to make the file."""


@dataclass
class _Rehearsal:
    """What several checks look at, made when the first one needs it."""

    session: Session
    world: int = 1
    """Processes that are to train together."""

    @cached_property
    def pair(self) -> PairBatch:
        """Pair 0 of the run; a picture of nothing where making it would ask others, for a dry run pays nothing."""
        if asks_for_pairs(self.session) and not self.session.pays:
            return stand_in_pairs(self.session, [0])
        return self.session.pair_source.make([0])

    @cached_property
    def student(self) -> Student:
        """The student with fresh weights."""
        return self.session.new_student()

    @cached_property
    def initialisation(self) -> Mapping[str, Any]:
        """What was done to make the student ready to be trained."""
        return self.session.initialise(self.student)

    @property
    def initialised_student(self) -> Student:
        """The student, ready to be trained."""
        _ = self.initialisation
        return self.student


def preflight(session: Session, world: int = 1) -> Iterator[Check]:
    """Yield the checks in order; a later one is left out where an earlier failure makes it meaningless.

    Args:
        session: the run.
        world: how many processes are to train together.
    """
    session.rehearses = True
    choices = session.recipe.choices()
    yield Check("recipe", True, f"{session.recipe.name}, seed {session.recipe.seed}, {len(choices)} plugins")
    rehearsal = _Rehearsal(session, world)
    checks: list[Callable[[_Rehearsal], str | Check]] = [
        _plugins,
        _needs,
        *([_devices] if world > 1 else []),
        _files,
        _dataset,
        _teacher,
        _pairs,
        _filters,
        _student,
        _losses,
        *([_variants] if session.recipe.compare else []),
        _disk,
        _time,
        _stages,
    ]
    failed: set[Callable[[_Rehearsal], str | Check]] = set()
    for check in checks:
        if check is _time and failed & {_filters, _losses}:
            continue  # it trains with them and would tell their mistakes once more
        title = check.__name__.strip("_")
        try:
            found = check(rehearsal)
            yield found if isinstance(found, Check) else Check(title, True, found)
        except (GdpError, Stopped) as error:  # what is not foretold is not paid for, and stops
            yield Check(title, False, str(error) or "stopped")
            failed.add(check)
            if check in (_plugins, _dataset, _teacher, _pairs, _student):
                return


def _plugins(rehearsal: _Rehearsal) -> str:
    session = rehearsal.session
    for choice in session.recipe.choices():
        session.plugins.load(choice.record)
    leaving = [choice.record.name for choice in session.recipe.choices() if choice.record.images_leave_machine]
    away = f"; pictures leave this machine through: {', '.join(leaving)}" if leaving else "; no picture leaves"
    return f"all {len(session.recipe.choices())} can be imported{away}"


def _needs(rehearsal: _Rehearsal) -> str:
    missing = [problem for choice in rehearsal.session.recipe.choices() for problem in _missing_needs(choice)]
    if missing:
        raise GdpError("; ".join(missing))
    return "keys, extra modules and devices that the plugins need are there"


def _devices(rehearsal: _Rehearsal) -> str:
    world, batch = rehearsal.world, rehearsal.session.recipe.train.batch
    require_parts(rehearsal.session, world)
    return f"{world} processes, each of which trains with {batch // world} of the {batch} pairs of a batch"


def _missing_needs(choice: Choice[Any]) -> Iterator[str]:
    needs, who = choice.record.needs, f"{choice.record.kind} {choice.record.name}"
    for name in needs.environment:
        if not os.environ.get(name):
            yield f"{who} needs the environment variable {name}: export {name}=..."
    for module in needs.missing_modules():
        yield f"{who} needs the Python module {module}: {needs.how_to_install(module)}"
    if needs.gpu and not torch.cuda.is_available():
        yield f"{who} needs a GPU and torch sees none"


def _files(rehearsal: _Rehearsal) -> str | Check:
    """Name all files and folders that are not there at once: the checks behind this one end with the first of them."""
    missing = list(_missing_files(rehearsal.session.recipe))
    if not missing:
        return "those that settings name are there"
    named = ", ".join(f"{file.setting} = {file.path}" for file in missing)
    told = f"{len(missing)} that settings name {'is' if len(missing) == 1 else 'are'} not there: {named}"
    if all(file.foreign for file in missing):
        return Check("files", True, told, warns=True)
    raise GdpError(f"{told}. Put them there, or name your own in the recipe or by --set.")


def _missing_files(recipe: Recipe) -> Iterator[_MissingFile]:
    for choice in recipe.choices():
        record, settings = choice.record, choice.config.model_dump(by_alias=True)
        if choice is recipe.teacher and recipe.teacher_training is not None:
            settings["train"] = recipe.teacher_training.model_dump(by_alias=True)
        for key, path in paths_in(settings):
            if not os.access(split_component(path)[0], os.F_OK):
                foreign = record.package not in ("", DISTRIBUTION)
                yield _MissingFile(f"{record.kind} {record.name}: {format_path(key)}", path, foreign)


def _dataset(rehearsal: _Rehearsal) -> str:
    dataset = rehearsal.session.dataset
    if dataset is None:
        return "none: the pair source needs no pictures"
    if isinstance(dataset, UnpairedDataset):
        counts = ", ".join(f"{part} {dataset.count(part)}" for part in get_args(Part))
        return f"{dataset.resolution} px; {counts} pictures"
    return f"{dataset.resolution} px, {len(dataset)} pictures"


def _teacher(rehearsal: _Rehearsal) -> str:
    session = rehearsal.session
    teacher = session.teacher
    if teacher is None:
        return "none: the pair source needs none"
    macs = count_macs(teacher.module, *teacher.example_inputs())
    if session.recipe.teacher_training is not None and trained_weights(session.teacher_folder) is None:
        return (
            f"will be trained first; {teacher.resolution} px, {count_parameters(teacher.module):,} parameters, "
            f"{macs / 1e9:.3f} GMAC a picture; what follows was checked with an untrained one"
        )
    return (
        f"{teacher.resolution} px, {count_parameters(teacher.module):,} parameters, {macs / 1e9:.3f} GMAC a picture, "
        f"weights sha256 {teacher.fingerprint[:16]}"
    )


def _pairs(rehearsal: _Rehearsal) -> str:
    source, count = rehearsal.session.pair_source, wanted(rehearsal.session)
    (record,) = rehearsal.pair.records  # it must be possible to make one
    size = f"{source.resolution} px"
    if how := record.extra.get("reduced"):
        size += f", reduced from {how['from']} px ({how['by']})"
    tried = _cost_of_pairs(rehearsal.session, count) or "one was made as a trial"
    made = f"{count} pairs of {size}, {source.input_channels} input channels; {tried}"
    remark = source.check()
    return f"{made}; {remark}" if remark else made


def _cost_of_pairs(session: Session, count: int) -> str:
    """Return what making the pairs asks of others, in words; empty where this machine makes them."""
    if not asks_for_pairs(session):
        return ""
    forecast = session.pair_source.forecast(count)
    cost = _calls(forecast) or "it does not say what it costs"
    tried = "one was made as a trial, and paid for" if session.pays else "none was made on trial, for that asks others"
    return f"{tried}: {cost}"


def _calls(forecast: Forecast) -> str:
    return f"{forecast.calls:,} calls, {forecast.dollars:.2f} $" if forecast.calls else ""


def _filters(rehearsal: _Rehearsal) -> str:
    remarks, session = [], rehearsal.session
    for named in named_filters(session):
        # What a filter says itself ahead, such as of its budget, tells the calls, too.
        foretold = named.judge.forecast(wanted(session), session.pair_source.input_channels // 3)
        remark = named.judge.check() or _calls(foretold)
        remarks.append(f"{named.name} ({remark})" if remark else named.name)
    return ", ".join(remarks) if remarks else "none: every pair is kept"


def _student(rehearsal: _Rehearsal) -> Check:
    session, student = rehearsal.session, rehearsal.student
    require_room(session)
    resolution = session.pair_source.resolution
    example = torch.zeros(1, session.pair_source.input_channels, resolution, resolution)
    who = name_of(student)
    with torch.no_grad(), plugin_errors(who):
        shape = tuple(student.generator(example).shape)
        macs = count_macs(student.generator, example)
    if shape != (1, 3, resolution, resolution):
        raise GdpError(f"{who}: it makes {shape} of {tuple(example.shape)}; it must make (1, 3, height, width)")
    facts = f"{count_parameters(student.generator):,} parameters, {macs / 1e9:.3f} GMAC a picture at {resolution} px"
    copied, warns = _copied(rehearsal.initialisation)
    return Check("student", True, facts + copied, warns=warns)


def _copied(initialisation: Mapping[str, Any]) -> tuple[str, bool]:
    """Tell how much of the teacher a student begins with, and whether there is something to warn of."""
    if isinstance(warning := initialisation.get("warning"), str):
        return f"; {warning}", True
    rows = initialisation.get("layers")
    if not isinstance(rows, list) or not rows:
        return "", False
    copied = sum(bool(row["copied"]) for row in rows)
    return f"; {copied} of {len(rows)} tensors are copied from the teacher", False


def _losses(rehearsal: _Rehearsal) -> str:
    """Let the losses meet the networks, as the training will: hidden states are found and their shapes compared."""
    session = rehearsal.session
    source, losses = session.pair_source, unique_names(session.new_losses())
    student = rehearsal.initialised_student
    check_losses(student, losses, source.unpaired is not None)
    check_flat_frames(session.recipe.train, not source.live)
    if source.live and asks_for_pairs(session):
        return f"{', '.join(term.name for term in losses)}; not tried, for the teacher asks others at every step"
    decide(session.recipe.train.compile, 1)  # says so here where a compiler is asked for and missing
    place_networks(student, session.device, torch.contiguous_format)
    example = rehearsal.pair.source.to(session.device)
    prepared = prepare_losses(student, losses, session.teacher, source.teach if source.live else None, example)
    prepared.close()
    adapters = sum(count_parameters(helper) for helper in prepared.helpers.values())
    terms = ", ".join(f"{term.name} x {term.weight:g}" for term in losses)
    return f"{terms}; {adapters:,} parameters of adapters" if adapters else terms


def _variants(rehearsal: _Rehearsal) -> str:
    """Let each variant's pairs, filters, networks and losses meet, as those of the recipe did."""
    session, counts = rehearsal.session, []
    for trial in trials(session.recipe):
        if trial.shift or trial.unchanged:
            continue
        opened = _Rehearsal(open_trial(session, trial, ()))
        for check in (_pairs, _filters, _student, _losses):
            try:
                check(opened)
            except GdpError as error:
                raise GdpError(f"{trial.name}, {check.__name__.strip('_')}: {error}") from error
        counts.append(f"{trial.name} {count_parameters(opened.student.generator):,} parameters")
    trainings = len(trials(session.recipe)) - 1
    return "; ".join([*counts, f"{trainings} trainings beside the run's own"])


def _disk(rehearsal: _Rehearsal) -> str:
    session, student = rehearsal.session, rehearsal.initialised_student
    pairs = wanted(session) * _stored_size(rehearsal.pair, session.recipe.pairs.section.image_format)
    opposite = student.opposite
    beside = [student.discriminator, *((opposite.generator, opposite.discriminator) if opposite else ())]
    networks = [student.generator, *(network for network in beside if network is not None)]
    floats = sum(count_parameters(network) for network in networks) * FLOATS_PER_PARAMETER
    # A comparison keeps of each finished training the weights alone.
    compared = len(trials(session.recipe)) * count_parameters(student.generator)
    needed = pairs + floats * 4 * (CHECKPOINTS_KEPT + 1) + compared * 4
    free = shutil.disk_usage(_existing_parent(session.folder.path)).free
    detail = f"about {needed / 1e6:,.0f} MB needed ({pairs / 1e6:,.0f} MB of pairs), {free / 1e6:,.0f} MB free"
    if needed > free:
        raise GdpError(f"{detail}: free some space, make fewer pairs, or choose another disk with --folder")
    return detail


def _time(rehearsal: _Rehearsal) -> Check:
    """Tell on what the run works, and about how long; the student's weights are gone after it."""
    found = magnitude(rehearsal.session, rehearsal.initialised_student)
    return Check("time", True, found.words, warns=found.is_long)


def _stored_size(batch: PairBatch, image_format: ImageFormat) -> float:
    """Return the mean bytes of a pair on disk: encoded pictures and a record, each a tar member of its own."""
    pictures = [*torch.split(storable_levels(batch.source), 3, dim=1), storable_levels(batch.target)]
    encoded = [len(encode(row.permute(1, 2, 0).numpy(), image_format)) for part in pictures for row in part]
    return sum(encoded) / len(batch) + 1024 * (len(pictures) + 3)


def _existing_parent(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _stages(rehearsal: _Rehearsal) -> str:
    """Tell which stages the run would do; from the first that changed on, later keys may depend on its outcome."""
    session = rehearsal.session
    asked = [step for step in steps_of(session) if step.applies(session)]
    to_do = stages_to_do(session)
    states = [f"{step.name} is up to date" for step in asked if step.name not in to_do]
    earlier = told_of_earlier(session) if "train" in to_do else None
    return "; ".join([*states, *([f"to do: {', '.join(to_do)}"] if to_do else []), *([earlier] if earlier else [])])
