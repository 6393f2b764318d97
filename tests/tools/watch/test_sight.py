"""What is seen of a run's folder, whoever works there or left it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.core.errors import DiskFullError, MissingResourceError
from gdp.core.progress import SilentProgress
from gdp.core.run_folder import RunFolder
from gdp.support.finished_stages import outdated, still_finished
from gdp.tools.watch import look, newest_run
from gdp.tools.watch.recording import PROGRESS, RecordedProgress


def a_run(folder: Path, state: str = "running", updated: str = "2026-01-03T10:11:12+00:00") -> RunFolder:
    """Return a run that is in the midst of its training."""
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    (folder / "lock").touch()
    (folder / "run.json").write_text(json.dumps({"name": folder.name, "state": state, "updated_at": updated}))
    (folder / "stages.json").write_text(json.dumps({"pairs": {"key": "k", "summary": {}, "seconds": 75}}))
    run.event("stage", stage="pairs", seconds=75, summary={})
    run.event("stage-begins", stage="train")
    samples = folder / "train" / "0123" / "samples"
    samples.mkdir(parents=True)
    lines = [{"step": step, "phase": "all", "generator": 3.0 - step / 10, "generator.l1": 0.5} for step in (10, 20)]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 30, "gener'
    (samples.parent / "statistics.jsonl").write_text(text)
    (samples / "step-000010.png").touch()
    return run


def gdp(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_what_an_earlier_student_left_is_not_finished_while_another_is_trained() -> None:
    entry: dict[str, object] = {}
    whole = dict.fromkeys(["report", "pairs", "mine", "teacher", "evaluate", "export", "filter", "train"], entry)
    ordered = ["teacher", "pairs", "filter", "train", "evaluate", "export", "report", "mine"]
    assert still_finished(whole, {}) == ordered
    assert still_finished({name: entry for name in whole if name != "train"}, {}) == [
        "teacher",
        "pairs",
        "filter",
        "mine",
    ]
    assert still_finished({name: entry for name in whole if name != "pairs"}, {}) == ["teacher", "mine"]
    assert still_finished({name: entry for name in whole if name != "teacher"}, {}) == ordered[1:]


def test_what_an_earlier_recipe_asked_for_is_not_finished() -> None:
    def at(second: int, key: str) -> dict[str, object]:
        return {"key": key, "finished_at": f"2026-01-01T00:00:{second:02d}+00:00"}

    trained = {"pairs": at(1, "p"), "filter": at(2, "f"), "train": at(20, "new")}
    stages = {**trained, "evaluate": at(10, "old"), "export": at(10, "of both"), "report": at(30, "now")}
    assert outdated(stages, {"train": "new", "export": "of both"}) == ["evaluate"]
    assert outdated(stages, {}) == ["evaluate", "export"]
    assert still_finished(stages, {}) == ["pairs", "filter", "train", "report"]
    judged_anew = {**stages, "filter": at(40, "g")}
    assert outdated(judged_anew, {"pairs": "p", "filter": "g"}) == ["train", "evaluate", "export", "report"]
    mended = {name: at(50 - number, name) for number, name in enumerate(stages)}
    assert outdated(mended, {name: name for name in stages}) == []


def test_a_working_run_tells_its_stage_its_work_and_its_newest_numbers(tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs" / "older")
    progress = RecordedProgress(SilentProgress(), run)
    with run.locked(), progress.task("train", 100, "steps", done=20) as task, progress.task("inner", 4, "pairs"):
        task.advance(30, loss=0.5)
        progress.write()
        sight = look(run)
        row = json.loads(gdp("runs", "--root", tmp_path / "runs", "--json").stdout)[0]
        shown = gdp("watch", run.path, "--once").stdout
    outer, inner = sight.work
    assert (outer.name, outer.done, outer.total, outer.unit, outer.status) == ("train", 50, 100, "steps", {"loss": 0.5})
    assert outer.seconds_left is not None and outer.seconds_left < 60
    assert (inner.name, inner.done, inner.seconds_left) == ("inner", 0, None)
    assert (sight.state, sight.stage, sight.stages, sight.seconds) == ("running", "train", ("pairs",), 75)
    assert (sight.statistics["step"], sight.statistics["generator"]) == (20, 1.0), "a line that is cut short is no line"
    assert sight.samples == run.path / "train" / "0123" / "samples" / "step-000010.png"
    assert [work["name"] for work in row["work"]] == ["train", "inner"]
    for words in ("older: running at train", "50/100 steps (50 %), ", "step     20: generator 1", "generator.l1 0.5"):
        assert words in shown
    assert "step-000010.png" in shown


def test_what_a_killed_process_left_is_not_told_as_work(tmp_path: Path) -> None:
    run = a_run(tmp_path / "killed")
    RecordedProgress(SilentProgress(), run).write()
    sight = look(run)
    assert (sight.state, sight.stage, sight.work) == ("killed", "", ())
    assert sight.statistics["step"] == 20
    assert gdp("watch", run.path).exit_code == 1


@pytest.mark.parametrize(("state", "code"), [("finished", 0), ("stopped", 3), ("failed", 1)])
def test_watching_ends_as_the_run_did(tmp_path: Path, state: str, code: int) -> None:
    run = a_run(tmp_path / "ended", state)
    result = gdp("watch", run.path)
    assert result.exit_code == code
    assert f"ended: {state}" in result.stdout
    assert json.loads(gdp("watch", run.path, "--json").stdout)["state"] == state


@pytest.mark.parametrize("content", ["", "[]", '{"tasks": 5}', '{"time": "now", "tasks": [{}]}', "[" * 100_000])
def test_progress_that_cannot_be_understood_is_not_told(tmp_path: Path, content: str) -> None:
    run = a_run(tmp_path / "odd")
    (run.path / PROGRESS).write_text(content)
    with run.locked():
        assert (look(run).state, look(run).work) == ("running", ())


def test_without_a_name_the_run_at_work_is_watched_or_else_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingResourceError, match="runs: there is no run here"):
        newest_run(Path("runs"))
    first = a_run(tmp_path / "runs" / "first", updated="2026-01-01T00:00:00+00:00")
    a_run(tmp_path / "runs" / "second", "finished", updated="2026-02-01T00:00:00+00:00")
    (tmp_path / "runs" / "odd").mkdir()
    (tmp_path / "runs" / "odd" / "run.json").write_text("[")
    assert newest_run(Path("runs")).path.name == "second"
    with first.locked():
        assert json.loads(gdp("watch", "--json").stdout)["name"] == "first"
    assert gdp("watch", "third").exit_code == 1


def test_a_disk_that_cannot_hold_the_progress_does_not_end_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path / "full")

    def refuse(self: RunFolder, name: str, data: object) -> None:
        raise DiskFullError("no space left")

    monkeypatch.setattr(RunFolder, "write_json", refuse)
    progress = RecordedProgress(SilentProgress(), run)
    with progress.task("train", 10, "steps") as task:
        task.advance(5)
    progress.clear()
    assert not (run.path / PROGRESS).exists()


def test_a_process_that_wrote_nothing_leaves_the_progress_of_another_at_work_and_takes_that_of_a_killed_one_away(
    tmp_path: Path,
) -> None:
    run = a_run(tmp_path / "held")
    with run.locked():
        RecordedProgress(SilentProgress(), run).write()
        RecordedProgress(SilentProgress(), run).clear()
        assert (run.path / PROGRESS).exists()
    RecordedProgress(SilentProgress(), run).clear()
    assert not (run.path / PROGRESS).exists()
