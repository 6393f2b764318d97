"""What is not installed is told before any work, not after hours of training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tiny_world import make_tiny_world
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.run_folder import RunFolder


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["run", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With an evaluator whose module is not installed."""
    recipe = make_tiny_world(tmp_path)
    recipe.write_text(recipe.read_text().replace("count = 96", "count = 4") + '\n[[evaluators]]\nplugin = "st-lpips"\n')
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", None)
    monkeypatch.chdir(tmp_path)
    return recipe


def test_a_run_that_would_need_a_missing_module_at_its_end_does_not_begin(recipe: Path, tmp_path: Path) -> None:
    code, output = run(recipe, "--folder", tmp_path / "run")
    assert code == 1
    assert (
        "evaluator st-lpips needs the Python module stlpips_pytorch, which is not installed: pip install "
        "'gdp-distill[perceptual]'" in output
    )
    assert RunFolder(tmp_path / "run").stages() == {}
    assert not list((tmp_path / "run").glob("pairs/*"))


def test_stages_that_do_not_need_the_module_can_be_done(recipe: Path, tmp_path: Path) -> None:
    code, output = run(recipe, "--folder", tmp_path / "run", "--until", "pairs")
    assert "stlpips" not in output
    assert set(RunFolder(tmp_path / "run").stages()) == {"teacher", "pairs"}, (code, output)


def test_a_search_that_would_need_a_missing_module_at_its_end_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    arguments = ["find-direction", "--method", "linear-svm", "--label", "source_age", "--filter", "face-attributes"]
    result = CliRunner().invoke(app, [*arguments, "-o", "age.safetensors"])
    told = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "direction-method linear-svm needs the Python module sklearn" in told
    assert "pip install 'gdp-distill[directions]'" in told
    assert "scoring" not in told
