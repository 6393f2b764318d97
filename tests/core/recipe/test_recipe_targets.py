"""`[targets]`: goals of measured numbers."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch
from recipe_plugins import VALID, FixedPlugins

from gdp.core.errors import RecipeError
from gdp.core.progress import SilentProgress
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.core.run.session import Session
from gdp.core.run.stages.evaluate import EvaluateStage
from gdp.core.run_folder import RunFolder
from gdp.registry.registry import PluginRegistry
from gdp.tools.report.stage import ReportStage
from gdp.tools.schema import recipe_schema

jsonschema = pytest.importorskip("jsonschema")

PLUGINS = FixedPlugins()
GOALS = """
[targets.quality]
held_out.psnr_db = { min = 20, words = "PSNR" }
held_out.ssim.max = 0.9

[targets]
"speed.ratio" = { min = 3, max = 3 }
"""


def load(folder: Path, goals: str, *overrides: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(VALID + goals, encoding="utf-8")
    return load_recipe(path, PLUGINS, overrides)


def fits_the_schema(goals: str) -> bool:
    return bool(jsonschema.Draft202012Validator(recipe_schema(PLUGINS)).is_valid(tomllib.loads(VALID + goals)))


def test_goals_are_read_by_the_dotted_names_of_the_numbers(tmp_path: Path) -> None:
    targets = load(tmp_path, GOALS).targets
    assert {name: (goal.min, goal.max, goal.words) for name, goal in targets.items()} == {
        "quality.held_out.psnr_db": (20, None, "PSNR"),
        "quality.held_out.ssim": (None, 0.9, ""),
        "speed.ratio": (3, 3, ""),
    }
    assert fits_the_schema(GOALS)


def test_a_recipe_without_goals_has_none_and_writes_none(tmp_path: Path) -> None:
    recipe = load(tmp_path, "")
    assert recipe.targets == {}
    assert "targets" not in recipe.to_data()


def test_the_resolved_recipe_holds_the_same_goals(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOALS)
    (tmp_path / "resolved.toml").write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(tmp_path / "resolved.toml", PLUGINS).targets == recipe.targets


def test_goals_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOALS, "targets.quality.held_out.psnr_db.min=25", "targets.quality.held_out.ssim=")
    assert recipe.targets["quality.held_out.psnr_db"].min == 25
    assert "quality.held_out.ssim" not in recipe.targets


@pytest.mark.parametrize(
    ("goals", "message"),
    [
        ("[targets.speed]\nratio = { mni = 3 }", "targets.speed.ratio.mni: unknown key, did you mean min?"),
        ("[targets.speed]\nratio = { min = 3, max = 2 }", "targets.speed.ratio: min must not exceed max"),
        ("[targets.speed]\nratio = {}", "targets.speed.ratio: give min, max or both"),
        ("[targets.speed]\nratio = { words = 'x' }", "targets.speed.ratio: give min, max or both"),
        ("[targets.speed]\nratio = { min = '3' }", "targets.speed.ratio.min: expected a number, without quotes"),
        ("[targets]\nspeed = 3", "targets.speed: expected a table, got 3"),
        (
            "[targets]\n'speed.ratio' = { min = 3 }\nspeed.ratio = { min = 3 }",
            "targets.speed.ratio: this number has two goals",
        ),
    ],
)
def test_mistakes_are_told_where_they_are(tmp_path: Path, goals: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, goals)
    assert message in str(caught.value)
    assert "recipe.toml:4" in str(caught.value), "the line"


def test_a_list_of_goals_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="targets: expected a table, got an array"):
        load(tmp_path, "[[targets]]\nmin = 3")


@pytest.mark.parametrize("goals", ["[targets.speed]\nratio = { mni = 3 }", "[targets.speed]\nratio = {}"])
def test_what_loading_refuses_does_not_fit_the_schema(goals: str) -> None:
    assert not fits_the_schema(goals)


def test_other_goals_repeat_the_report_and_no_other_stage(tmp_path: Path) -> None:
    keys = []
    for overrides in ([], ["targets.speed.ratio={ min = 5 }"], []):
        session = Session(
            recipe=load(tmp_path, "", *overrides),
            folder=RunFolder(tmp_path / "run"),
            plugins=PluginRegistry(),
            progress=SilentProgress(),
            device=torch.device("cpu"),
        )
        before = dict.fromkeys(("filter", "train", "evaluate", "export", "compare"), "same")
        evaluate, report = (stage(None, session.context()) for stage in (EvaluateStage, ReportStage))
        keys.append((evaluate.key(session, before), report.key(session, before)))
    assert keys[0][0] == keys[1][0] == keys[2][0]
    assert keys[0][1] == keys[2][1] != keys[1][1]
