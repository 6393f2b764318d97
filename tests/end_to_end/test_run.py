"""`gdp run` from start to end, as a user calls it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from commands import gdp_command, succeed
from tiny_world import make_tiny_world

import gdp
from gdp.core.progress import ProgressTask, SilentProgress


def run(recipe: Path, *arguments: str) -> dict[str, object]:
    outcome: dict[str, object] = json.loads(succeed("run", recipe, "--json", *arguments, cwd=recipe.parent))
    return outcome


@pytest.fixture
def finished(finished_run: Path, tmp_path: Path) -> Path:
    """The recipe of a finished run, to be changed."""
    return Path(shutil.copytree(finished_run.parents[1], tmp_path / "finished")) / "tiny.toml"


def stages_done(recipe: Path, arguments: Sequence[str]) -> object:
    return run(recipe, *arguments)["done"]


def test_a_run_leaves_everything_in_its_folder(finished: Path) -> None:
    folder = finished.parent / "runs" / "tiny"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["pairs"]["made"] == 96
    assert metrics["quality"]["held_out"]["psnr_db"] > 0
    assert "quality.held_out.psnr_db" in metrics["protocols"]
    assert "<html" in (folder / "report.html").read_text()
    assert json.loads((folder / "run.json").read_text())["state"] == "finished"
    for name in ("recipe.toml", "log.txt", "events.jsonl", "funnel.json", "student/student.json"):
        assert (folder / name).stat().st_size > 0, name


def test_the_student_loads_and_takes_pictures_of_any_size(finished: Path) -> None:
    import torch

    student = gdp.load(finished.parent / "runs" / "tiny")
    picture = torch.rand(1, 3, 21, 30) * 2 - 1
    older = student(picture)
    assert older.shape == picture.shape
    assert older.abs().max() <= 1


def recorded(recipe: Path) -> dict[str, bytes]:
    names = ("run.json", "recipe.toml", "keys.json", "stages.json")
    return {name: (recipe.parent / "runs" / "tiny" / name).read_bytes() for name in names}


@pytest.mark.parametrize("change", [["pairs.strength=2.0"], []], ids=["another recipe", "the same recipe"])
def test_a_command_that_fails_before_any_work_leaves_a_finished_run_as_it_was(
    finished: Path, change: list[str]
) -> None:
    missing = finished.parent / ("direction.safetensors" if change else "teacher.safetensors")
    missing.rename(missing.with_suffix(".away"))
    before = recorded(finished)
    failed = gdp_command("run", finished, *(f"--set={each}" for each in change), cwd=finished.parent)
    assert failed.exit_code == 1 and "there " in failed.stderr
    assert "the run that had finished here is as it was" in failed.output
    assert recorded(finished) == before
    assert "failed: " in (finished.parent / "runs" / "tiny" / "log.txt").read_text().splitlines()[-1]
    missing.with_suffix(".away").rename(missing)
    assert stages_done(finished, []) == []


def test_a_command_that_fails_amid_its_work_leaves_a_failed_run(finished: Path) -> None:
    assert gdp_command("run", finished, "--set", "train.learning_rate=1e30", cwd=finished.parent).exit_code == 1
    assert json.loads(recorded(finished)["run.json"])["state"] == "failed"


def test_a_finished_run_stays_finished_where_nothing_was_to_do_until_a_stage(finished: Path) -> None:
    assert stages_done(finished, []) == []  # which writes the paths of this copy
    assert stages_done(finished, ["--until", "filter"]) == []
    assert json.loads(recorded(finished)["run.json"])["state"] == "finished"


def test_large_files_are_looked_at_with_progress(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdp.core.run.steps._LONG_TO_READ", 0)
    shown = Shown()
    gdp.run(finished, folder=finished.parent / "runs" / "tiny", progress=shown)
    assert shown.tasks["pairs: looking at its files"] == "MB"


class Shown(SilentProgress):
    """Notes which pieces of work were opened, and their units."""

    def __init__(self) -> None:
        self.tasks: dict[str, str] = {}

    def task(self, name: str, total: int, unit: str, done: int = 0) -> AbstractContextManager[ProgressTask]:
        self.tasks[name] = unit
        return super().task(name, total, unit, done)


def test_what_came_of_a_run_is_told_in_the_reports_words_and_what_is_next(finished: Path) -> None:
    told = succeed("run", finished, "--from", "report", cwd=finished.parent)
    first, verdict, after = told.strip().splitlines()[-3:]
    assert first == "finished: runs/tiny/report.html"
    assert "feed-forward" in verdict and "<" not in verdict
    assert after == "Next: gdp demo runs/tiny, or gdp apply runs/tiny PICTURES -o FOLDER"


def test_a_finished_run_has_nothing_to_do(finished: Path) -> None:
    assert stages_done(finished, []) == []


def test_changes_repeat_only_what_depends_on_them(finished: Path) -> None:
    def with_last(*last: str) -> object:
        return stages_done(finished, [*last, "--until", "train"])

    assert with_last("--set", "filters.1.max_distance=1") == ["filter"], "the same pairs are kept: no training anew"
    assert with_last("--set", "student.width=6") == ["filter", "train"], "the pairs are reused"
    assert with_last("--set", "pairs.count=100") == ["pairs", "filter", "train"]
    stages = json.loads((finished.parent / "runs" / "tiny" / "stages.json").read_text())
    assert stages["pairs"]["summary"]["made_now"] == 4, "more pairs extend the store"
    assert with_last("--set", "pairs.strength=2.0") == ["pairs", "filter", "train"]


def test_a_stage_can_be_repeated(finished: Path) -> None:
    assert stages_done(finished, ["--from", "evaluate"]) == ["evaluate", "export", "report"]


def test_that_no_pair_is_held_out_is_told_before_the_training(finished: Path) -> None:
    done = gdp_command("run", finished, "--until", "filter", "--set", "pairs.held_out=0.00001", cwd=finished.parent)
    assert "none of the 96 pairs is held out" in done.output.replace("\n", " ")
    done = gdp_command("run", finished, "--until", "filter", "--set", "pairs.held_out=0", cwd=finished.parent)
    assert "is held out" not in done.output


def test_the_pre_flight_touches_nothing(tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    finished = gdp_command("run", recipe, "--dry-run", "--json", cwd=tmp_path)
    assert finished.exit_code == 0, finished.output
    checks = {check["check"]: check for check in json.loads(finished.stdout)["checks"]}
    assert all(check["good"] for check in checks.values())
    assert "parameters" in checks["teacher"]["detail"]
    assert "GMAC" in checks["student"]["detail"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_batch_larger_than_the_memory_is_refused_before_the_system_ends_the_process(finished: Path) -> None:
    expected = r"a batch of 2,000,000,000 pairs of 16 x 16 px .* Lower train\.batch"
    with pytest.raises(gdp.OutOfMemoryError, match=expected):
        gdp.run(finished, overrides="train.batch=2000000000", folder=finished.parent / "runs" / "tiny")
    refused = gdp_command("run", finished, "--dry-run", "--set", "train.batch=2000000000", cwd=finished.parent)
    assert refused.exit_code == 1
    assert "FAIL student: the pictures of a batch of 2,000,000,000 pairs" in " ".join(refused.output.split())
