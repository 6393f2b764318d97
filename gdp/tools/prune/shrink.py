"""Prune the network of a finished run, in memory.

Take over what a pruned run has in common with the run that it came from: the teacher trained there, the pairs.

Copied, not linked: either run may change its own later.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.building import describe_plugin, plugin_errors
from gdp.core.errors import MissingResourceError, PluginError, readable_os_errors
from gdp.core.files import write_atomically
from gdp.core.interfaces.students import Student
from gdp.core.recipe.choices import dump
from gdp.core.run.session import TRAINED, Session, trained_weights
from gdp.core.run.steps import keys_until, step_of
from gdp.core.run_folder import RunFolder
from gdp.core.tensor_file import encode_tensors
from gdp.core.training.inference import WEIGHTS, load_generator_weights
from gdp.tools.prune.record import Size, Subject


@dataclass(frozen=True)
class Shrunk:
    """A pruned network."""

    settings: Mapping[str, Any]
    """Settings of the student's plugin that build it, where they differ from the run's."""
    weights: bytes
    """The .safetensors file of its state dict."""
    before: Size
    after: Size
    channels: Mapping[str, tuple[int, int]]


def shrink(session: Session, of: Subject, share: float) -> Shrunk:
    """Prune the trained student of a run, or its teacher's network, held by a student of the same kind.

    Args:
        session: of the finished run; nothing in its folder is changed.
        of: whose network.
        share: of the multiply-accumulates to keep, in (0, 1).

    Raises:
        MissingResourceError: the run has no teacher, or its student's weights are gone.
        PluginError: this kind of student cannot be pruned, or cannot hold the teacher's network.
        ShapeError: so small a network cannot be made.
    """
    source = session.pair_source
    example = torch.zeros(1, source.input_channels, source.resolution, source.resolution)
    record = session.recipe.student.record
    with plugin_errors(describe_plugin(record)):
        settings, whole = _teachers(session) if of == "teacher" else ({}, _trained(session))
        pruned = whole.pruned(share, example)
        settings = {**settings, **pruned.settings}
        smaller = _filled(session, settings, pruned.weights)
        return Shrunk(
            settings, encode_tensors(pruned.weights), _size(whole, example), _size(smaller, example), pruned.channels
        )


def _trained(session: Session) -> Student:
    student = session.new_student()
    load_generator_weights(student, session.folder.path / "student" / WEIGHTS)
    return student


def _teachers(session: Session) -> tuple[dict[str, Any], Student]:
    if session.teacher is None:
        raise MissingResourceError(
            f"{session.folder.path}: this run has no teacher, its pairs were there before; prune its student instead"
        )
    adopted = session.new_student().adopt(session.teacher)
    return dict(adopted.settings), _filled(session, adopted.settings, adopted.weights)


def _filled(session: Session, settings: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Student:
    """Build the run's student with other settings and give its generator these weights."""
    choice = session.recipe.student
    if "weights" not in choice.record.config.model_fields:
        raise PluginError(
            f"student {choice.record.name}: its settings have no `weights` to begin a training with; tell the "
            f"plugin's author"
        )
    try:
        config = choice.record.config.model_validate({**dump(choice.config), **settings})
    except ValidationError as error:
        raise PluginError(
            f"student {choice.record.name}: its pruning asks for settings that it does not take: {error}"
        ) from error
    other = replace(
        session, recipe=replace(session.recipe, student=replace(choice, config=config)), keys={}, steps=None
    )
    other.dataset, other.teacher, other.pair_source = session.dataset, session.teacher, session.pair_source
    student = other.new_student()
    student.generator.load_state_dict(weights)
    return student


def _size(student: Student, example: Tensor) -> Size:
    return Size(count_parameters(student.generator), count_macs(student.generator, example))


def reuse(session: Session, run: RunFolder) -> None:
    """Copy from `run` what this session would make just so; call it under the lock of the session's folder.

    What is there already stays. A process that is killed meanwhile leaves nothing that looks whole.

    Raises:
        RunLockedError: another process works in `run`.
        DiskFullError, RunFolderError: the system refuses to write.
    """
    if session.recipe.teacher_training is not None:
        _reuse_teacher(session, run)
    if step_of(session, "teacher").stage.is_there(session):
        session.keys = keys_until(session, "pairs")
        _reuse_pairs(session, run)


def _reuse_teacher(session: Session, run: RunFolder) -> None:
    ours = session.teacher_folder
    theirs = run.path / session.folder.relative(ours)
    weights = trained_weights(theirs)
    if weights is None or trained_weights(ours) is not None:
        return
    with run.locked():
        _copy(weights, ours / weights.relative_to(theirs))
        write_atomically(ours / TRAINED, (theirs / TRAINED).read_bytes())
    session.progress.message(f"teacher: copied from {run.path}")


def _reuse_pairs(session: Session, run: RunFolder) -> None:
    """Copy the pair store of the present key with all verdicts in it."""
    ours = session.store_folder
    theirs = run.path / session.folder.relative(ours)
    if ours.exists() or not theirs.is_dir():
        return
    unfinished = ours.with_name(f".{ours.name}.copying")
    shutil.rmtree(unfinished, ignore_errors=True)
    with run.locked():
        for file in sorted(path for path in theirs.rglob("*") if path.is_file()):
            _copy(file, unfinished / file.relative_to(theirs))
    with readable_os_errors(ours):
        unfinished.replace(ours)
    session.progress.message(f"pairs: copied from {run.path}")


def _copy(file: Path, copy: Path) -> None:
    with readable_os_errors(copy):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
