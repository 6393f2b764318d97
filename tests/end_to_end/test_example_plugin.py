"""The third-party packages under examples/: installed, seen, tested, used in a run, and gone when uninstalled."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest
from clean_environment import ROOT, CleanEnvironment
from PIL import Image
from tiny_world import make_tiny_world

from gdp.testing import examples
from gdp.toolbox import to_array

EXAMPLES = ROOT / "examples"
FILTER, TEACHER, STAGE = PACKAGES = "gdp-filter-brightness", "gdp-teacher-smoothing", "gdp-stage-gallery"


@pytest.fixture(scope="module", autouse=True)
def _examples(environment: CleanEnvironment, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install every example package, as pip does from a copy of its folder."""
    copies = tmp_path_factory.mktemp("examples")
    environment.install(
        *(
            shutil.copytree(folder, copies / folder.name)
            for folder in sorted(file.parent for file in EXAMPLES.glob("*/pyproject.toml"))
        )
    )


def test_the_installed_packages_are_listed(environment: CleanEnvironment) -> None:
    rows = {(row["kind"], row["name"]): row for row in environment.plugins() if row["package"] in PACKAGES}
    assert rows.keys() == {
        ("filter", "brightness"), ("teacher", "smoothing"), ("evaluator", "edges"), ("stage", "gallery"),
        ("command", "gallery"),
    }  # fmt: skip
    for row in rows.values():
        assert (row["status"], row["reason"], row["note"]) == ("ok", "", "")


def test_the_packages_pass_their_own_tests(environment: CleanEnvironment) -> None:
    for folder, (status, printed) in environment.run_tests(*(EXAMPLES / each for each in PACKAGES)).items():
        assert status == 0, f"{folder}\n{printed}"
        assert "test_contract" in printed or "[settings-" in printed  # the conformance kit's


def test_the_filter_judges_in_a_run(environment: CleanEnvironment, tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    text = recipe.read_text().replace(
        'plugin = "sharpness"\nmin_sharpness = 0.0', 'plugin = "brightness"\nmin_mean = 0.5'
    )
    recipe.write_text(text)
    assert environment.attempt("gdp", "run", "tiny.toml", "--until", "filter", cwd=tmp_path).returncode == 3
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


def test_the_stage_has_its_own_key_and_goes_on_after_a_kill(environment: CleanEnvironment, tmp_path: Path) -> None:
    recipe = make_run_with_gallery(tmp_path, pictures=40)
    run = tmp_path / "runs" / "tiny"
    killed = environment.start("gdp", "run", "tiny.toml", cwd=tmp_path)
    while killed.poll() is None and len(list(run.glob("gallery/*/[0-9]*.png"))) < 3:
        time.sleep(0.002)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    made = {path: path.stat() for path in run.glob("gallery/*/[0-9]*.png")}
    assert 3 <= len(made) < 40
    assert "gallery" not in json.loads((run / "stages.json").read_text())

    def again() -> list[str]:
        done: list[str] = json.loads(environment.run("gdp", "run", "tiny.toml", "--json", cwd=tmp_path))["done"]
        return done

    assert again() == ["gallery", "report"]
    (folder,) = (run / "gallery").iterdir()
    assert len(list(folder.iterdir())) == 40
    for path, before in made.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), f"{path.name} was made twice"
    assert again() == []
    recipe.write_text(recipe.read_text().replace("longest_side = 256", "longest_side = 64"))
    assert again() == ["gallery", "report"]
    page = environment.run("gdp", "gallery", "runs/tiny", cwd=tmp_path).strip()
    assert (tmp_path / page).read_text().count("<figure>") == 40
    assert "Example: gdp gallery runs/faces --open" in environment.run("gdp", "gallery", "--help")


def make_run_with_gallery(folder: Path, pictures: int) -> Path:
    """Write pictures, and a recipe of a tiny run that translates some of them."""
    for name, count, side in (("before", 6, 16), ("after", 6, 16), ("photos", pictures, 256)):
        (folder / name).mkdir()
        for number, levels in enumerate(examples.as_uint8(examples.pictures(count, side))):
            Image.fromarray(to_array(levels)).save(folder / name / f"{number}.png")
    recipe = folder / "tiny.toml"
    recipe.write_text(
        f'{examples.RECIPE}\n[[stages]]\nplugin = "gallery"\npictures = "photos"\nlongest_side = 256\n'.replace(
            "width = 4", "width = 8"
        )
    )
    return recipe


def test_an_uninstalled_package_is_gone_and_the_recipe_says_what_is_missing(
    environment: CleanEnvironment, tmp_path: Path
) -> None:
    environment.uninstall(*PACKAGES)
    assert {row["package"] for row in environment.plugins()} == {"gdp-distill"}
    recipe = make_tiny_world(tmp_path)
    recipe.write_text(recipe.read_text().replace('plugin = "duplicate"\nmax_distance = 0', 'plugin = "brightness"'))
    result = environment.attempt("gdp", "run", "tiny.toml", cwd=tmp_path)
    assert result.returncode == 2
    assert 'no filter plugin is called "brightness"' in result.stderr
