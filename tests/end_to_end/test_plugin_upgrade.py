"""What a run does again when the package of a plugin is upgraded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forked import run_forked
from tiny_world import make_tiny_world

from gdp.cli.common import EXIT_STOPPED
from gdp.core.config import Config
from gdp.core.records import DISTRIBUTION, PluginRecord
from gdp.core.run.session import plugin_key

PICKY = '''
import gdp

class PickyConfig(gdp.Config):
    """Settings of `picky`."""

@gdp.hookimpl
def gdp_register_filters(register):
    register("picky", config=PickyConfig, implementation="gdp_filter_picky:Picky", summary="Drops some pairs")

class Picky(gdp.Filter):
    """Drops every so many pairs."""

    def judge(self, pairs):
        return [gdp.Verdict.keep_if(index % EVERY > 0, reason="not to its taste") for index in pairs.indices]
'''


def install(folder: Path, version: str, every: int) -> None:
    """Put a version of the package into a folder of the path, in the place of the one that is there."""
    folder.mkdir(exist_ok=True)
    (folder / "gdp_filter_picky.py").write_text(f"EVERY = {every}\n{PICKY}")
    information = folder / "gdp_filter_picky.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gdp-filter-picky\nVersion: {version}\n")
    (information / "entry_points.txt").write_text("[gdp]\npicky = gdp_filter_picky\n")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    recipe = make_tiny_world(tmp_path)
    picky = recipe.read_text().replace('plugin = "sharpness"\nmin_sharpness = 0.0', 'plugin = "picky"')
    recipe.write_text(picky.replace("count = 96", "count = 12"))
    return recipe


def run(recipe: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the stages that were done, and what the filter did."""
    arguments = ("run", recipe, "--until", "filter", "--json")
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    done = run_forked(arguments, recipe.parent, [recipe.parent / "site"], environment)
    assert done.returncode == EXIT_STOPPED, done.stderr
    funnel = json.loads((recipe.parent / "runs" / "tiny" / "funnel.json").read_text())
    return json.loads(done.stdout)["done"], funnel["filters"][0]


def test_a_new_version_of_a_filter_judges_anew_and_repeats_nothing_else(world: Path) -> None:
    install(world.parent / "site", "1.0", every=3)
    stages, picky = run(world)
    assert (stages, picky["dropped"]) == (["teacher", "pairs", "filter"], 4)
    assert run(world)[0] == []
    install(world.parent / "site", "1.1", every=2)
    stages, picky = run(world)
    assert (stages, picky["dropped"]) == (["filter"], 6)


def test_gdps_own_plugins_and_the_place_of_a_file_are_no_part_of_keys() -> None:
    record = PluginRecord("filter", "picky", "Drops some pairs", Config, "picky:Picky")
    own = replace(record, package=DISTRIBUTION)
    assert plugin_key(record) == plugin_key(replace(own, version="1")) == plugin_key(replace(own, version="2"))
    files = [replace(record, package=f"/{place}/picky.py", version="sha256 0f") for place in ("here", "there")]
    assert plugin_key(files[0]) == plugin_key(files[1]) != plugin_key(replace(files[0], version="sha256 1f"))
