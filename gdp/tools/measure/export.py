"""Stage export: put the trained student where `gdp.load` finds it, and check that it comes back the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.errors import CorruptFileError
from gdp.core.files import copy_atomically, file_sha256, write_atomically
from gdp.core.interfaces.stages import Stage
from gdp.core.run.session import Session
from gdp.core.run.versions import plugin_versions, versions
from gdp.support.places import without_places_in
from gdp.support.wording import readable_json
from gdp.tools.measure.trained_on import trained_on

CARD_VERSION = 2
"""Of what student.json holds; another one is written anew, without another training."""


class ExportStage(Stage[Session]):
    """Puts the trained student where `gdp.load` finds it."""

    def key(self, session: Session, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on: the training, and what the recipe says of pictures and weights."""
        recipe = session.recipe
        shows = recipe.pairs.section.shows
        said = {
            "shows": None if shows is None else shows.model_dump(mode="json"),
            "weights_licence": None if recipe.teacher is None else recipe.teacher.section.weights_licence,
        }
        return {"train": keys["train"], "card": CARD_VERSION, "said": said}

    def is_there(self, session: Session) -> bool:
        """Say whether the student of a finished stage is still there."""
        folder = session.student_folder
        return (folder / "student.safetensors").is_file() and (folder / "student.json").is_file()

    def leaves(self, session: Session) -> Iterable[Path]:
        """Return the student and its description."""
        return [session.student_folder / name for name in ("student.safetensors", "student.json")]

    def execute(self, session: Session) -> dict[str, Any]:
        """Write student/student.safetensors and student/student.json; load them again and compare bit for bit."""
        import torch

        trained = session.train_folder / "student.safetensors"
        folder = session.student_folder
        student = session.trained_student()
        channels, resolution = session.pair_source.input_channels, session.pair_source.resolution
        device = next(student.generator.parameters()).device  # where evaluate has left it
        digest = copy_atomically(trained, folder / "student.safetensors")
        example = torch.zeros(1, channels, resolution, resolution, device=device)
        card = {
            "format": 1,
            "plugin": session.recipe.student.record.name,
            "config": without_places_in(session.recipe.student.config.model_dump(mode="json")),
            "input_channels": channels,
            "resolution": resolution,
            "value_range": [-1, 1],
            "precision": session.recipe.train.precision,
            "seed": session.recipe.seed,
            "weights_sha256": digest,
            "parameters": count_parameters(student.generator),
            "macs": count_macs(student.generator, example),
            "trained_on": without_places_in(trained_on(session)),
            "versions": without_places_in({**versions(), **plugin_versions([session.recipe.student.record])}),
        }
        write_atomically(folder / "student.json", readable_json(card).encode())
        written = file_sha256(folder / "student.safetensors")
        if written != card["weights_sha256"]:
            raise CorruptFileError(
                f"{folder / 'student.safetensors'}: what was written does not read back the same. Check the disk and "
                f"run the same command again."
            )
        return {
            "folder": session.folder.relative(folder),
            "bytes": (folder / "student.safetensors").stat().st_size,
            "weights_sha256": card["weights_sha256"],
            "parameters": card["parameters"],
            "macs": card["macs"],
        }
