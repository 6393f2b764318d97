"""A recipe's variants: trained and measured in the same run, each repeated only where something of it changed."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import finish, kill_when
from tiny_world import make_tiny_world

from gdp.api import open_session
from gdp.core.errors import MissingResourceError
from gdp.core.run.pipeline import Plan, execute
from gdp.tools.preflight import preflight
from gdp.tools.report.folder import STAGES

COMPARE = """
[compare]
seeds = 2
metrics = ["quality.held_out.psnr_db", "pairs.kept"]

[[compare.variants]]
name = "Without L1"
without = ["l1"]

[[compare.variants]]
name = "unfiltered"
change = { filters = [], train = { learning_rate = 1e-3 } }

[[compare.variants]]
name = "stronger"
[compare.variants.change]
pairs = { strength = 2.0, count = 40 }
"""
SHORT = ("train.steps=6", "train.sample_every=3", "train.checkpoint_every=2")
ONE = (
    "train.steps=16",
    "train.sample_every=8",
    "train.checkpoint_every=2",
    "compare.seeds=1",
    "compare.variants[2]=",
    "compare.variants[1]=",
)


def make_recipe(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    recipe = make_tiny_world(folder)
    text = recipe.read_text().replace("count = 96", "count = 48").replace("max_distance = 0", "max_distance = 8")
    recipe.write_text(text + COMPARE)
    return recipe


def run(
    recipe: Path, *overrides: str, stop: Callable[[], bool] = lambda: False, repeat_from: str | None = None
) -> list[str]:
    session = open_session(recipe, folder=recipe.parent / "run", overrides=overrides, device="cpu", stop_requested=stop)
    return [str(stage) for stage in execute(session, Plan(repeat_from)).done]


def read(recipe: Path, name: str = "variants.json") -> Any:
    return json.loads((recipe.parent / "run" / name).read_text())


def trained_now(recipe: Path) -> int:
    count: int = read(recipe, "stages.json")["compare"]["summary"]["trained_now"]
    return count


def weights(recipe: Path) -> dict[str, str]:
    root = recipe.parent / "run"
    files = sorted(root.glob("**/train/*/student.safetensors"))
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = make_recipe(tmp_path_factory.mktemp("compared"))
    assert run(recipe, *SHORT) == list(STAGES)
    return recipe


def variant(recipe: Path, name: str) -> dict[str, Any]:
    (found,) = [each for each in read(recipe)["variants"] if each["name"] == name]
    return dict(found)


def test_every_variant_is_trained_with_every_seed_for_as_many_steps(finished: Path) -> None:
    variants = read(finished)["variants"]
    assert [each["name"] for each in variants] == ["everything", "Without L1", "unfiltered", "stronger"]
    for each in variants:
        assert [training["seed"] for training in each["trainings"]] == [3, 4]
        assert {training["steps"] for training in each["trainings"]} == {6}
        first, second = each["metrics"]["quality.held_out.psnr_db"]["values"]
        assert first != second, "the seeds differ"
    assert trained_now(finished) == 7, "the recipe's own first seed is the run itself"
    (whole, *_) = variants[0]["trainings"]
    measured = read(finished, "metrics.json")["quality"]["held_out"]["psnr_db"]
    assert whole["metrics"]["quality.held_out.psnr_db"] == measured
    assert whole["folder"] == read(finished, "stages.json")["train"]["summary"]["folder"]


def test_variants_differ_from_the_recipe_as_they_say(finished: Path) -> None:
    def statistics(name: str) -> set[str]:
        folder = finished.parent / "run" / variant(finished, name)["trainings"][0]["folder"]
        return set(json.loads((folder / "statistics.jsonl").read_text().splitlines()[-1]))

    assert "generator.l1" in statistics("everything")
    assert "generator.l1" not in statistics("Without L1")
    assert "generator.l1" in statistics("unfiltered")


def test_pairs_are_shared_where_they_are_alike_and_splits_are_kept_apart(finished: Path) -> None:
    folder = finished.parent / "run"
    kept = {name: variant(finished, name)["metrics"]["pairs.kept"]["values"] for name in ("everything", "unfiltered")}
    assert kept["unfiltered"] == [48, 48]
    assert kept["everything"][0] == kept["everything"][1] < 48, "the run's own split is as it was"
    assert variant(finished, "stronger")["metrics"]["pairs.kept"]["max"] <= 40
    assert len(list((folder / "pairs").iterdir())) == 2, "only stronger pairs had to be made"
    assert not list(folder.glob("variants/*/pairs"))


def test_the_differences_are_to_the_recipe_as_it_is(finished: Path) -> None:
    base = variant(finished, "everything")["metrics"]["quality.held_out.psnr_db"]
    other = variant(finished, "Without L1")["metrics"]["quality.held_out.psnr_db"]
    assert "difference" not in base
    assert other["difference"] == pytest.approx(other["mean"] - base["mean"])
    assert other["verdict"] in ("better", "worse", "within the spread")


def test_the_report_shows_the_table_and_the_curves(finished: Path) -> None:
    page = (finished.parent / "run" / "report.html").read_text()
    assert "Variants of the recipe" in page
    assert "held_out_l1 of the variants over training steps" in page


def test_finished_trainings_leave_no_checkpoints_and_are_not_repeated(finished: Path) -> None:
    folder = finished.parent / "run"
    assert not list(folder.glob("variants/*/train/*/checkpoints"))
    assert run(finished, *SHORT) == []


def test_only_what_changed_is_repeated(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished.parent, tmp_path / "copy")
    copy = tmp_path / "copy" / finished.name
    assert run(copy, *SHORT, "compare.variants[1].change.train.learning_rate=2e-3") == ["compare", "report"]
    assert trained_now(copy) == 2, "one variant, two seeds"
    assert weights(finished).items() <= weights(copy).items()


def test_more_numbers_and_seeds_need_no_training_that_was_done(finished: Path) -> None:
    assert run(finished, *SHORT, 'compare.metrics=["quality.held_out.ssim"]') == ["compare", "report"]
    assert trained_now(finished) == 0
    assert list(read(finished)["metrics"]) == ["quality.held_out.ssim"]
    assert run(finished, *SHORT, 'compare.metrics=["quality.held_out.ssim"]', "compare.seeds=1") == [
        "compare",
        "report",
    ]
    assert trained_now(finished) == 0
    assert variant(finished, "Without L1")["metrics"]["quality.held_out.ssim"]["verdict"] is None
    assert run(finished, *SHORT) == ["compare", "report"]
    assert trained_now(finished) == 0


def test_repeated_measurements_repeat_no_training(finished: Path) -> None:
    before = weights(finished)
    assert run(finished, *SHORT, repeat_from="compare") == ["compare", "report"]
    assert trained_now(finished) == 0
    assert weights(finished) == before


def test_a_recipe_without_a_comparison_has_no_such_stage(finished: Path) -> None:
    assert run(finished, *SHORT, "compare=") == ["report"]
    assert "compare" not in read(finished, "stages.json")
    assert "Variants of the recipe" not in (finished.parent / "run" / "report.html").read_text()
    assert run(finished, *SHORT) == ["compare", "report"]
    assert trained_now(finished) == 0


def test_an_unknown_number_is_refused_before_anything_is_trained(finished: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"measures quality\.held_out\.psnr; did you mean"):
        run(finished, *SHORT, 'compare.metrics=["quality.held_out.psnr"]')


def asked_in_the_third_step_of(folder: Path) -> Callable[[], bool]:
    def counts() -> Iterator[bool]:
        asked = 0
        while True:
            asked += (folder / "run" / "variants").is_dir()
            yield asked > 4

    answers = counts()
    return lambda: next(answers)


def test_a_stopped_and_a_killed_comparison_end_in_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    whole, stopped, killed = (make_recipe(tmp_path / name) for name in ("whole", "stopped", "killed"))
    run(whole, *ONE)
    expected = sorted(weights(whole).values())
    assert len(expected) == 2

    assert run(stopped, *ONE, stop=asked_in_the_third_step_of(stopped.parent)) == []
    assert list((stopped.parent / "run").glob("variants/*/train/*/checkpoints/*"))
    assert len(weights(stopped)) == 1
    assert run(stopped, *ONE) == ["compare", "report"], "the stages before it are kept"
    assert sorted(weights(stopped).values()) == expected

    sets = [argument for override in ONE for argument in ("--set", override)]
    command = ("run", killed.name, "--folder", "run", "--device", "cpu", *sets)

    def checkpoints() -> set[Path]:
        return set((killed.parent / "run").glob("variants/*/train/*/checkpoints/step-*"))

    chance = random.Random(6)
    for _ in range(2):
        before = checkpoints()
        assert kill_when(command, killed.parent, lambda before=before: bool(checkpoints() - before), chance, 0.02)
    finish(command, killed.parent)
    assert sorted(weights(killed).values()) == expected


def test_the_pre_flight_names_the_variant_that_cannot_be_trained(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    session = open_session(
        recipe, overrides=["compare.variants[0].change.student.downsamplings=8"], folder=tmp_path / "run", device="cpu"
    )
    checks = {check.title: check for check in preflight(session)}
    assert not checks["variants"].good
    assert checks["variants"].detail.startswith("Without L1, student: ")
    assert not (tmp_path / "run").exists()


def test_the_pre_flight_counts_the_trainings(tmp_path: Path) -> None:
    session = open_session(make_recipe(tmp_path), folder=tmp_path / "run", device="cpu")
    checks = {check.title: check for check in preflight(session)}
    assert all(check.good for check in checks.values())
    assert checks["variants"].detail.endswith("7 trainings beside the run's own")
    assert checks["stages"].detail == f"to do: {', '.join(STAGES)}"
