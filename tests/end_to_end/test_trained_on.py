"""A student's card says what it was trained on: size, pairs, what they show, how they look, whose weights taught it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import gdp_command, succeed
from tiny_world import make_tiny_world

import gdp
from gdp.cli.common import EXIT_STOPPED


@pytest.fixture
def finished(finished_run: Path, tmp_path: Path) -> Path:
    """The recipe of a finished run, to be changed."""
    return Path(shutil.copytree(finished_run.parents[1], tmp_path / "finished")) / "tiny.toml"


def card(recipe: Path) -> dict[str, Any]:
    folder = recipe.parent / "runs" / "tiny" / "student"
    content: dict[str, Any] = json.loads((folder / "student.json").read_text())
    return content


def model_card(recipe: Path) -> str:
    return (recipe.parent / "runs" / "tiny" / "student" / "README.md").read_text()


def test_the_licence_of_a_users_weights_is_unknown_and_the_rest_is_written_down(finished: Path) -> None:
    said = card(finished)["trained_on"]
    assert (said["pair_source"], said["teacher"]) == ("latent-direction", "stylegan2")
    assert said["weights_licence"] == "unknown"
    assert said["pictures"] is None
    assert said["resolution"] == 16
    assert said["pairs"] > 40
    assert (said["statistics"]["size"], said["statistics"]["pictures"]) == (16, said["pairs"])
    held_out = said["statistics"]["held_out"]
    assert held_out["pictures"] > 5
    assert 0 <= held_out["unlike"] <= held_out["pictures"] / 4
    log = (finished.parent / "runs" / "tiny" / "log.txt").read_text()
    assert "Apache" not in log
    assert "not known to gdp" in model_card(finished)
    assert "| licence of the teacher's weights | unknown |" in model_card(finished)


def test_what_the_recipe_says_is_written_without_another_training(finished: Path) -> None:
    text = finished.read_text()
    text = text.replace(
        'weights = "teacher.safetensors"', 'weights = "teacher.safetensors"\nweights_licence = "CC-BY-NC-4.0"'
    )
    text = text.replace("count = 96", 'count = 96\nshows = { words = "tilts", one = "tilt", frame = "upright" }')
    finished.write_text(text)
    done = json.loads(succeed("run", finished, "--json", cwd=finished.parent))["done"]
    assert done == ["export", "report"]
    said = card(finished)["trained_on"]
    assert said["weights_licence"] == "CC-BY-NC-4.0"
    assert said["pictures"] == {"words": "tilts", "one": "tilt", "frame": "upright", "aligner": ""}
    assert "under CC-BY-NC-4.0" in model_card(finished)
    assert "`latent-direction`: tilts" in model_card(finished)
    model = gdp.deploy(finished.parent / "runs" / "tiny", engine="torch", threads=1)
    assert model.trained_on is not None
    assert model.trained_on.shows == gdp.PictureKind("tilts", "tilt", "upright")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("count = 96", "count = 96\nshows = { one = 'tilt' }", "pairs.shows.words"),
        ("count = 96", "count = 96\nshows = 'tilts'", "pairs.shows"),
        ("count = 96", "count = 96\nshows = { words = 'x', aligner = '/etc/x.onnx' }", "pairs.shows.aligner"),
        ('plugin = "stylegan2"', 'plugin = "stylegan2"\nweights_licence = 3', "teacher.weights_licence"),
    ],
)
def test_a_mistake_in_what_the_recipe_says_is_told(tmp_path: Path, old: str, new: str, what: str) -> None:
    recipe = make_tiny_world(tmp_path)
    recipe.write_text(recipe.read_text().replace(old, new))
    refused = gdp_command("validate", recipe, cwd=tmp_path)
    assert refused.exit_code == 2
    assert what in refused.stderr + refused.stdout


OF_A_STRANGER = """
import gdp
from gdp.plugins.pair_sources import LatentDirectionConfig
from gdp.plugins.pair_sources.latents import LatentDirectionSource


class Stranger(LatentDirectionSource):
    @property
    def shows(self):
        return {shows}


@gdp.hookimpl
def gdp_register_pair_sources(register):
    register("stranger", config=LatentDirectionConfig, implementation="strange:Stranger", summary="Says what it shows")
"""


@pytest.mark.parametrize(
    ("shows", "expected"),
    [
        ('gdp.PictureKind("cats asleep", "cat")', {"words": "cats asleep", "one": "cat", "frame": "", "aligner": ""}),
        ('"cats"', "must be a gdp.PictureKind"),
        ('gdp.PictureKind("two\\nlines")', "shows must be a short line of text"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_third_party_says_what_its_pictures_show(tmp_path: Path, shows: str, expected: object) -> None:
    recipe = make_tiny_world(tmp_path)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "strange.py").write_text(OF_A_STRANGER.replace("{shows}", shows))
    recipe.write_text(recipe.read_text().replace("latent-direction", "stranger").replace("steps = 24", "steps = 2"))
    finished = gdp_command("--plugins-dir", plugins, "run", recipe, "--until", "export", cwd=tmp_path)
    if isinstance(expected, str):
        assert finished.exit_code == 1
        assert expected in finished.stderr
        assert "stranger" in finished.stderr
        assert "Traceback" not in finished.stderr
    else:
        assert finished.exit_code == EXIT_STOPPED, finished.stderr
        assert card(recipe)["trained_on"]["pictures"] == expected
