"""Stage train: train the student on the kept pairs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdp.core.arithmetic import count_parameters
from gdp.core.progress import Stopped
from gdp.core.run.judging import indices_digest
from gdp.core.run.session import Session
from gdp.core.run.stages.filters import HELD_OUT, TRAIN
from gdp.core.training import TrainingPairs, train_student
from gdp.tools.compare.trials import FOLDER as VARIANTS

NAME = "train"
INITIALISATION = "initialisation.json"
"""What the student took over before its first step, in the training's folder."""


def key(session: Session) -> str:
    """Return the content key: the pairs that are trained on, the student, the objective, the schedule."""
    with session.open_store(read_only=True) as store:
        train, held_out = session.split(store, TRAIN), session.split(store, HELD_OUT)
    recipe = session.recipe
    return session.key(
        NAME,
        {
            "store": session.keys["store"],
            "train": indices_digest(train),
            "held_out": indices_digest(held_out),
            "student": session.settings_key(recipe.student),
            "losses": [{**session.settings_key(choice), "weight": choice.section.weight} for choice in recipe.losses],
            "settings": recipe.train.model_dump(mode="json"),
            "seed": session.training_seed,
        },
    )


def is_there(session: Session) -> bool:
    """Say whether the trained weights of a finished stage are still there."""
    return (session.train_folder / "student.safetensors").is_file()


def reset(session: Session) -> None:
    """Throw the training of the present key away, checkpoints included, and all trainings of a comparison."""
    shutil.rmtree(session.train_folder, ignore_errors=True)
    shutil.rmtree(session.folder.path / VARIANTS, ignore_errors=True)


def execute(session: Session) -> dict[str, Any]:
    """Train, or go on from the last checkpoint.

    Raises:
        Stopped: the user asked to stop; a checkpoint is written.
    """
    student = session.new_student()
    session.folder.write_json(
        f"{session.folder.relative(session.train_folder)}/{INITIALISATION}", {"student": session.initialise(student)}
    )

    def on_metrics(step: int, metrics: Mapping[str, float]) -> None:
        session.plugins.notify("gdp_metrics", run=session.folder, stage=NAME, step=step, metrics=metrics)

    def on_images(step: int, path: Path) -> None:
        session.plugins.notify("gdp_images", run=session.folder, stage=NAME, step=step, path=path)

    with session.open_store(read_only=True) as store:
        source = session.pair_source
        pairs = TrainingPairs(
            session.split(store, TRAIN),
            session.split(store, HELD_OUT),
            store.load_uint8,
            unpaired=source.unpaired,
            teach=source.teach if source.live else None,
        )
        result = train_student(
            student,
            session.new_losses(),
            pairs,
            session.recipe.train,
            session.train_folder,
            seed=session.training_seed,
            device=session.device,
            progress=session.progress,
            on_metrics=on_metrics,
            on_images=on_images,
            stop=session.stop_requested,
            teacher=session.teacher,
        )
    if not result.finished:
        raise Stopped
    return {
        "folder": session.folder.relative(session.train_folder),
        "weights": session.folder.relative(result.weights),
        "steps": result.steps,
        "pairs": result.pairs,
        "seconds_training": round(result.seconds, 3),
        "images_per_second": round(result.images_per_second, 3),
        "parameters": count_parameters(student.generator),
    }
