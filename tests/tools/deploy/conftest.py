"""A tiny student with a file for each engine, exported once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sharing import made_once
from tiny_student import export, make_tiny_student, write_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures, as the tiny student would see them."""
    return made_once(tmp_path_factory, "pictures-of-the-tiny-student", write_pictures)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The tiny student's `student/` folder with all exported files: not to be changed."""

    def make(folder: Path) -> None:
        student = make_tiny_student(folder)
        for engine in ("onnx", "openvino", "openvino-int8"):
            export(student, engine, pictures)

    return made_once(tmp_path_factory, "tiny-student", make) / "student"
