"""`gdp estimate` and the limits of `gdp run`, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_world import make_tiny_world
from typer.testing import CliRunner

from gdp.cli.app import app


def gdp_command(*arguments: str | Path) -> str:
    """Run a command in this process, which has torch already."""
    finished = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert finished.exit_code == 0, finished.output
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
    assert [row["name"] for row in found["machines_for_rent"]] == [
        "g4dn.xlarge",
        "g3s.xlarge",
        "c5.2xlarge",
        "t2.medium",
    ]
    assert found["calls"] == []


def test_longer_trainings_take_longer(world: Path) -> None:
    rows = {row["stage"]: row for row in estimate(world, "--set", "train.steps=1000000")["stages"]}
    others = sum(row["seconds"] for stage, row in rows.items() if not stage.startswith("train"))
    assert rows["train: steps"]["seconds"] > 10 * others


def test_limits_stop_a_run_which_the_same_command_takes_up(world: Path) -> None:
    stopped = json.loads(gdp_command("run", world, "--json", "--max-hours", "0", *folder_of(world)))
    assert stopped["state"] == "stopped"
    assert "hours" in stopped["limit"]
    assert stopped["left"][0] == "teacher"
    cost = ("--max-cost", "0.000001", "--price", "1000000")
    text = gdp_command("run", world, *cost, *folder_of(world))
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
    assert found["machines_for_rent"][0]["dollars"] > calls["dollars"]


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
