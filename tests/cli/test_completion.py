"""What shells complete behind `gdp`: names of recipes, runs and plugins, quickly, and never an error between words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdp.cli import completion
from gdp.tools.named_recipes import shipped_recipes

PROGRAM = "import sys; sys.argv[0] = 'gdp'; from gdp.cli import main; main()"


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs, a recipe of the user's own, and what is neither."""
    for name in ("runs/faces", "runs/fish", "old/fable"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text(json.dumps({"name": "x"}))
    (tmp_path / "runs" / "nothing").mkdir()
    (tmp_path / "mine.toml").write_text("")
    (tmp_path / "photo.png").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complete(line: str) -> list[str]:
    """Return what bash would be offered at the end of a line."""
    words = {"_GDP_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={**os.environ, **words},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), line
    return done.stdout.split()


@pytest.mark.process
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("gdp re", ["recipes", "report"]),
        ("gdp recipes copy face", ["face-detector"]),
        ("gdp run horse", ["horse2zebra-compressed"]),
        ("gdp report f", ["faces", "fish"]),
        ("gdp describe filter face", ["face-attributes"]),
        ("gdp run mine.toml --until e", ["evaluate", "export"]),
        ("gdp --plugins-dir nowhere describe filter face", []),
    ],
)
def test_a_shell_is_offered_names(line: str, offered: list[str]) -> None:
    found = complete(line)
    assert [name for name in found if name in offered] == offered
    if not line.startswith("gdp describe"):
        assert found == offered


@pytest.mark.process
def test_no_command_is_imported_to_complete_their_names() -> None:
    program = f"{PROGRAM[:-7]}\ntry:\n    main()\nfinally:\n    print(sorted(sys.modules))"
    words = {"_GDP_COMPLETE": "complete_bash", "COMP_WORDS": "gdp ", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    imported = done.stdout.splitlines()[-1]
    assert "'gdp.cli.app'" in imported
    for name in ("gdp.cli.run", "gdp.cli.apply", "torch", "numpy"):
        assert f"'{name}'" not in imported


@pytest.mark.process
def test_every_shell_gets_a_script() -> None:
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "_GDP_COMPLETE": f"source_{shell}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "_GDP_COMPLETE" in done.stdout


def test_recipes_are_those_of_gdp_the_users_and_those_of_runs() -> None:
    assert completion.complete_recipe("") == ["mine.toml", *shipped_recipes()]
    assert completion.complete_recipe("mi") == ["mine.toml"]
    assert completion.complete_recipe("runs/f") == ["runs/faces", "runs/fish"]
    assert completion.complete_recipe("nowhere/") == []


def test_runs_are_completed_by_name_and_by_path() -> None:
    assert completion.complete_run("") == ["faces", "fish"]
    assert completion.complete_run("fi") == ["fish"]
    assert completion.complete_run("runs/") == ["runs/faces", "runs/fish"]
    assert completion.complete_run("old/f") == ["old/fable"]
    assert completion.complete_run("x" * 5000) == []
