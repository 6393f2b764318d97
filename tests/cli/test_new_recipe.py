"""`gdp new-recipe`: what a few answers make is a valid recipe, and nothing is written that is none."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.core.errors import RecipeError
from gdp.core.recipe.reading import load_recipe
from gdp.registry import PluginRegistry
from gdp.tools.named_recipes import shipped_recipes
from gdp.tools.new_recipe import NO_TEACHER, Answers, lacking_settings, write_recipe

PLUGINS = PluginRegistry.discover()
TEACHERS = (*PLUGINS.names("teacher"), NO_TEACHER)


def gdp(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["new-recipe", *arguments], catch_exceptions=False)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("pairs", PLUGINS.names("pair-source"))
def test_whatever_is_chosen_becomes_a_valid_commented_recipe(pairs: str) -> None:
    for number, (teacher, student, weights) in enumerate(
        product(TEACHERS, PLUGINS.names("student"), ("", "w.safetensors"))
    ):
        answers = Answers("mine", teacher, pairs, student, weights if teacher != NO_TEACHER else "", Path("pictures"))
        wanted = [
            f"{key}={suggestion or 'given.safetensors'}" for key, _, suggestion in lacking_settings(answers, PLUGINS)
        ]
        path = Path(f"{number}.toml")
        write_recipe(path, Answers(**{**vars(answers), "settings": wanted}), PLUGINS)
        recipe = load_recipe(path, PLUGINS)
        assert (recipe.pairs.record.name, recipe.student.record.name) == (pairs, student)
        assert (recipe.teacher.record.name if recipe.teacher else NO_TEACHER) == teacher
        text = path.read_text()
        assert f"[pairs] # {recipe.pairs.record.summary}" in text
        assert "# Training steps (batches); give either steps or epochs\nsteps = 2000" in text
        assert text.count("# Factor of this term in the generator's objective") == 1
        assert max(map(len, text.splitlines())) <= 120


def test_options_answer_everything() -> None:
    told = gdp("-o", "faces.toml", "--teacher", "stylegan2", "--pairs", "latent-direction", "--student", "pix2pixhd",
               "--set", "train.steps=77", "--json")  # fmt: skip
    assert json.loads(told.stdout) == {"recipe": "faces.toml", "name": "faces"}
    recipe = load_recipe(Path("faces.toml"), PLUGINS)
    assert (recipe.name, recipe.train.steps, recipe.pairs.section.count) == ("faces", 77, 3000)
    photos = gdp(
        "-o", "photos.toml", "--teacher", "none", "--pairs", "folder", "--student", "pix2pixhd", "--data", "my/own"
    )
    assert "Next: gdp run photos.toml --dry-run" in photos.stdout
    assert load_recipe(Path("photos.toml"), PLUGINS).pairs.to_data()["source_folder"] == str(
        Path("my/own/source").absolute()
    )


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("", "give --teacher, --pairs, --student, too"),
        ("--teacher stylegan2", "give --pairs, --student, too"),
        ("--teacher none --pairs folder --student pix2pixhd", "give --data, too"),
        ("--teacher cyclegan --weights g.safetensors --pairs translate --student resnet", "give --data, too"),
        (
            "--teacher stylegan2 --pairs two-generators --student pix2pixhd",
            "give --set pairs.",
        ),
        ("--teacher stylgan2", "--teacher stylgan2: there is none, did you mean stylegan2?"),
        ("--pairs fold", "--pairs fold: there is none, did you mean folder?"),
    ],
)
def test_where_nobody_can_be_asked_the_missing_options_are_named(given: str, missing: str, somewhere: Path) -> None:
    result = gdp(*given.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert missing in result.stderr
    assert list(somewhere.iterdir()) == []


def test_what_would_be_wrong_is_not_written(somewhere: Path) -> None:
    whole = ("--teacher", "stylegan2", "--pairs", "latent-direction", "--student", "pix2pixhd")
    result = gdp(*whole, "--set", "train.batch=0", "--set", "student.widht=3")
    assert result.exit_code == 2
    assert "recipe.toml: not written, for it would be wrong" in result.stderr
    assert "train.batch: must be at least 1, got 0" in result.stderr
    assert "student.widht: unknown key, did you mean width?" in result.stderr
    assert list(somewhere.iterdir()) == []
    assert gdp(*whole, "--name", "no name").exit_code == 2
    assert gdp(*whole, "--set", "train").exit_code == 2
    assert "no such folder" in gdp(*whole, "-o", "nowhere/x.toml").stderr
    assert gdp(*whole).exit_code == 0
    before = Path("recipe.toml").read_text()
    assert "is there already" in gdp(*whole, "--name", "other").stderr
    assert Path("recipe.toml").read_text() == before
    assert gdp(*whole, "--name", "other", "--force").exit_code == 0
    with pytest.raises(RecipeError):
        write_recipe(Path("b.toml"), Answers("b", "stylegan2", "translate", "resnet", settings=["x"]), PLUGINS)


def test_a_file_that_is_there_is_told_before_anything_is_asked(somewhere: Path) -> None:
    Path("recipe.toml").write_text("mine")
    assert "recipe.toml: is there already" in gdp().stderr
    assert Path("recipe.toml").read_text() == "mine"


def test_files_that_are_not_there_yet_are_told(somewhere: Path) -> None:
    whole = ("--teacher", "cyclegan", "--weights", "g.safetensors", "--pairs", "translate", "--student", "resnet")
    told = gdp(*whole, "--data", "photos").stdout
    assert "teacher.weights is g.safetensors, which is not there" in told
    assert "dataset.folder is photos, which is not there" in told


@pytest.mark.process
def test_on_a_terminal_it_asks_and_asks_again_where_an_answer_is_none(somewhere: Path) -> None:
    ours, theirs = pty.openpty()
    typed = "stylgan2\nnone\n\nnowhere\n2\n\nmine/pictures\n"
    program = [sys.executable, "-c", "from gdp.cli import main; main()", "new-recipe"]
    with subprocess.Popen(
        program, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        os.write(ours, typed.encode())
        told, asked = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, asked
    assert "wrote recipe.toml" in told
    assert "stylgan2: there is none, did you mean stylegan2?" in asked
    assert "Where do the pairs come from?" in asked
    assert "an answer is needed here" in asked
    recipe = load_recipe(Path("recipe.toml"), PLUGINS)
    assert (recipe.teacher, recipe.pairs.record.name, recipe.student.record.name) == (None, "folder", "resnet")
    assert recipe.pairs.to_data()["target_folder"] == str(somewhere / "mine/pictures/target")


@pytest.mark.process
def test_at_80_columns_no_word_is_broken_and_weights_are_looked_at_when_they_are_named(somewhere: Path) -> None:
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", "from gdp.cli import main; main()", "new-recipe"]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(ours, b"2\ng.pkl\ng.safetensors\n2\n1\n")
        shown = ""
        while True:
            try:
                shown += os.read(ours, 65536).decode()
            except OSError:  # Linux's sign that nobody writes any more
                break
        assert process.wait(120) == 0, shown
    os.close(ours)
    assert "g.pkl: only converted .safetensors files are accepted" in shown
    assert "g.safetensors, which is not there: name your own" in " ".join(shown.split())
    assert str(somewhere) not in shown
    offered = [line.rstrip() for line in shown.splitlines() if line.startswith("  ")]
    assert max(map(len, offered)) <= 80
    assert any(line.startswith("     ") for line in offered)


@pytest.mark.parametrize(
    ("teacher", "pairs", "student", "shipped"),
    [
        ("stylegan2", "latent-direction", "pix2pixhd", "stylegan-age"),
        ("cyclegan", "translate", "resnet", "cyclegan-painting"),
    ],
)
def test_on_the_embedded_world_student_and_losses_are_those_of_gdps_own_recipe(
    teacher: str, pairs: str, student: str, shipped: str
) -> None:
    write_recipe(Path("mine.toml"), Answers("mine", teacher, pairs, student), PLUGINS)
    mine, own = load_recipe(Path("mine.toml"), PLUGINS), load_recipe(shipped_recipes()[shipped], PLUGINS)
    assert mine.student.config == own.student.config
    assert [choice.section for choice in mine.losses] == [choice.section for choice in own.losses]
