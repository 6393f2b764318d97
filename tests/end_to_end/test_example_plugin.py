"""The third-party package of the README: installed, seen, used in a run, and gone when it is taken away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_world import make_tiny_world

EXAMPLE = Path(__file__).parents[2] / "examples" / "gdp-filter-brightness"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path into which the package is installed by pip."""
    folder = tmp_path_factory.mktemp("site")
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "package")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", folder, source], check=True)
    return folder


def gdp(site: Path | None, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(site)} if site else {})
    command = [sys.executable, "-m", "gdp", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_installed_filter_is_listed_and_judges(site: Path, tmp_path: Path) -> None:
    rows = json.loads(gdp(site, "list-plugins", "--json", cwd=tmp_path).stdout)
    (row,) = [row for row in rows if row["name"] == "brightness"]
    assert (row["kind"], row["package"], row["status"]) == ("filter", "gdp-filter-brightness", "ok")

    recipe = make_tiny_world(tmp_path)
    text = recipe.read_text().replace(
        'plugin = "sharpness"\nmin_sharpness = 0.0', 'plugin = "brightness"\nmin_mean = 0.5'
    )
    recipe.write_text(text)
    result = gdp(site, "run", "tiny.toml", "--until", "filter", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    brightness, _ = json.loads((tmp_path / "runs" / "tiny" / "funnel.json").read_text())["filters"]
    assert brightness["filter"] == "brightness"
    assert brightness["reasons"] == {"too dark": brightness["dropped"]}
    assert 0 < brightness["kept"] < brightness["input"]


def test_without_the_package_the_recipe_says_what_is_missing(tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    recipe.write_text(recipe.read_text().replace('plugin = "duplicate"\nmax_distance = 0', 'plugin = "brightness"'))
    result = gdp(None, "run", "tiny.toml", cwd=tmp_path)
    assert result.returncode == 2
    assert 'no filter plugin is called "brightness"' in result.stderr
