"""Runs beside each other: recipes, numbers and pictures, whatever their folders hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.core.run_folder import RunFolder
from gdp.tools.side_by_side import compare_runs

RECIPE = """\
name = "faces"
[student]
plugin = "pix2pixhd"
width = {width}
[[filters]]
plugin = "sharpness"
min_sharpness = {sharpness}
[[losses]]
plugin = "l1"
[[losses]]
plugin = "l1"
weight = {weight}
"""


def a_run(
    folder: Path,
    colour: str = "red",
    *,
    width: int = 16,
    psnr: float | None = 30.0,
    protocol: str = "of 8",
    **more: Any,
) -> RunFolder:
    """Write a finished run; `colour` is of what its student makes."""
    (folder / "pictures" / "rows").mkdir(parents=True)
    recipe = RECIPE.format(width=width, sharpness=more.get("sharpness", 1.0), weight=more.get("weight", 2))
    (folder / "recipe.toml").write_text(recipe)
    (folder / "run.json").write_text(json.dumps({"name": "faces", "state": "finished", "machine": {"device": "cpu"}}))
    (folder / "stages.json").write_text(json.dumps({"train": {"key": "k", "summary": {}, "seconds": 5}}))
    if psnr is not None:
        about = {"protocol": protocol, "unit": "dB", "better": "higher"}
        metrics = {"quality": {"psnr_db": psnr}, "protocols": {"quality.psnr_db": about}, "absent": {}}
        (folder / "metrics.json").write_text(json.dumps(metrics))
    pictures = {}
    for name, filled in (("source", "blue"), ("student", colour), ("truth", "green")):
        Image.new("RGB", (8, 8), filled).save(folder / "pictures" / "rows" / f"{name}.png")
        pictures[name] = f"pictures/rows/{name}.png"
    rows = [{"title": "Faces / <b>1</b>", "pictures": pictures}]
    (folder / "pictures" / "rows.json").write_text(json.dumps(rows))
    return RunFolder(folder)


def gdp(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_settings_that_differ_numbers_and_pictures_stand_beside_each_other(tmp_path: Path) -> None:
    first, second = a_run(tmp_path / "a"), a_run(tmp_path / "b", "white", width=20, psnr=31.0, weight=3)
    found = compare_runs([first, second])
    assert found.labels == ("a", "b")
    different = {row.name: row.values for row in found.recipe if row.differs}
    assert different == {"student.width": ("16", "20"), "losses.l1-2.weight": ("2", "3")}
    (number,) = found.metrics
    assert (number.name, number.values, number.best, number.alike) == ("quality.psnr_db", (30.0, 31.0), (1,), True)
    (strip,) = found.pictures
    assert [name for name, _ in strip.shared] == ["source", "truth"]
    assert [[name for name, _ in own] for own in strip.own] == [["student"], ["student"]]
    page = tmp_path / "c.html"
    told = gdp("compare", first.path, second.path, "--html", page).stdout
    for words in ("student.width", "losses.l1-2.weight", "31.00 dB *", f"page: {page}"):
        assert words in told
    html = page.read_text()
    captions = [part.partition("<")[0] for part in html.split("<figcaption>")[1:]]
    assert captions == ["source", "student: a", "student: b", "truth, the same of all"]
    assert "<b>1" not in html and "&lt;b&gt;1" in html
    assert "<script" not in html and "http" not in html.replace("http-equiv", "")


def test_numbers_that_were_measured_otherwise_have_no_best(tmp_path: Path) -> None:
    found = compare_runs([a_run(tmp_path / "a"), a_run(tmp_path / "b", psnr=31.0, protocol="of 800")])
    assert (found.metrics[0].alike, found.metrics[0].best) == (False, ())
    told = gdp("compare", tmp_path / "a", tmp_path / "b").stdout
    assert "quality.psnr_db (measured otherwise in each)" in told and "*" not in told


@pytest.mark.parametrize(("values", "best"), [((30.0, 30.0), ()), ((30.0, 30.0001), ()), ((31.0, 30.0, 31.0), (0, 2))])
def test_what_is_equal_is_not_told_as_better(tmp_path: Path, values: tuple[float, ...], best: tuple[int, ...]) -> None:
    runs = [a_run(tmp_path / str(number), psnr=value) for number, value in enumerate(values)]
    assert compare_runs(runs).metrics[0].best == best


def test_an_unfinished_run_is_compared_as_far_as_it_is(tmp_path: Path) -> None:
    a_run(tmp_path / "a")
    a_run(tmp_path / "b", psnr=None)
    (tmp_path / "b" / "pictures" / "rows.json").write_text("[[")
    data = json.loads(gdp("compare", tmp_path / "a", tmp_path / "b", "--json").stdout)
    assert data["metrics"]["quality.psnr_db"]["values"] == [30.0, None]
    assert data["metrics"]["quality.psnr_db"]["best"] == []
    assert data["recipe"] == {}
    assert data["runs"][1]["missing"]
    assert "RECIPE: all settings are the same" in gdp("compare", tmp_path / "a", tmp_path / "b").stdout
    page = tmp_path / "page.html"
    assert gdp("compare", tmp_path / "a", tmp_path / "b", "--html", page).exit_code == 0
    assert "No row of pictures stands in all of these runs" in page.read_text()


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    found = compare_runs([a_run(tmp_path / "x" / "faces"), a_run(tmp_path / "y" / "faces")])
    assert found.labels == ("x/faces", "y/faces")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a"], "needs two different runs or more"),
        (["a", "a"], "needs two different runs or more"),
        (["a", "none"], "this is no run folder"),
        (["a", "b", "--metric", "speed"], "no number of these runs begins so"),
    ],
)
def test_what_cannot_be_compared_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "runs" / "a")
    a_run(tmp_path / "runs" / "b")
    done = gdp("compare", *arguments)
    assert done.exit_code == (1 if "none" in arguments else 2) and told in done.stderr
    assert gdp("compare", "a", "b", "--metric", "quality").exit_code == 0
