"""`gdp recipes`: what comes with gdp is listed with what it takes and needs, and copied into a file that works."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.core.recipe.text import read_recipe_text
from gdp.tools.named_recipes import shipped_recipes
from gdp.tools.recipe_list import read_about

NAMES = sorted(shipped_recipes())
TAKING_NOTHING = {
    *("stylegan-age", "stylegan-age-ablation", "cyclegan-painting", "cyclegan-painting-ablation"),
    *("train-faces64", "train-scenes64"),
}


def gdp(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_recipe_says_what_it_does_how_long_it_takes_and_what_it_needs() -> None:
    rows = {row["name"]: row for row in json.loads(gdp("recipes", "--json").stdout)}
    assert sorted(rows) == NAMES
    told = gdp("recipes").stdout
    for name, row in rows.items():
        assert 20 < len(row["summary"]) <= 130, name
        assert row["takes"], name
        for words in (name, row["summary"], row["takes"], row["needs"], *row["yours"], *row["install"]):
            assert words in told
    asking = {name for name, row in rows.items() if row["yours"] or row["environment"] or row["needs"]}
    assert asking == set(NAMES) - TAKING_NOTHING
    assert rows["face-detector"]["install"] == ["gdp-distill[onnx]"]
    assert rows["face-detector"]["yours"] == {
        "pairs.source_folder": "pairs",
        "pairs.target_folder": "pairs",
        "filters[0].weights": "version-RFB-320.onnx",
    }
    assert rows["stylegan-age-azure"]["environment"] == ["AZURE_FACE_KEY"]
    assert rows["train-faces64"]["command"] == "train-teacher"


def test_no_recipe_leads_out_of_the_folder_in_which_it_is_used() -> None:
    for row in json.loads(gdp("recipes", "--json").stdout):
        assert not [path for path in row["yours"].values() if path.startswith(("..", "/"))], row["name"]


def test_a_recipe_whose_plugin_is_left_out_is_listed_all_the_same() -> None:
    row = next(
        row
        for row in json.loads(gdp("recipes", "--json", "--no-plugin", "onnx-face-detector").stdout)
        if row["name"] == "face-detector"
    )
    assert row["yours"] is None
    told = gdp("recipes", "--no-plugin", "onnx-face-detector").stdout
    assert "cannot be used with the plugins that are here: gdp validate face-detector tells why" in told


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_valid_and_names_the_schema_that_lies_beside_it(name: str, somewhere: Path) -> None:
    told = json.loads(gdp("recipes", "copy", name, "--json").stdout)
    file = somewhere / told["recipe"]
    assert file.name == shipped_recipes()[name].name
    assert file.read_text().startswith(f"#:schema {told['schema']}\n#")
    assert file.read_text().count("#:schema") == 1
    jsonschema.Draft202012Validator(json.loads(Path(told["schema"]).read_text())).validate(
        tomllib.loads(file.read_text())
    )
    assert "the recipe is valid" in gdp("validate", str(file)).stdout
    assert read_recipe_text(file).data == read_recipe_text(shipped_recipes()[name]).data
    for own in told["yours"]:
        assert f"{own['key'].split('.')[-1]} = " in file.read_text().splitlines()[own["line"] - 1]
        assert own["is_there"] is False


def test_what_is_there_is_overwritten_only_by_force(somewhere: Path) -> None:
    Path("mine.toml").write_text("mine")
    refused = gdp("recipes", "copy", "stylegan-age", "-o", "mine.toml")
    assert refused.exit_code == 1
    assert "mine.toml: is there already. Name another file with -o, or overwrite it with --force." in refused.stderr
    assert sorted(path.name for path in somewhere.iterdir()) == ["mine.toml"]
    assert Path("mine.toml").read_text() == "mine"
    assert gdp("recipes", "copy", "stylegan-age", "-o", "mine.toml", "--force").exit_code == 0
    assert "the recipe is valid" in gdp("validate", "mine").stdout


@pytest.mark.parametrize(
    ("file", "name"), [("mine.toml", "mine"), ("stylegan-age.toml", "stylegan-age"), ("no name.toml", "stylegan-age")]
)
def test_a_copy_is_named_by_its_file_so_that_its_run_is_another(file: str, name: str, somewhere: Path) -> None:
    told = gdp("recipes", "copy", "recipes/stylegan_age.toml", "-o", file).stdout
    assert f"it is called {name}: its run goes to runs/{name}" in told
    copied, original = (read_recipe_text(path).data for path in (Path(file), shipped_recipes()["stylegan-age"]))
    assert copied == {**original, "name": name}
    assert f"Next: gdp run {shlex.quote(file)}" in told
    assert "the recipe is valid" in gdp("validate", file).stdout


def test_of_a_comparison_the_recipe_is_renamed_and_no_variant() -> None:
    gdp("recipes", "copy", "CYCLEGAN_PAINTING_ABLATION", "-o", "mine.toml")
    copied = read_recipe_text(Path("mine.toml")).data
    assert copied["name"] == "mine"
    assert {"plain CycleGAN", "materialised pairs"} <= {one["name"] for one in copied["compare"]["variants"]}


def test_a_schema_of_gdps_is_refreshed_and_another_file_of_that_name_is_kept() -> None:
    schema = Path("recipe.schema.json")
    schema.write_text('{"title": "Recipe of gdp"}')
    assert gdp("recipes", "copy", "stylegan-age").exit_code == 0
    assert "$defs" in json.loads(schema.read_text())
    schema.write_text('{"title": "soup"}')
    refused = gdp("recipes", "copy", "cyclegan-painting")
    assert "recipe.schema.json: is there already" in refused.stderr
    assert schema.read_text() == '{"title": "soup"}'


def test_a_copy_goes_into_a_folder_that_is_there_and_tells_what_is_the_users_own(somewhere: Path) -> None:
    Path("folder", "pairs").mkdir(parents=True)
    told = gdp("recipes", "copy", "face_detector.toml", "-o", "folder").stdout
    assert "wrote folder/face_detector.toml, and recipe.schema.json beside it" in told
    assert "pairs.source_folder is folder/pairs, which is there" in told
    assert "filters[0].weights is folder/version-RFB-320.onnx, which is not there: name your own" in told
    assert "Next: gdp run folder/face_detector.toml" in told
    assert "no such folder" in gdp("recipes", "copy", "face-detector", "-o", "nowhere/mine.toml").stderr


@pytest.mark.process
@pytest.mark.parametrize("output", ["/dev/stdout", "-"])
def test_a_pipe_gets_the_recipe_alone(output: str, somewhere: Path) -> None:
    command = [sys.executable, "-c", "from gdp.cli import main; main()", "recipes", "copy", "folder-pairs", "-o"]
    told = subprocess.run([*command, output], capture_output=True, text=True, check=True).stdout
    assert tomllib.loads(told)["name"] == "folder-pairs"
    assert list(somewhere.iterdir()) == []
    assert not Path("/dev/recipe.schema.json").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("stylegan-agee", "stylegan-agee: no such recipe comes with gdp, did you mean stylegan-age?"),
        ("xyz", "xyz: no such recipe comes with gdp"),
        ("../recipes/stylegan_age.toml", "no such recipe comes with gdp"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, told: str) -> None:
    result = gdp("recipes", "copy", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert gdp("recipes", "cpy").exit_code == 2


def test_the_head_of_a_recipe_is_read_by_sentences() -> None:
    text = "#:schema x.json\n# One thing of\n# two lines (64 px, e.g. faces). More of it.\n# Takes: 2 h\n# Needs: a\n"
    about = read_about(f"{text}name = 1\n# No. Never\n")
    assert (about.summary, about.takes, about.needs) == ("One thing of two lines (64 px, e.g. faces)", "2 h", "a")
    long = read_about(f"# {'word ' * 20}of it: {'more ' * 20}and so on.\n")
    assert long.summary == f"{'word ' * 20}of it"
    assert read_about("name = 1\n# Not at the head.") == read_about("")
