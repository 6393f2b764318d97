"""When networks may use what torch.compile made of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gdp.core.errors import TrainingError
from gdp.core.training.precision import FEWEST_STEPS, compilation, compiles


@pytest.fixture
def with_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\n", encoding="utf-8")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", os.fspath(compiler))


@pytest.fixture
def without_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", os.fspath(tmp_path / "no such compiler"))


@pytest.mark.usefixtures("with_compiler")
def test_long_trainings_compile_and_short_ones_do_not() -> None:
    with compilation("auto", FEWEST_STEPS):
        assert compiles()
    with compilation("auto", FEWEST_STEPS - 1):
        assert not compiles()
    with compilation("never", FEWEST_STEPS):
        assert not compiles()
    with compilation("always", 1):
        assert compiles()
    assert not compiles()


@pytest.mark.usefixtures("without_compiler")
def test_without_a_compiler_auto_does_without_and_always_says_what_is_missing() -> None:
    with compilation("auto", FEWEST_STEPS):
        assert not compiles()
    with pytest.raises(TrainingError, match=r"C\+\+ compiler"), compilation("always", FEWEST_STEPS):
        pass
