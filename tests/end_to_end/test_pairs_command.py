"""`gdp pairs`: what a run's pairs are, while it works and afterwards."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_world import make_tiny_world
from typer.testing import CliRunner, Result

import gdp
from gdp.cli.app import app
from gdp.core.run.pipeline import Plan
from gdp.core.run_folder import RunFolder

EXPRESSION = """
[[filters]]
plugin = "expression"
keep = "sharpness.target > sharpness.source"
reason = "the edit blurs"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = make_tiny_world(tmp_path_factory.mktemp("pairs"))
    recipe.write_text(
        recipe.read_text().replace('plugin = "sharpness"', 'plugin = "sharpness"\nonly_score = true') + EXPRESSION
    )
    folder = recipe.parent / "judged"
    gdp.run(recipe, folder=folder, plan=Plan(until="filter"))
    return folder


def pairs(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["pairs", *map(str, arguments)], catch_exceptions=False)


def data(*arguments: str | Path) -> dict[str, Any]:
    result = pairs(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_counts_are_those_of_the_run(run: Path) -> None:
    funnel = json.loads((run / "funnel.json").read_text())
    stages = json.loads((run / "stages.json").read_text())
    found = data(run)
    assert (found["made"], found["kept"], found["pending"]) == (96, funnel["kept"], 0)
    assert found["dropped"] == 96 - funnel["kept"] > 0
    assert (found["train"], found["held_out"]) == tuple(
        stages["filter"]["summary"][key] for key in ("train", "held_out")
    )
    for row, written in zip(found["filters"], funnel["filters"], strict=True):
        assert {key: row[key] for key in ("filter", "input", "kept", "reasons")} == {
            key: written[key] for key in ("filter", "input", "kept", "reasons")
        }
    [target] = [row for row in found["scores"] if row["score"] == "target"]
    assert sum(target["kept"]["counts"]) == funnel["kept"]
    assert "pairs" not in found


def test_where_and_sort_choose_pairs(run: Path) -> None:
    found = data(run, "--where", "sharpness.target <= sharpness.source", "--sort", "-index", "--limit", 3)
    rows: Sequence[dict[str, Any]] = found["pairs"]
    assert found["matching"] == found["dropped"]
    assert [row["decision"] for row in rows] == ["drop"] * 3
    assert {row["reason"] for row in rows} == {"the edit blurs"}
    assert [row["index"] for row in rows] == sorted((row["index"] for row in rows), reverse=True)
    assert all(row["filters"]["sharpness"]["target"] <= row["filters"]["sharpness"]["source"] for row in rows)


def test_the_terminal_shows_counts_reasons_and_histograms(run: Path) -> None:
    lines = pairs(run, "--where", "decision == 'drop'").stdout.splitlines()
    assert "96 pairs made" in lines[0]
    assert any(line.startswith("sharpness (only measures)") for line in lines)
    assert any(line.strip().startswith("the edit blurs") for line in lines)
    assert any("of 96 pairs meet: decision == 'drop'" in line for line in lines)
    assert any("▁" in line or "█" in line for line in lines)
    command = [sys.executable, "-m", "gdp", "pairs", str(run)]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONPATH": str(Path(gdp.__file__).parents[1])}
    plain = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert plain.returncode == 0, plain.stderr
    assert b"%" in plain.stdout
    assert plain.stdout.isascii()


def test_sheets_and_tables_are_written(run: Path, tmp_path: Path) -> None:
    picture, page, table = tmp_path / "sheet.png", tmp_path / "sheet.html", tmp_path / "pairs.csv"
    chosen = ("--where", "decision == 'drop'", "--sort", "sharpness.target")
    assert pairs(run, *chosen, "--sheet", picture, "--csv", table).exit_code == 0
    assert pairs(run, *chosen, "--sheet", page).exit_code == 0
    dropped = data(run)["dropped"]
    with Image.open(picture) as image:
        assert image.width > 256
    assert page.read_text().count("<article") == dropped
    assert "drops: the edit blurs" in page.read_text()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    values = [float(row["sharpness.target"]) for row in rows]
    assert len(rows) == dropped
    assert values == sorted(values)


def test_a_run_at_work_can_be_looked_at_and_nothing_in_it_changes(run: Path) -> None:
    def state() -> dict[str, str]:
        files = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "lock")
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = state()
    with RunFolder(run).locked():
        assert data(run)["made"] == 96
    assert state() == before


def test_pairs_that_no_filter_has_judged_are_pending(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unjudged"
    gdp.run(run.parent / "tiny.toml", folder=folder, overrides=["pairs.count=8"], plan=Plan(until="pairs"))
    found = data(folder, "--where", "decision == 'pending' and filter == 'sharpness'")
    assert (found["made"], found["pending"], found["kept"], found["matching"]) == (8, 8, 0, 8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--where", "sharpness.targt > 1"), "sharpness has no score targt, did you mean target?"),
        (("--where", "index >"), "--where: column 7: it ends too early"),
        (("--where", "open('x')"), "--where: column 1: there are the functions abs, min, max"),
        (("--sort", "sharpnes.target"), "sharpnes is no filter before this one, did you mean sharpness?"),
        (("--sheet", "sheet.gif"), "a sheet is written as .png or .html"),
        (("--sheet", "sheet.png", "--where", "index < 0"), "no pair to show"),
        (
            (
                "--sheet",
                "nowhere/sheet.html",
            ),
            "nowhere/sheet.html",
        ),
    ],
)
def test_what_is_wrong_is_one_paragraph(
    run: Path, arguments: Sequence[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = pairs(run, *arguments)
    assert result.exit_code == (1 if words in ("no pair to show", "nowhere/sheet.html") else 2)
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    assert "this is no run folder" in pairs(tmp_path).stderr


@pytest.mark.parametrize("command", ["pairs RUN --repair", "doctor RUN"])
def test_how_far_the_look_at_all_pairs_is_is_shown(command: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdp.console.progress.PLAIN_INTERVAL", 0.0)
    arguments = [str(run) if word == "RUN" else word for word in command.split()]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert "looking at pairs: 1/96 pairs, " in result.stderr
    assert "looking at pairs: 96/96 pairs, " in result.stderr
    assert "looking at" not in result.stdout
