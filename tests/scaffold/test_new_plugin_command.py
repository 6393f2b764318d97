"""`gdp new-plugin`: names, what it refuses, and what it leaves alone."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.core.errors import PluginError, UsageError
from gdp.core.recipe.choices import SECTION_KEYS, SECTION_MODELS
from gdp.core.records import KINDS, RECIPE_KINDS, Kind
from gdp.scaffold.kinds import LICENCES, SCAFFOLDS
from gdp.scaffold.names import LONGEST_NAME, Names, choose_names
from gdp.scaffold.writing import write_package


def new_plugin(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["new-plugin", *arguments], catch_exceptions=False)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_there_is_a_package_for_every_kind_of_plugin() -> None:
    assert set(SCAFFOLDS) == {*KINDS, "executor", "command"}


@pytest.mark.parametrize("written", ["My Contrast", "my_contrast", " gdp-filter-my-contrast ", "MY--CONTRAST"])
def test_names_are_normalised(written: str) -> None:
    names = choose_names("filter", written, [])
    assert names == Names("filter", "my-contrast")
    assert (names.distribution, names.module) == ("gdp-filter-my-contrast", "gdp_filter_my_contrast")
    assert names.class_name == "MyContrastFilter"


@pytest.mark.parametrize(
    "written", ["", "-", "3d", "../evil", "naïve", "a.b", "a" * (LONGEST_NAME + 1), "filter", "gdp"]
)
def test_what_cannot_be_a_name_is_refused_with_advice(written: str, tmp_path: Path) -> None:
    result = new_plugin("filter", "--folder", str(tmp_path), "--", written)
    assert result.exit_code == 2
    assert "name" in result.stderr
    assert "Traceback" not in result.stderr
    assert files_in(tmp_path) == set()


def test_names_of_installed_plugins_and_modules_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = new_plugin("filter", "sharpness", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert 'a filter called "sharpness" is installed already' in result.stderr
    assert "my-sharpness" in result.stderr
    assert new_plugin("loss", "sharpness", "--folder", str(tmp_path)).exit_code == 0  # another kind is another name
    monkeypatch.syspath_prepend(tmp_path / "gdp-loss-sharpness")
    with pytest.raises(PluginError, match="module gdp_loss_sharpness is installed already"):
        choose_names("loss", "sharpness", [])


def test_a_stage_cannot_have_the_name_of_one_that_every_run_has(tmp_path: Path) -> None:
    result = new_plugin("stage", "train", "--folder", str(tmp_path))
    assert result.exit_code == 2
    assert 'every run has a stage "train"' in result.stderr
    assert choose_names("filter", "train", []).plugin == "train"


def test_an_unknown_kind_or_licence_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    unknown = new_plugin("filtre", "contrast", "--folder", str(tmp_path))
    assert unknown.exit_code == 2 and "did you mean filter?" in unknown.stderr
    refused = new_plugin("filter", "contrast", "--folder", str(tmp_path), "--licence", "GPL")
    assert "Apache-2.0, MIT" in refused.stderr
    assert files_in(tmp_path) == set()


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "gdp-filter-contrast" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    result = new_plugin("filter", "contrast", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert "is there already and is left as it is" in result.stderr
    assert files_in(tmp_path) == {"gdp-filter-contrast/mine.txt"}


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = new_plugin("filter", "contrast", "--folder", str(tmp_path / "file" / "below"))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize("licence", LICENCES)
def test_author_and_licence_are_written_as_they_are(licence: str, tmp_path: Path) -> None:
    author = 'Ada "Ä" O\'Neil \\ {{ 1 }} <a@b>'
    package = write_package(Names("loss", "tiny"), tmp_path, author, licence)
    project = tomllib.loads((package.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == licence
    assert project["authors"] == [{"name": author}]
    text = (package.folder / "LICENSE").read_text(encoding="utf-8")
    assert "{{ author }}" not in text
    assert licence == "Apache-2.0" or f"(c) {author}\n" in text


def test_an_author_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line break"):
        write_package(Names("loss", "tiny"), tmp_path, "Ada\nLovelace", "MIT")


def test_json_tells_everything_that_was_written(tmp_path: Path) -> None:
    told = json.loads(new_plugin("pair-source", "mirror", "--folder", str(tmp_path / "new"), "--json").stdout)
    assert (told["package"], told["module"]) == ("gdp-pair-source-mirror", "gdp_pair_source_mirror")
    assert files_in(Path(told["folder"])) == set(told["files"])
    assert list((tmp_path / "new").iterdir()) == [Path(told["folder"])]  # nothing is left beside it
    assert told["next"][0] == f"cd {told['folder']}"


@pytest.mark.process
@pytest.mark.parametrize("kind", SCAFFOLDS)
@pytest.mark.parametrize("name", ["e", "abcdefghij-klmnopqrst-uv"])
def test_packages_are_formatted_whatever_the_length_of_their_names(kind: Kind, name: str, tmp_path: Path) -> None:
    package = write_package(choose_names(kind, name, []), tmp_path, "", "MIT")
    for arguments in (["format", "--check"], ["check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
        result = subprocess.run(command, cwd=package.folder, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("kind", RECIPE_KINDS)
def test_the_section_in_the_readme_has_settings_that_are_there(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_package(Names(kind, "read-me"), tmp_path, "", "MIT")
    monkeypatch.syspath_prepend(package.folder)
    config = importlib.import_module(f"{package.names.module}.config").ReadMeConfig
    (text,) = re.findall(r"```toml\n(.*?)```", (package.folder / "README.md").read_text(), re.DOTALL)
    sections = tomllib.loads(text)[SECTION_KEYS[kind]]
    settings = sections[0] if isinstance(sections, list) else sections
    assert settings.pop("plugin") == "read-me"
    config(**{key: value for key, value in settings.items() if key not in SECTION_MODELS[kind].model_fields})


@pytest.mark.process
def test_the_command_imports_no_torch(tmp_path: Path) -> None:
    program = f"""
import sys
from typer.testing import CliRunner
from gdp.cli.app import app
result = CliRunner().invoke(app, ["new-plugin", "teacher", "tiny", "--folder", {str(tmp_path)!r}])
assert result.exit_code == 0, result.output
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
