"""Which engines `gdp apply` tries, and when it tries them again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_student import ONE_THREAD, REGISTRY

from gdp.tools.deploy import student_folder
from gdp.tools.deploy.cards import Card, card_path, read_card
from gdp.tools.deploy.opening import open_model
from gdp.tools.deploy.student_folder import CHOICE, StudentFolder
from gdp.tools.deploy.trial import engines_to_try, find_fastest

pytestmark = pytest.mark.process  # OpenVINO's converter forks, for its telemetry

FLOATS = {"torch", "onnx", "openvino"}


INT8 = "student-int8.*"


@pytest.fixture
def student(exported: Path, tmp_path: Path) -> Path:
    """A `student/` folder with the float exports."""
    return Path(shutil.copytree(exported, tmp_path / "student", ignore=shutil.ignore_patterns(INT8)))


def add_int8(exported: Path, student: Path) -> Path:
    """Put the export for `openvino-int8` beside the others and return its path."""
    for path in exported.glob(INT8):
        shutil.copy(path, student)
    return student / "student-int8.xml"


def tried(student: Path) -> set[str]:
    return {record.name for record in engines_to_try(REGISTRY, StudentFolder(student))}


def test_rounding_to_8_bits_is_tried_where_a_good_export_lies_beside_the_others(student: Path, exported: Path) -> None:
    assert tried(student) == FLOATS
    path = add_int8(exported, student)
    assert tried(student) == FLOATS | {"openvino-int8"}
    find_fastest(REGISTRY, StudentFolder(student), ONE_THREAD, lambda text: None)
    assert set(json.loads((student / CHOICE).read_text())["milliseconds"]) == FLOATS | {"openvino-int8"}
    card = json.loads(card_path(path).read_text())
    card["difference_to_torch"]["psnr_db"] = 39.9
    card_path(path).write_text(json.dumps(card))
    assert tried(student) == FLOATS


def test_each_card_is_read_once_for_an_opening(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_fastest(REGISTRY, StudentFolder(student), ONE_THREAD, lambda text: None)
    choice = json.loads((student / CHOICE).read_text())
    (student / CHOICE).write_text(json.dumps({**choice, "engine": "onnx"}))
    read: list[str] = []

    def counting(path: Path) -> Card:
        read.append(path.name)
        return read_card(path)

    monkeypatch.setattr(student_folder, "read_card", counting)
    assert open_model(REGISTRY, student, context=ONE_THREAD).engine == "onnx"
    assert sorted(read) == ["student.onnx", "student.xml"]
    read.clear()
    open_model(REGISTRY, student, engine="openvino", context=ONE_THREAD)
    assert read == ["student.xml"]
    read.clear()
    find_fastest(REGISTRY, StudentFolder(student), ONE_THREAD, lambda text: None)
    assert sorted(read) == ["student.onnx", "student.xml"]


def test_an_export_of_earlier_weights_is_not_tried(student: Path, exported: Path) -> None:
    path = add_int8(exported, student)
    card = json.loads(card_path(path).read_text())
    card_path(path).write_text(json.dumps({**card, "weights_sha256": "0" * 64}))
    assert tried(student) == FLOATS


def test_the_choice_is_made_anew_when_an_export_comes_or_goes(student: Path, exported: Path) -> None:
    fastest = find_fastest(REGISTRY, StudentFolder(student), ONE_THREAD, lambda text: None).engine
    assert StudentFolder(student).remembered(ONE_THREAD) == fastest
    path = add_int8(exported, student)
    assert StudentFolder(student).remembered(ONE_THREAD) is None
    card_path(path).write_text("damaged")
    assert StudentFolder(student).remembered(ONE_THREAD) == fastest
