"""What the stages of a run share they make once: the trained student, and the decoded pictures of a pair."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gdp.api import open_session
from gdp.core.pairs.layout import StoredPair, read_pair
from gdp.core.run.pipeline import Plan, execute
from gdp.core.run.session import Session
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent
from gdp.testing import examples

FILTERS = """
[[filters]]
plugin = "sharpness"
min_sharpness = 1e9
only_score = true

[[filters]]
plugin = "duplicate"

[[filters]]
plugin = "artifact"
only_score = true

[[evaluators]]
plugin = "held-out"
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    for name, seed in (("before", 1), ("after", 2)):
        (tmp_path / name).mkdir()
        pictures = examples.as_uint8(examples.pictures(6, 16, seed=seed))
        for number, picture in enumerate(pictures[[0, 1, 2, 3, 4, 0]]):  # the last pair is the first one again
            Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / name / f"{number}.png")
    (tmp_path / "tiny.toml").write_text(examples.RECIPE + FILTERS)
    return open_session(tmp_path / "tiny.toml", folder=tmp_path / "run", device="cpu")


@pytest.fixture
def students(monkeypatch: pytest.MonkeyPatch) -> list[Pix2PixHDStudent]:
    """The students that were built."""
    built: list[Pix2PixHDStudent] = []
    real = Pix2PixHDStudent.__init__

    def counted(self: Pix2PixHDStudent, config: Any, context: Any) -> None:
        real(self, config, context)
        built.append(self)

    monkeypatch.setattr(Pix2PixHDStudent, "__init__", counted)
    return built


@pytest.mark.training
def test_evaluate_and_export_share_the_trained_student(session: Session, students: list[Pix2PixHDStudent]) -> None:
    execute(session, Plan(until="train"))
    assert len(students) == 1
    execute(session, Plan(until="export"))
    assert len(students) == 2
    assert session.trained_student() is students[-1]
    weights = (session.student_folder / "student.safetensors").read_bytes()
    assert weights == (session.train_folder / "student.safetensors").read_bytes()


@pytest.mark.training
def test_another_training_has_another_student(session: Session, students: list[Pix2PixHDStudent]) -> None:
    execute(session, Plan(until="export"))
    first = session.trained_student()
    session.keys = {**session.keys, "train": "0" * 64}
    session.train_folder.mkdir(parents=True)
    (session.train_folder / "student.safetensors").write_bytes(
        (session.student_folder / "student.safetensors").read_bytes()
    )
    assert session.trained_student() is not first
    assert len(students) == 3


def test_the_stage_filter_decodes_a_pair_once_for_filters_and_rejects(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(session, Plan(until="pairs"))
    counts: Counter[int] = Counter()

    def counted(path: Path, stored: StoredPair) -> object:
        counts[stored.pair_index] += 1
        return read_pair(path, stored)

    monkeypatch.setattr("gdp.core.pairs.store.read_pair", counted)
    execute(session, Plan(until="filter"))
    assert counts == Counter(range(6))
    funnel = json.loads((session.path / "funnel.json").read_text())
    assert [row["input"] for row in funnel["filters"]] == [6, 6, 5]
    assert len(json.loads((session.path / "pictures" / "rejects.json").read_text())) == 1
