"""Stage train: train the student on the kept pairs."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from gdp.core.arithmetic import count_parameters
from gdp.core.errors import OutOfMemoryError
from gdp.core.interfaces.stages import Stage
from gdp.core.interfaces.students import Student
from gdp.core.memory import describe_bytes, free_memory
from gdp.core.progress import Progress, Stopped
from gdp.core.recipe.choices import Choice
from gdp.core.recipe.sections import LossSection, TrainSection
from gdp.core.run.judging import indices_digest
from gdp.core.run.session import Session
from gdp.core.run.stages.filters import HELD_OUT, TRAIN
from gdp.core.training import LossTerm, TrainingPairs, TrainingResult, train_student
from gdp.core.training.group import training_group

CHECKPOINTS = "checkpoints"
WORK = "train"
"""What the processes that train together are called to."""
INITIALISATION = "initialisation.json"
"""What the student took over before its first step, in the training's folder."""


class TrainStage(Stage[Session]):
    """Trains the student on the kept pairs."""

    def key(self, session: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on: the pairs that are trained on, student, objective and schedule."""
        with session.open_store(read_only=True, keys=keys) as store:
            train, held_out = session.split(store, TRAIN), session.split(store, HELD_OUT)
        recipe = session.recipe
        return {
            "store": keys["store"],
            "train": indices_digest(train),
            "held_out": indices_digest(held_out),
            "student": session.settings_key(recipe.student),
            "losses": [_loss_key(session, choice) for choice in recipe.losses],
            "settings": recipe.train.for_key(),
            "seed": session.training_seed,
        }

    def is_there(self, session: Session) -> bool:
        """Say whether the trained weights of a finished stage are still there."""
        return (session.train_folder / "student.safetensors").is_file()

    def leaves(self, session: Session) -> Iterable[Path]:
        """Return what the training's folder holds but its checkpoints, which hold their own hashes."""
        folder = session.train_folder
        return [
            file for file in folder.rglob("*") if file.is_file() and CHECKPOINTS not in file.relative_to(folder).parts
        ]

    def remakes(self, session: Session, file: str) -> bool:
        """Say whether it is the weights, or what stood before them: curves and samples are not worth a training."""
        return Path(file).suffix == ".safetensors" or Path(file).name == INITIALISATION

    def reset(self, session: Session, first: str) -> None:
        """Throw the training of the present key away, checkpoints included."""
        shutil.rmtree(session.train_folder, ignore_errors=True)

    def execute(self, session: Session) -> dict[str, Any]:
        """Train, or go on from the last checkpoint.

        Raises:
            Stopped: the user asked to stop; a checkpoint is written.
            OutOfMemoryError: a batch is larger than what is free, or the training did not fit.
        """
        require_room(session)
        with session.company.called(WORK, session.keys):
            result, student = take_part(session)
        if not result.finished:
            raise Stopped
        return {
            "folder": session.folder.relative(session.train_folder),
            "weights": session.folder.relative(result.weights),
            "steps": result.steps,
            "pairs": result.pairs,
            "seconds_training": round(result.seconds, 3),
            "images_per_second": round(result.images_per_second, 3),
            "computed_in": result.computed_in,
            "parameters": count_parameters(student.generator),
        }


def take_part(session: Session) -> tuple[TrainingResult, Student]:
    """Train the student of the session's keys, or in one of several processes its part; return how it ended."""
    leads, student = training_group().leads, session.new_student()
    taken_over = session.initialise(student)
    if leads:
        initialisation = f"{session.folder.relative(session.train_folder)}/{INITIALISATION}"
        session.folder.write_json(initialisation, {"student": taken_over})
        if isinstance(warning := taken_over.get("warning"), str):
            session.progress.message(warning)

    def on_metrics(step: int, metrics: Mapping[str, float]) -> None:
        session.plugins.notify("gdp_metrics", run=session.folder, stage="train", step=step, metrics=metrics)

    def on_images(step: int, path: Path) -> None:
        session.plugins.notify("gdp_images", run=session.folder, stage="train", step=step, path=path)

    with session.open_store(read_only=True) as store:
        pairs = training_pairs(session, session.split(store, TRAIN), session.split(store, HELD_OUT), store.load_uint8)
        result = train(
            session,
            student,
            session.new_losses(),
            pairs,
            session.recipe.train,
            progress=session.progress,
            stop=session.stop_requested,
            on_metrics=on_metrics,
            on_images=on_images,
        )
    return result, student


def _loss_key(session: Session, choice: Choice[LossSection]) -> dict[str, Any]:
    later = {"begins": choice.section.begins} if choice.section.begins else {}
    return {**session.settings_key(choice), "weight": choice.section.weight, **later}


def require_room(session: Session) -> None:
    """Refuse a batch whose pictures alone are more than the memory that is free: the system would end the process.

    Raises:
        OutOfMemoryError: it is.
    """
    batch, source = session.recipe.train.batch, session.pair_source
    size, free = source.resolution, free_memory()
    takes = 4 * batch * (source.input_channels + 3) * size**2  # float32
    if takes > free:
        raise OutOfMemoryError(
            f"the pictures of a batch of {batch:,} pairs of {size} x {size} px take {describe_bytes(takes)} before any "
            f"network has seen them, and {describe_bytes(free)} is free. Lower train.batch, or pairs.resolution."
        )


def told_of_earlier(session: Session) -> str | None:
    """Say of a run whose training has finished with other settings that it begins anew, and how to go on from it."""
    finished, key = session.folder.stages().get("train"), session.keys.get("train")
    if finished is None or key is None or finished["key"] == key:
        return None
    if any((session.train_folder / CHECKPOINTS).glob("*")):
        return None  # settings that were trained with before: it goes on from there
    summary, asked = finished["summary"], session.recipe.train
    weights = session.folder.path / str(summary.get("weights"))
    length = f"{asked.steps} steps" if asked.steps is not None else f"{asked.epochs:g} epochs"
    told = (
        f"what the training depends on has changed since it finished after {summary.get('steps')} steps: it begins "
        f"anew, with {length}"
    )
    if (
        not weights.is_file() or getattr(session.recipe.student.config, "weights", "") is not None
    ):  # or has some already
        return told
    return f"{told}. To go on from the weights that it has: --set student.weights={shlex.quote(str(weights))}"


def training_pairs(
    session: Session,
    train_on: Sequence[int],
    held_out: Sequence[int],
    load_uint8: Callable[[Sequence[int]], tuple[Tensor, Tensor]],
) -> TrainingPairs:
    """Return what the trainer is fed with.

    Args:
        session: the run.
        train_on: numbers of the pairs that are trained on.
        held_out: numbers of those that sample grids show.
        load_uint8: reads pairs, as `PairStore.load_uint8` does.
    """
    source = session.pair_source
    teach = source.teach if source.live else None
    return TrainingPairs(train_on, held_out, load_uint8, unpaired=source.unpaired, teach=teach)


def train(
    session: Session,
    student: Student,
    losses: Sequence[LossTerm],
    pairs: TrainingPairs,
    settings: TrainSection,
    *,
    progress: Progress,
    stop: Callable[[], bool],
    on_metrics: Callable[[int, Mapping[str, float]], None],
    on_images: Callable[[int, Path], None],
) -> TrainingResult:
    """Train a student in the session's training folder; the stage does it, and an estimate for some steps."""
    return train_student(
        student,
        losses,
        pairs,
        settings,
        session.train_folder,
        seed=session.training_seed,
        device=session.device,
        progress=progress,
        on_metrics=on_metrics,
        on_images=on_images,
        stop=stop,
        teacher=session.teacher,
        memory=session.memory,
    )
