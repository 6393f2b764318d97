"""The third-party packages under examples/: installed, seen, tested, used in a run, and gone when uninstalled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from clean_environment import ROOT, CleanEnvironment
from tiny_world import make_tiny_world

EXAMPLES = ROOT / "examples"
FILTER, TEACHER = "gdp-filter-brightness", "gdp-teacher-smoothing"


@pytest.fixture(scope="module", autouse=True)
def _examples(environment: CleanEnvironment, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install every example package, as pip does from a copy of its folder."""
    copies = tmp_path_factory.mktemp("examples")
    environment.install(*(shutil.copytree(folder, copies / folder.name) for folder in sorted(EXAMPLES.iterdir())))


def test_the_installed_packages_are_listed(environment: CleanEnvironment) -> None:
    rows = {(row["kind"], row["name"]): row for row in environment.plugins() if row["package"] in (FILTER, TEACHER)}
    assert rows.keys() == {("filter", "brightness"), ("teacher", "smoothing"), ("evaluator", "edges")}
    for row in rows.values():
        assert (row["status"], row["reason"], row["note"]) == ("ok", "", "")


def test_the_packages_pass_their_own_tests(environment: CleanEnvironment) -> None:
    for folder, (status, printed) in environment.run_tests(EXAMPLES / FILTER, EXAMPLES / TEACHER).items():
        assert status == 0, f"{folder}\n{printed}"
        assert "[settings-" in printed  # the conformance kit's


def test_the_filter_judges_in_a_run(environment: CleanEnvironment, tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    text = recipe.read_text().replace(
        'plugin = "sharpness"\nmin_sharpness = 0.0', 'plugin = "brightness"\nmin_mean = 0.5'
    )
    recipe.write_text(text)
    environment.run("gdp", "run", "tiny.toml", "--until", "filter", cwd=tmp_path)
    brightness, _ = json.loads((tmp_path / "runs" / "tiny" / "funnel.json").read_text())["filters"]
    assert brightness["filter"] == "brightness"
    assert brightness["reasons"] == {"too dark": brightness["dropped"]}
    assert 0 < brightness["kept"] < brightness["input"]


def test_the_teacher_teaches_and_its_evaluator_measures(environment: CleanEnvironment, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / TEACHER / "recipe.toml", tmp_path)
    smaller = {
        "teacher": {"resolution": 32, "steps": 4},
        "dataset": {"resolution": 32, "train_count": 16, "test_count": 4},
        "student": {"width": 4, "blocks": 1},
        "train": {"steps": 6, "batch": 2, "sample_every": 3},
        "evaluators.2": {"repeats": 3, "warmup": 0},
    }
    changes = [f"{section}.{key}={value}" for section, keys in smaller.items() for key, value in keys.items()]
    options = [word for change in changes for word in ("--set", change)]
    environment.run("gdp", "run", "recipe.toml", *options, cwd=tmp_path)
    metrics = json.loads((tmp_path / "runs" / "smoothing" / "metrics.json").read_text())
    edges = metrics["quality"]["edges"]
    assert edges.keys() == {"student_edges", "student_texture", "teacher_edges", "teacher_texture"}
    assert 0 < edges["teacher_texture"] < edges["teacher_edges"] <= 1.01
    report = (tmp_path / "runs" / "smoothing" / "report.html").read_text()
    assert "</strong> of the strength of edges and" in report
    assert "<dt>of the teacher&#39;s edges</dt>" in report


def test_an_uninstalled_package_is_gone_and_the_recipe_says_what_is_missing(
    environment: CleanEnvironment, tmp_path: Path
) -> None:
    environment.uninstall(FILTER, TEACHER)
    assert {row["package"] for row in environment.plugins()} == {"gdp-distill"}
    recipe = make_tiny_world(tmp_path)
    recipe.write_text(recipe.read_text().replace('plugin = "duplicate"\nmax_distance = 0', 'plugin = "brightness"'))
    result = environment.attempt("gdp", "run", "tiny.toml", cwd=tmp_path)
    assert result.returncode == 2
    assert 'no filter plugin is called "brightness"' in result.stderr
