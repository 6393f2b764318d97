"""What makes `gdp apply` start quickly: where an exported file runs, torch, which takes seconds, is never imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_student import ONE_THREAD

from gdp.tools.deploy.student_folder import CHOICE, StudentFolder

pytestmark = pytest.mark.process

ENGINES = ("onnx", "openvino", "openvino-int8")
APPLY = """
import sys
from gdp.cli import main
try:
    main()
except SystemExit as end:
    if end.code:
        raise
assert (heavy := {"torch", "torchvision", "scipy", "nncf"} & sys.modules.keys()) == set(), heavy
"""


@pytest.fixture
def student(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "student"))


def apply_without_torch(*arguments: str | Path) -> None:
    command = [sys.executable, "-c", APPLY, "apply", *map(str, arguments), "--threads", "1"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("file", ["student.onnx", "student.xml", "student-int8.xml"])
def test_an_exported_file_is_applied_without_torch(student: Path, pictures: Path, file: str, tmp_path: Path) -> None:
    apply_without_torch(student / file, pictures / "00.png", "-o", tmp_path / "out")
    assert (tmp_path / "out" / "00.png").is_file()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_remembered_engine_is_applied_without_torch(
    student: Path, pictures: Path, engine: str, tmp_path: Path
) -> None:
    data = {"engine": engine, "circumstances": StudentFolder(student).circumstances(ONE_THREAD)}
    (student / CHOICE).write_text(json.dumps(data))
    apply_without_torch(student, pictures / "00.png", "-o", tmp_path / "out")
    assert (tmp_path / "out" / "00.png").is_file()
