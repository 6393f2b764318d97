"""Stage teacher: load the heavy model, or train it first, and record what it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.building import class_of
from gdp.core.interfaces.stages import Stage
from gdp.core.interfaces.teachers import Teacher
from gdp.core.progress import StoppableProgress
from gdp.core.run.origin import teacher_licence
from gdp.core.run.session import TRAINED, Session, trained_weights
from gdp.core.training.group import Nobody

WORK = "teacher"
"""What the processes that train together are called to."""


class TeacherStage(Stage[Session]):
    """Loads the heavy model, or trains it first."""

    def key(self, session: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on: settings and the hash of the weights, or how they are trained."""
        choice = session.recipe.teacher
        if choice is None:
            return {}
        if session.recipe.teacher_training is not None:
            return {**session.settings_key(choice), "trained": session.teacher_folder.name}
        return {**session.settings_key(choice), "fingerprint": session.teacher_fingerprint}

    def is_there(self, session: Session) -> bool:
        """Say whether the weights of a teacher that was trained here are still there."""
        return session.recipe.teacher_training is None or trained_weights(session.teacher_folder) is not None

    def leaves(self, session: Session) -> Iterable[Path]:
        """Return the weights of a teacher that was trained here."""
        weights = None if session.recipe.teacher_training is None else trained_weights(session.teacher_folder)
        return [] if weights is None else [weights]

    def reset(self, session: Session, first: str) -> None:
        """Throw the teacher's own training away, checkpoints included."""
        if session.recipe.teacher_training is not None:
            shutil.rmtree(session.teacher_folder, ignore_errors=True)

    def execute(self, session: Session) -> dict[str, Any]:
        """Record what the teacher is: weights' hash, parameters, multiply-accumulates for one picture.

        Raises:
            Stopped: the user asked to stop while the teacher was trained; it goes on from its newest checkpoint.
        """
        choice = session.recipe.teacher
        if choice is None:
            return {"plugin": None}
        if not self.is_there(session):
            _train(session)
        teacher = session.teacher
        assert teacher is not None
        files = session.weight_files_sha256() if session.recipe.teacher_training is None else None
        return {
            "plugin": choice.record.name,
            "licence": teacher_licence(session),
            "weights_sha256": teacher.fingerprint,
            **({"files_sha256": files} if files is not None else {}),
            "resolution": teacher.resolution,
            "parameters": count_parameters(teacher.module),
            "macs": count_macs(teacher.module, *teacher.example_inputs()),
        }


def _train(session: Session) -> None:
    choice = session.recipe.teacher
    assert choice is not None
    implementation: type[Teacher] = class_of(session.plugins, choice.record)
    implementation.require_dataset(choice.record.name, session.dataset)
    company = session.company if implementation.trains_together else Nobody()
    with company.called(WORK, session.keys):
        weights = take_part(session)
    folder = session.teacher_folder
    name = f"{session.pairs_home.relative(folder)}/{TRAINED}"
    session.pairs_home.write_json(name, {"weights": weights.relative_to(folder).as_posix()})


def take_part(session: Session) -> Path:
    """Train the teacher, or in one of several processes its part, and return the file of its weights."""
    choice = session.recipe.teacher
    assert choice is not None
    implementation: type[Teacher] = class_of(session.plugins, choice.record)
    progress = StoppableProgress(session.progress, session.stop_requested)
    training = session.recipe.teacher_training
    assert training is not None
    if getattr(training, "device", None) == "auto":  # the run's own: `gdp run --device cuda:1` means all of it
        training = training.model_copy(update={"device": str(session.device)})
    return implementation.train(training, session.dataset, session.teacher_folder, progress)
