"""`gdp estimate` and the limits of `gdp run`, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from tiny_world import make_tiny_world
from typer.testing import CliRunner

from gdp.api import open_session
from gdp.cli.app import app
from gdp.cli.common import EXIT_STOPPED
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.training import rehearse
from gdp.support.directions import sample_w
from gdp.support.measuring import forget_peak, peak_bytes, present_bytes
from gdp.tools.estimate import pairs
from gdp.tools.estimate.pairs import stand_in_pairs
from gdp.tools.estimate.probing import estimate as probe
from gdp.tools.estimate.steps import count_training, few_pairs
from gdp.tools.estimate.trial import ManyPairs, open_trial_run
from gdp.tools.estimate.works import Arithmetic


def gdp_command(*arguments: str | Path, code: int = 0) -> str:
    """Run a command in this process, which has torch already."""
    finished = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert finished.exit_code == code, finished.output
    return finished.stdout


def estimate(recipe: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        gdp_command("estimate", recipe, "--json", "--seconds", "0.2", *folder_of(recipe), *arguments)
    )
    return found


def folder_of(recipe: Path) -> tuple[str | Path, ...]:
    return "--folder", recipe.parent / "runs" / "tiny"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


TOLL = '''
"""A filter that pays for its answers, though pictures stay on this machine."""

import gdp

class TollConfig(gdp.Config):
    """Settings of `toll`."""

    fee: float = 0.5
    """Dollars for each thousand calls."""

@gdp.hookimpl
def gdp_register_filters(register):
    register("toll", config=TollConfig, implementation="toll:Toll", summary="Asks somebody who wants money")

class Toll(gdp.ScoringFilter):
    """Asks thrice about each source and once about the target."""

    def forecast(self, pairs, sources=1):
        calls = pairs * (3 * sources + 1)
        return gdp.Forecast(calls, seconds_between_calls=0.25, dollars=calls * self.config.fee / 1000)

    def score(self, pairs):
        raise gdp.GdpError("an estimate must not pay")

    def decide(self, scores):
        return {}
'''


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_world(tmp_path_factory.mktemp("estimate"))


def test_an_estimate_tells_everything_and_touches_nothing(world: Path) -> None:
    before = files(world.parent)
    found = estimate(world, "--price", "0.5")
    assert files(world.parent) == before
    stages = {row["stage"].split(":")[0] for row in found["stages"]}
    assert {"opening", "teacher", "pairs", "filter", "train", "evaluate", "export", "report"} <= stages
    whole = found["total"]
    assert 0 < whole["low"] <= whole["seconds"] <= whole["high"]
    assert whole["seconds"] == pytest.approx(sum(row["seconds"] for row in found["stages"]))
    assert found["dollars_here"] == pytest.approx(whole["seconds"] / 3600 * 0.5)
    assert found["peak_memory_bytes"] > 1e8
    assert found["disk_bytes"] > 1e4
    assert found["pairs"]["made"] == 96
    assert found["pairs"]["train"] + found["pairs"]["held_out"] == found["pairs"]["kept"]
    assert found["calls"] == []
    machines = {row["name"]: row for row in found["machines_for_rent"]}
    assert {"g4dn.xlarge", "g3s.xlarge", "c5.2xlarge", "t2.medium", "g6.xlarge", "c7i.2xlarge"} <= set(machines)
    assert not machines["g3s.xlarge"]["possible"]
    assert "7.5" in machines["g3s.xlarge"]["why_not"]
    assert {"synthesis", "forward", "training", "files"} <= set(found["kinds"])
    assert machines["g4dn.xlarge"]["kinds"]["training"]["basis"] == "measured"
    assert machines["c7i.2xlarge"]["kinds"]["training"]["basis"] == "from here"
    assert found["device_memory_bytes"] > 1e5
    assert found["prices"]["date"]


def test_a_run_of_few_steps_on_more_pairs_than_they_see_is_estimated(world: Path) -> None:
    found = estimate(world, "--set", "train.steps=2", "--set", "train.batch=1")
    assert any(row["stage"].startswith("train") and row["seconds"] > 0 for row in found["stages"])


def test_longer_trainings_take_longer(world: Path) -> None:
    rows = {row["stage"]: row for row in estimate(world, "--set", "train.steps=1000000")["stages"]}
    others = sum(row["seconds"] for stage, row in rows.items() if not stage.startswith("train"))
    assert rows["train: steps"]["seconds"] > 10 * others


def test_limits_stop_a_run_which_the_same_command_takes_up(world: Path) -> None:
    stopped = json.loads(gdp_command("run", world, "--json", "--max-hours", "0", *folder_of(world), code=EXIT_STOPPED))
    assert stopped["state"] == "stopped"
    assert "hours" in stopped["limit"]
    assert stopped["left"][0] == "teacher"
    cost = ("--max-cost", "0.000001", "--price", "1000000")
    text = gdp_command("run", world, *cost, *folder_of(world), code=EXIT_STOPPED)
    assert "$ is reached" in text
    assert "the same command goes on from here" in text
    gone_on = json.loads(gdp_command("run", world, "--json", "--max-hours", "1", *folder_of(world)))
    assert gone_on["state"] == "finished"
    assert "limit" not in gone_on


def test_what_is_done_already_takes_no_time(world: Path) -> None:
    gdp_command("run", world, "--json", *folder_of(world))
    rows = {row["stage"]: row for row in estimate(world)["stages"]}
    assert all(row["seconds"] == 0 for stage, row in rows.items() if stage != "opening")
    assert all(row["how"] == "up to date" for stage, row in rows.items() if stage != "opening")
    changed = {row["stage"] for row in estimate(world, "--set", "train.steps=30")["stages"] if row["seconds"] > 0}
    assert "train: steps" in changed
    assert not any(stage.startswith(("pairs", "filter")) for stage in changed)


def test_paid_filters_are_reckoned_and_never_asked(world: Path) -> None:
    """The endpoint is no service, and there is no key: a call would fail."""
    recipe = world.with_name("paid.toml")
    paid = '[[filters]]\nplugin = "azure-face"\nendpoint = "https://nobody.invalid"\nprice_per_1000_calls = 2.0\n\n'
    recipe.write_text(world.read_text().replace("[student]\n", f"{paid}[student]\n"))
    found = estimate(recipe)
    (calls,) = found["calls"]
    assert calls["filter"] == "azure-face"
    assert 0 < calls["calls"] <= 2 * 96
    assert calls["dollars"] == pytest.approx(calls["calls"] * 2.0 / 1000)
    assert calls["seconds"] == pytest.approx(calls["calls"] / 10), "10 calls a second is its usual rate"
    for row in found["machines_for_rent"]:
        if row["possible"]:
            assert row["kinds"]["network"]["seconds"] == pytest.approx(calls["seconds"]), "nobody waits faster"
            assert row["dollars"] is None or row["dollars"] > calls["dollars"]
    assert found["pairs"]["kept_low"] < found["pairs"]["kept"] < found["pairs"]["made"], "what it keeps is not known"


def test_a_paid_filter_of_somebody_else_is_reckoned_as_it_foretells(world: Path) -> None:
    plugins = world.parent / "plugins"
    plugins.mkdir()
    (plugins / "toll.py").write_text(TOLL)
    recipe = world.with_name("toll.toml")
    recipe.write_text(
        world.read_text().replace("[student]\n", '[[filters]]\nplugin = "toll"\nfee = 8.0\n\n[student]\n')
    )
    found = estimate(recipe, "--plugins-dir", str(plugins))
    (calls,) = found["calls"]
    assert calls["filter"] == "toll"
    assert calls["calls"] > 0
    assert calls["calls"] % 4 == 0, "four calls a pair"
    assert calls["dollars"] == pytest.approx(calls["calls"] * 0.008)
    assert calls["seconds"] == pytest.approx(calls["calls"] / 4)
    (row,) = [row for row in found["stages"] if row["stage"] == "filter: toll"]
    assert row["seconds"] == pytest.approx(calls["seconds"])
    assert "not asked" in row["how"]


EDITOR = '''
"""A pair source that pays for each picture."""

import gdp

class EditorConfig(gdp.Config):
    """Settings of `editor`."""

    says: bool = True
    """Whether it says what it costs."""

@gdp.hookimpl
def gdp_register_pair_sources(register):
    needs = gdp.Needs(network=True)
    register("editor", config=EditorConfig, implementation="editor:Editor", summary="Asks an editor", needs=needs)

class Editor(gdp.PairSource):
    """Asks somebody to edit a picture."""

    resolution = 32

    def forecast(self, pairs):
        if not self.config.says:
            return gdp.Forecast()
        return gdp.Forecast(calls=pairs, seconds_between_calls=2.0, dollars=pairs * 0.04)

    def make(self, indices):
        raise AssertionError("a call that is charged")
'''


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Write a recipe whose pairs somebody else makes, and the plugin that asks for them."""
    folder = tmp_path_factory.mktemp("editor")
    recipe, plugins = make_tiny_world(folder), folder / "plugins"
    plugins.mkdir()
    (plugins / "editor.py").write_text(EDITOR)
    text = recipe.read_text()
    begin, end = text.index("[teacher]"), text.index("[[filters]]")
    recipe.write_text(text[:begin] + '[pairs]\nplugin = "editor"\ncount = 500\nheld_out = 0.2\n\n' + text[end:])
    return recipe, str(plugins)


def test_a_paid_pair_source_is_reckoned_and_never_asked(editor: tuple[Path, str]) -> None:
    recipe, plugins = editor
    found = estimate(recipe, "--plugins-dir", plugins)
    (calls,) = found["calls"]
    assert (calls["plugin"], calls["calls"]) == ("editor", 500)
    assert found["calls_dollars"] == pytest.approx(20.0)
    assert found["kinds"]["network"]["seconds"] == pytest.approx(1000)
    assert found["total"]["seconds"] > 1000
    stages = {row["stage"]: row for row in found["stages"]}
    assert "train: steps" in stages, "what comes after it is tried with stand-ins"
    assert found["pairs"]["kept_low"] < found["pairs"]["kept"] < 500


def test_a_paid_pair_source_that_says_nothing_is_told_as_unknown(editor: tuple[Path, str]) -> None:
    recipe, plugins = editor
    found = estimate(recipe, "--plugins-dir", plugins, "--set", "pairs.says=false")
    (row,) = [row for row in found["stages"] if row["stage"] == "pairs"]
    assert not row["known"]
    assert "forecast" in row["how"]
    assert not found["total"]["complete"]


def test_a_dry_run_pays_nothing(editor: tuple[Path, str]) -> None:
    recipe, plugins = editor
    told = gdp_command("run", recipe, "--dry-run", "--plugins-dir", plugins, *folder_of(recipe))
    assert "500 calls, 20.00 $" in told
    assert "none was made on trial" in told
    assert "ready to run" in told


def test_the_share_that_is_kept_may_be_said(world: Path, tmp_path: Path) -> None:
    found = estimate(world, "--keep", "0.5", "--folder", str(tmp_path / "new"))
    assert found["pairs"]["kept"] == found["pairs"]["kept_low"] == found["pairs"]["kept_high"] == 48


def test_everything_fits_into_80_columns(world: Path) -> None:
    told = gdp_command("estimate", world, "--seconds", "0.2", *folder_of(world), "--set", "train.steps=100000000")
    assert max(map(len, told.splitlines())) <= 80
    for said in ("how it is known", "g3s.xlarge", "GPU too old", "prices of", "whole run", "held out", "on its device"):
        assert said in told, told


SLOW = '''
"""An evaluator that takes for ever and tells no progress, and one that can be counted."""

import torch
import gdp

class SlowConfig(gdp.Config):
    """Settings of `slow`."""

@gdp.hookimpl
def gdp_register_evaluators(register):
    register("slow", config=SlowConfig, implementation="slow:Slow", summary="Takes its time")

class SlowSourceConfig(gdp.Config):
    """Settings of `slow-source`."""

@gdp.hookimpl
def gdp_register_pair_sources(register):
    register("slow-source", config=SlowSourceConfig, implementation="slow:SlowSource", summary="Takes its time")

class SlowSource(gdp.PairSource):
    """Needs minutes for its first pair."""

    resolution = 16

    def make(self, indices):
        picture = torch.zeros(1, 64, 64, 64)
        weight = torch.zeros(64, 64, 3, 3)
        for _ in range(100_000):
            torch.conv2d(picture, weight)
        raise AssertionError("nobody waits for it")

class Slow(gdp.Evaluator):
    """Runs the student again and again."""

    def evaluate(self, context):
        picture = torch.zeros(16, 3, 16, 16)
        for _ in range(2000):
            context.predict(picture)
        return gdp.Evaluation()
'''


@pytest.fixture(scope="module")
def slow(world: Path) -> str:
    """Write plugins that take for ever, and return their folder."""
    plugins = world.parent / "slow_plugins"
    plugins.mkdir()
    (plugins / "slow.py").write_text(SLOW)
    return str(plugins)


def test_pairs_that_take_too_long_are_broken_off_and_the_rest_is_tried_without_them(world: Path, slow: str) -> None:
    recipe = world.with_name("slow_pairs.toml")
    text = world.read_text()
    begin, end = text.index("[teacher]"), text.index("[[filters]]")
    recipe.write_text(text[:begin] + '[pairs]\nplugin = "slow-source"\ncount = 500\n\n' + text[end:])
    rows = {row["stage"]: row for row in estimate(recipe, "--plugins-dir", slow)["stages"]}
    assert not rows["pairs"]["known"]
    assert "raise --seconds" in rows["pairs"]["how"]
    assert rows["train: steps"]["seconds"] > 0


def test_work_that_cannot_be_tried_in_the_time_is_broken_off_and_said_so(world: Path, slow: str) -> None:
    recipe = world.with_name("slow.toml")
    recipe.write_text(world.read_text() + '\n[[evaluators]]\nplugin = "slow"\n')
    found = estimate(recipe, "--plugins-dir", slow)
    (row,) = [row for row in found["stages"] if row["stage"] == "evaluate: slow"]
    assert "no unit done" in row["how"] or "not done" in row["how"]
    assert not row["known"] or row["high"] > 4 * row["low"], "its spread is wide"
    assert not row["known"] or row["seconds"] > 0.4, "longer than it was watched"


def test_a_public_direction_is_measured_on_numbers_before_shapes_are_counted(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which generator it belongs to shows in w alone: of shapes it looks like a stranger's, or like anything."""
    session = open_session(world, device="cpu")
    assert isinstance(session.teacher, LatentTeacher)
    w = sample_w(session.teacher)
    widest = torch.linalg.svd(w - w.mean(0), full_matrices=False)[2][:1]
    numpy.save(world.with_name("widest.npy"), widest.float().numpy())
    counted: list[Arithmetic] = []
    real = pairs._count

    def count(*given: Any) -> Arithmetic:
        counted.append(real(*given))
        return counted[-1]

    monkeypatch.setattr(pairs, "_count", count)
    asked = open_session(world, overrides=["pairs.direction=widest.npy"], device="cpu")
    parts = probe(asked, seconds=0.2).parts
    assert counted[0].multiplied > 0
    assert all(part.known for part in parts if part.stage == "pairs")


@pytest.mark.training
def test_the_memory_of_a_step_is_what_the_step_takes(tmp_path: Path) -> None:
    """Counted of shapes alone, held against the peak of this process while the same step runs on a processor."""
    changes = ["student.width=256", "student.blocks=3", "train.batch=2", "train.ema_half_life=10"]
    session = open_session(make_tiny_world(tmp_path), overrides=changes, device="cpu")
    trial = open_trial_run(session, tmp_path / "trial")
    with trial.open_store() as store:
        store.append(stand_in_pairs(trial, range(2)))
        few = few_pairs(trial, ManyPairs(store, store.indices()), 2, 0)
        counted = count_training(trial, few, 10)
        settings = trial.recipe.train.model_copy(update={"steps": 10})
        before, place = present_bytes(), torch.device("cpu")
        if before is None or not forget_peak():
            pytest.skip("this system does not tell what a process holds")
        student, losses = trial.new_student(), trial.new_losses()
        with rehearse(student, losses, few, settings, tmp_path, seed=0, device=place, teacher=trial.teacher) as steps:
            steps.step(0)
            steps.step(1)
    peak = peak_bytes()
    assert peak is not None
    assert counted.peak_bytes > 2e8
    assert counted.peak_bytes == pytest.approx(peak - before, rel=0.3)
    assert counted.whole(10).multiplied == pytest.approx(10 * counted.steps[0].multiplied)
