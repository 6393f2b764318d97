"""`gdp filter`: a run judged by other thresholds, from its stored scores."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import pytest
import stored_pairs
from tiny_world import make_tiny_world
from typer.testing import CliRunner, Result

import gdp
from gdp.api import refilter
from gdp.cli.app import app
from gdp.core.errors import GdpError, RecipeError, RunLockedError
from gdp.core.pairs import PairStore
from gdp.core.run.pipeline import Plan
from gdp.core.run_folder import RunFolder

EXPRESSION = """
[[filters]]
plugin = "expression"
keep = "sharpness.target > 0 and sharpness.source > 0"
"""
DUPLICATE = '[[filters]]\nplugin = "duplicate"'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that is trained; its median sharpness is in `median.txt`."""
    recipe = make_tiny_world(tmp_path_factory.mktemp("trained"))
    recipe.write_text(recipe.read_text().replace(DUPLICATE, EXPRESSION + DUPLICATE))
    folder = recipe.parent / "run"
    gdp.run(recipe, folder=folder, plan=Plan(until="train"))
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def sharpness(run: Path) -> list[float]:
    [folder] = (run / "pairs").iterdir()
    with PairStore.open(folder, read_only=True) as store:
        scores = [row["scores"] for row in stored_pairs.rows(store)]
        [key] = {key for row in scores for key in row if key.startswith("sharpness")}
    return sorted(float(row[key]["target"] or 0) for row in scores if key in row)


def split(run: Path) -> set[int]:
    [folder] = (run / "pairs").iterdir()
    with PairStore.open(folder, read_only=True) as store:
        return {*store.split("train"), *store.split("held_out")}


def digests(run: Path) -> dict[str, str]:
    files = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "lock")
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def half(run: Path) -> str:
    """Return an override that drops about half of the pairs."""
    values = sharpness(run)
    return f'filters.1.keep="sharpness.target > {values[len(values) // 2]}"'


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_a_dry_run_tells_both_funnels_and_touches_nothing(run: Path) -> None:
    before = digests(run)
    found = refilter(run, overrides=[half(run)], dry_run=True)
    assert digests(run) == before
    assert found.before == json.loads((run / "funnel.json").read_text())
    assert found.before["filters"][1]["kept"] == 96
    assert found.after["filters"][1]["kept"] in range(40, 50)
    assert found.after["kept"] <= found.after["filters"][1]["kept"]
    assert list(found.stale) == ["train"]


def test_new_thresholds_become_the_run_s_and_the_next_run_goes_on_from_there(run: Path) -> None:
    tried = refilter(run, overrides=[half(run)], dry_run=True)
    found = refilter(run, overrides=[half(run)])
    funnel = json.loads((run / "funnel.json").read_text())
    assert found.after == funnel
    assert [row["kept"] for row in funnel["filters"]] == [row["kept"] for row in tried.after["filters"]]
    assert len(split(run)) == funnel["kept"] < 50
    recipe = tomllib.loads((run / "recipe.toml").read_text())
    assert recipe["filters"][1]["keep"].startswith("sharpness.target > ")
    assert list(found.stale) == ["train"]
    going_on = gdp.run(run, plan=Plan(until="train"))
    assert going_on.outcome.done == ("train",), "the same pairs, judged already"
    assert gdp.run(run, plan=Plan(until="train")).outcome.done == ()


def test_the_outcome_is_that_of_a_run_with_these_thresholds_from_the_start(run: Path, trained: Path) -> None:
    refilter(run, overrides=[half(run)])
    fresh = run.parent / "fresh"
    gdp.run(trained.parent / "tiny.toml", folder=fresh, overrides=[half(run)], plan=Plan(until="filter"))
    assert json.loads((run / "funnel.json").read_text()) == json.loads((fresh / "funnel.json").read_text())
    assert split(run) == split(fresh)
    assert (run / "recipe.toml").read_text() == (fresh / "recipe.toml").read_text()


def test_the_same_pairs_leave_the_training_as_it_is(run: Path) -> None:
    found = refilter(run, overrides=["filters.1.keep=sharpness.source > 0"])
    assert list(found.stale) == []
    assert gdp.run(run, plan=Plan(until="train")).outcome.done == ()


def test_what_needs_a_measurement_is_refused_with_the_filter_and_the_number_of_pairs(run: Path) -> None:
    kept = refilter(run, overrides=[half(run)]).after["kept"]
    fewer = run.parent / "fewer"
    recipe = run.parent / "fewer.toml"
    recipe.write_text((run / "recipe.toml").read_text())
    gdp.run(recipe, folder=fewer, plan=Plan(until="filter"))  # its filter duplicate never saw the others
    before = digests(fewer)
    everything = 'filters.1.keep="sharpness.target > 0"'
    with pytest.raises(GdpError, match=rf"filter duplicate: {96 - kept} pairs would have to be measured first"):
        refilter(fewer, overrides=[everything])
    assert digests(fewer) == before
    assert refilter(fewer, overrides=[everything], measure=True).after["filters"][1]["kept"] == 96


def test_nothing_but_filters_and_the_split_can_change(run: Path) -> None:
    before = digests(run)
    with pytest.raises(GdpError, match=r"would change pairs\.count, train\.steps"):
        refilter(run, overrides=["train.steps=30", "pairs.count=12"])
    with pytest.raises(RecipeError, match="did you mean min_sharpness"):
        refilter(run, overrides=["filters.0.min_sharpnes=3"])
    with pytest.raises(GdpError, match="No pair would be left"):
        refilter(run, overrides=["filters.1.keep=sharpness.target < 0"])
    with pytest.raises(GdpError, match=r"no score sharpnes|no filter before this one, did you mean sharpness\?"):
        refilter(run, overrides=["filters.1.keep=sharpnes.target < 0"])
    assert digests(run) == before
    assert refilter(run, overrides=["pairs.held_out=0.5"]).stale == ["train"]


def test_filters_can_come_from_another_recipe(run: Path, trained: Path) -> None:
    recipe = trained.parent / "stricter.toml"
    text = (trained.parent / "tiny.toml").read_text()
    recipe.write_text(text.replace(EXPRESSION, ""))
    found = refilter(run, recipe=recipe, dry_run=True)
    assert [row["filter"] for row in found.after["filters"]] == ["sharpness", "duplicate"]


def test_a_run_at_work_is_left_alone(run: Path) -> None:
    with RunFolder(run).locked(), pytest.raises(RunLockedError):
        refilter(run, overrides=[half(run)])


def test_the_command_shows_the_funnels_side_by_side(run: Path) -> None:
    result = command("filter", run, "--set", half(run), "--dry-run")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["BEFORE", "AFTER", "CHANGE"]
    assert any(line.split()[:3] == ["expression", "keeps", "96"] and "-" in line.split()[-1] for line in lines)
    assert lines[-1] == "dry run: nothing was changed; train would have to be done again"
    result = command("filter", run, "--set", half(run), "--json")
    data = json.loads(result.stdout)
    assert data["state"] == "finished"
    assert data["stale"] == ["train"]
    assert data["after"] == json.loads((run / "funnel.json").read_text())


def test_the_command_refuses_in_one_paragraph(run: Path, tmp_path: Path) -> None:
    assert "a dry run measures nothing" in command("filter", run, "--dry-run", "--measure").stderr
    result = command("filter", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "this is no run folder" in result.stderr
