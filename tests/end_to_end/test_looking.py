"""A run that was given away: its pairs can be looked at and judged anew without what they were made of."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tiny_translation import make_tiny_translation
from tiny_world import make_tiny_world
from typer.testing import CliRunner, Result

import gdp
from gdp.cli.app import app
from gdp.core.run.pipeline import Plan
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher

SHARPNESS = '\n[[filters]]\nplugin = "sharpness"\n'
DISCRIMINATOR = '\n[[filters]]\nplugin = "discriminator-score"\nonly_score = true\n'
SMALLER = ["train.steps=2", "train.sample_every=2"]
WORLDS: dict[str, tuple[Callable[[Path], Path], str, str, list[str]]] = {
    "stylegan2": (make_tiny_world, "", "direction.safetensors", ["pairs.count=24"]),
    "cyclegan": (make_tiny_translation, SHARPNESS, "nothing", ["dataset.train_count=12", "dataset.test_count=4"]),
}


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def told(*arguments: str | Path) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module", params=WORLDS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The teacher's name, and the folder that holds the recipe, the weights, and the finished run `run`."""
    make, filters, _, overrides = WORLDS[request.param]
    recipe = make(tmp_path_factory.mktemp("finished"))
    recipe.write_text(recipe.read_text() + filters)
    gdp.run(recipe, folder=recipe.parent / "run", overrides=[*SMALLER, *overrides])
    return request.param, recipe.parent


@pytest.fixture
def given_away(finished: tuple[str, Path], tmp_path: Path) -> Iterator[Path]:
    """A copy of the run, while the files that its pairs were made of are away."""
    name, home = finished
    files = [home / "teacher.safetensors", home / WORLDS[name][2]]
    away = [file.rename(file.with_suffix(".away")) for file in files if file.is_file()]
    yield Path(shutil.copytree(home / "run", tmp_path / "runs" / "copy"))
    for file in away:
        file.rename(file.with_suffix(".safetensors"))


@pytest.fixture(params=["with the teacher's plugin", "without the teacher's plugin"])
def options(request: pytest.FixtureRequest, finished: tuple[str, Path]) -> tuple[str, ...]:
    return () if request.param == "with the teacher's plugin" else ("--no-plugin", finished[0])


@pytest.mark.parametrize("notes", ["as it is", "of an older gdp"])
def test_a_run_is_looked_at_without_its_teacher(given_away: Path, options: tuple[str, ...], notes: str) -> None:
    if notes == "of an older gdp":
        (given_away / "keys.json").unlink()
        (given_away / "held_out.json").unlink()
    funnel = json.loads((given_away / "funnel.json").read_text())
    pairs = told("pairs", given_away, *options)
    assert (pairs["made"], pairs["kept"], pairs["pending"]) == (funnel["made"], funnel["kept"], 0)
    dry = told("filter", given_away, "--dry-run", *options)
    assert (dry["before"], dry["after"]["kept"], dry["stale"]) == (funnel, funnel["kept"], [])
    (given_away / "report.html").unlink()
    assert command("report", given_away, *options).exit_code == 0
    assert (given_away / "report.html").is_file()
    (row,) = told("runs", "--root", given_away.parent, *options)
    assert row["state"] == "finished"


@pytest.mark.parametrize("notes", ["as it is", "of an older gdp"])
def test_the_same_pairs_leave_the_training_as_it_is(given_away: Path, options: tuple[str, ...], notes: str) -> None:
    if notes == "of an older gdp":
        (given_away / "keys.json").unlink()
    assert told("filter", given_away, "--set", "filters.0.min_sharpness=0.001", *options)["stale"] == []


@pytest.mark.parametrize("finished", ["stylegan2"], indirect=True)
@pytest.mark.parametrize(
    "text", ["[", '["a"]', '"a"', "null", "7", '{"store": 5}', '{"store": "../.."}', '{"pairs": null}']
)
def test_damaged_notes_of_the_keys_are_told(finished: tuple[str, Path], tmp_path: Path, text: str) -> None:
    run = Path(shutil.copytree(finished[1] / "run", tmp_path / "run"))
    (run / "keys.json").write_text(text)
    for arguments in (["pairs", run], ["pairs", run, "--repair"], ["filter", run, "--dry-run"], ["filter", run]):
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"error: {run / 'keys.json'}: " in result.stderr
        assert "delete it and run the same command again" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    (run / "keys.json").unlink()
    assert told("pairs", run)["pending"] == 0


@pytest.mark.parametrize("finished", ["stylegan2"], indirect=True)
def test_notes_that_lack_a_key_ask_for_a_run(finished: tuple[str, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished[1] / "run", tmp_path / "run"))
    keys = json.loads((run / "keys.json").read_text())
    for name in ("teacher", "pairs"):
        (run / "keys.json").write_text(
            json.dumps({each: key for each, key in keys.items() if each not in (name, "check")})
        )
        result = command("filter", run, "--dry-run")
        assert result.exit_code == 1
        assert "not all pairs of this run are made yet; gdp run makes them" in result.stderr


def test_a_run_is_judged_anew_without_its_teacher(
    given_away: Path, finished: tuple[str, Path], options: tuple[str, ...]
) -> None:
    pairs = told("pairs", given_away, "--limit", "100", *options)["pairs"]
    scores = [row["filters"]["sharpness"] for row in pairs]
    sharpness = sorted(min(score["source"], score["target"]) for score in scores)
    half = f"filters.0.min_sharpness={sharpness[len(sharpness) // 2]}"
    judged = told("filter", given_away, "--set", half, *options)
    assert 0 < judged["after"]["kept"] < judged["before"]["kept"]
    assert judged["stale"][0] == "train"
    recipe = tomllib.loads((given_away / "recipe.toml").read_text())
    assert recipe["teacher"] == tomllib.loads((finished[1] / "run" / "recipe.toml").read_text())["teacher"]


def test_the_judgement_without_a_teacher_is_the_one_with_it(
    given_away: Path, finished: tuple[str, Path], tmp_path: Path
) -> None:
    overrides = ["filters.0.min_sharpness=400", "pairs.held_out=0.4"]
    told("filter", given_away, *(word for override in overrides for word in ("--set", override)))
    with_teacher = Path(shutil.copytree(finished[1] / "run", tmp_path / "with"))
    for file in finished[1].glob("*.away"):
        shutil.copyfile(file, file.with_suffix(".safetensors"))
    gdp.run(with_teacher, overrides=overrides, plan=Plan(until="filter"))
    for name in ("funnel.json", "held_out.json", "keys.json"):
        assert json.loads((given_away / name).read_text()) == json.loads((with_teacher / name).read_text()), name
    assert gdp.run(given_away, plan=Plan(until="filter")).outcome.done == ()


def test_a_filter_that_needs_the_teacher_says_so_and_can_be_left_out(tmp_path: Path) -> None:
    recipe = make_tiny_translation(tmp_path)
    without = tmp_path / "without.toml"
    without.write_text(recipe.read_text() + SHARPNESS)
    recipe.write_text(recipe.read_text() + SHARPNESS + DISCRIMINATOR)
    run = tmp_path / "run"
    smaller = ["dataset.train_count=12", "dataset.test_count=4"]
    gdp.run(recipe, folder=run, overrides=smaller, plan=Plan(until="filter"))
    (tmp_path / "teacher.safetensors").unlink()
    for arguments in (["pairs", run], ["filter", run, "--dry-run"], ["filter", run]):
        result = command(*arguments)
        assert result.exit_code == 1
        assert "filter discriminator-score needs the teacher, which is not here" in result.stderr
        assert f"{tmp_path / 'teacher.safetensors'}: there are no such weights" in result.stderr
        assert "Or leave this filter out; of a run that has its pairs by gdp filter RUN --recipe" in result.stderr
    sets = [word for override in smaller for word in ("--set", override)]
    assert told("filter", run, "--recipe", without, *sets)["after"]["kept"] == 16
    assert told("pairs", run)["kept"] == 16


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The teachers that were loaded."""
    names: list[str] = []
    real = StyleGAN2Teacher.__init__

    def counted(self: StyleGAN2Teacher, config: Any, context: Any) -> None:
        names.append(str(config.weights))
        real(self, config, context)

    monkeypatch.setattr(StyleGAN2Teacher, "__init__", counted)
    return names


@pytest.mark.parametrize("finished", ["stylegan2"], indirect=True)
class TestAFinishedRun:
    """What `gdp run` loads where nothing or something has changed."""

    @pytest.fixture
    def world(self, finished: tuple[str, Path], tmp_path: Path) -> Path:
        return Path(shutil.copytree(finished[1], tmp_path / "world"))

    def again(self, world: Path) -> tuple[str, ...]:
        overrides = [*SMALLER, *WORLDS["stylegan2"][3]]
        return gdp.run(world / "tiny.toml", folder=world / "run", overrides=overrides).outcome.done

    def test_it_loads_no_teacher_where_nothing_changed(self, world: Path, loaded: list[str]) -> None:
        assert self.again(world) == ()
        assert loaded == []

    def test_it_notices_other_weights_in_the_same_file(self, world: Path, loaded: list[str]) -> None:
        weights = load_file(world / "teacher.safetensors")
        changed = {name: tensor + 0.01 if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
        save_file(changed, world / "teacher.safetensors")
        assert self.again(world)[:2] == ("teacher", "pairs")
        assert len(loaded) == 1

    def test_it_goes_by_what_the_file_holds_and_not_by_its_time(self, world: Path, loaded: list[str]) -> None:
        os.utime(world / "teacher.safetensors", (0, 0))
        assert self.again(world) == ()
        assert loaded == []

    def test_it_loads_a_teacher_that_names_no_files(
        self, world: Path, loaded: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(StyleGAN2Teacher, "weight_files", staticmethod(lambda config: ()))
        assert self.again(world) == ()
        assert len(loaded) == 1
