"""Two packages have one name: an error where it is used, until the recipe says which, or one is left out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.errors import PluginNotFoundError, RecipeError
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry
from gdp.testing.examples import RECIPE
from gdp.tools.run_recipes import load_run_recipe, open_recipe

SOURCE = """
import gdp
class Settings(gdp.Config):
    value: int = 0
@gdp.hookimpl
def gdp_register_filters(register):
    register("critic-http", config=Settings, implementation="{module}:Judge", summary="Asks a critic")
"""


@pytest.fixture
def clashing(install: Any, make_package: Callable[..., Path]) -> None:
    for name in ("one", "two"):
        install(make_package(SOURCE.format(module=f"gdp_{name}_module"), name))


def test_a_name_of_two_packages_is_an_error_where_it_is_used_and_nowhere_else(clashing: None) -> None:
    registry = PluginRegistry.discover()
    with pytest.raises(PluginNotFoundError) as caught:
        registry.get("filter", "critic-http")
    assert "plugins of gdp-one and gdp-two" in str(caught.value)
    assert '"gdp-one:critic-http" or "gdp-two:critic-http"' in str(caught.value)
    assert "critic-http" not in registry.names("filter")
    assert registry.get("filter", "sharpness").package == "gdp-distill"


def test_package_and_name_choose_one_of_two(clashing: None) -> None:
    registry = PluginRegistry.discover()
    for package in ("gdp-one", "gdp-two"):
        assert registry.get("filter", f"{package}:critic-http").package == package
    assert registry.get("filter", "gdp-distill:sharpness").package == "gdp-distill"
    assert registry.get("filter", "GDP_two:critic-http").package == "gdp-two", "as pip takes it"
    with pytest.raises(PluginNotFoundError, match='write "gdp-one:critic-http" or "gdp-two:critic-http"'):
        registry.get("filter", ":critic-http")
    with pytest.raises(PluginNotFoundError, match="of a package gdp-three; that of gdp-one and gdp-two is installed"):
        registry.get("filter", "gdp-three:critic-http")


def test_what_is_advised_settles_the_clash(clashing: None) -> None:
    rows = [row for row in PluginRegistry.discover().rows if row.name == "critic-http"]
    assert [(row.package, row.status) for row in rows] == [("gdp-one", "clash"), ("gdp-two", "clash")]
    for row, other in zip(rows, reversed(rows), strict=True):
        assert f'plugin = "{row.package}:critic-http"' in row.mend
        assert f"--no-plugin {row.package} or --no-plugin {other.package}" in row.mend
        left = PluginRegistry.discover(disabled=frozenset({row.package}))
        assert left.get("filter", "critic-http").package == other.package
        assert left.defects == []


def write_recipe(folder: Path, plugin: str) -> Path:
    path = folder / "tiny.toml"
    path.write_text(RECIPE + f'\n[[filters]]\nplugin = "{plugin}"\n')
    return path


def test_a_recipe_is_told_of_the_clash_on_its_line_and_may_say_which(clashing: None, tmp_path: Path) -> None:
    registry = PluginRegistry.discover()
    with pytest.raises(RecipeError, match=r"tiny\.toml:\d+: filters\[\d\]\.plugin: filter \"critic-http\" is the name"):
        open_recipe(write_recipe(tmp_path, "critic-http"), registry, folder=tmp_path / "run")
    recipe, _ = open_recipe(write_recipe(tmp_path, "gdp-two:critic-http"), registry, folder=tmp_path / "run")
    assert recipe.filters[-1].record.package == "gdp-two"
    assert 'plugin = "gdp-two:critic-http"' in recipe.to_toml()


def test_the_package_that_a_run_was_made_with_wins(clashing: None, tmp_path: Path) -> None:
    registry, run = PluginRegistry.discover(), tmp_path / "run"
    run.mkdir()
    recipe = write_recipe(run, "critic-http").rename(run / "recipe.toml")
    (run / "run.json").write_text(json.dumps({"plugins": {"filter critic-http": "gdp-two"}}))
    for look in (False, True):
        assert load_run_recipe(RunFolder(run), registry, look=look).filters[-1].record.package == "gdp-two"
    again, _ = open_recipe(recipe, registry, folder=run)
    assert again.filters[-1].record.package == "gdp-two"


def test_a_name_whose_package_is_gone_is_not_taken_over_silently(
    install: Any, make_package: Callable[..., Path], tmp_path: Path
) -> None:
    install(make_package(SOURCE.format(module="gdp_one_module"), "one"))
    run = tmp_path / "run"
    run.mkdir()
    recipe = write_recipe(run, "critic-http").rename(run / "recipe.toml")
    (run / "run.json").write_text(json.dumps({"plugins": {"filter critic-http": "gdp-two"}}))
    told = r"filter critic-http is of gdp-one now, and the run was made with that of gdp-two, which is not installed"
    with pytest.warns(UserWarning, match=told):
        again, _ = open_recipe(recipe, PluginRegistry.discover(), folder=run)
    assert again.filters[-1].record.package == "gdp-one"
    (run / "run.json").write_text(json.dumps({"plugins": {"filter critic-http": "gdp-one"}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_recipe(recipe, PluginRegistry.discover(), folder=run)


def test_a_name_that_gdp_has_come_to_use_still_means_the_runs_package(
    install: Any, make_package: Callable[..., Path], tmp_path: Path
) -> None:
    source = SOURCE.format(module="gdp_one_module").replace("critic-http", "sharpness")
    install(make_package(source, "one"))
    registry, run = PluginRegistry.discover(), tmp_path / "run"
    run.mkdir()
    recipe = write_recipe(run, "sharpness").rename(run / "recipe.toml")
    (run / "run.json").write_text(json.dumps({"plugins": {"filter sharpness": "gdp-one"}}))
    again, _ = open_recipe(recipe, registry, folder=run)
    assert again.filters[-1].record.package == "gdp-one"


def test_two_entry_points_at_one_module_are_a_row_and_the_first_works(
    install: Any, make_package: Callable[..., Path]
) -> None:
    folder = make_package(SOURCE.format(module="gdp_made_module"))
    points = folder / "gdp_made-1.0.dist-info" / "entry_points.txt"
    points.write_text("[gdp]\nmade = gdp_made_module\nagain = gdp_made_module\n")
    install(folder)
    registry = PluginRegistry.discover()
    (row,) = registry.defects
    assert (row.name, row.status) == ("made", "broken")
    assert "names what the entry point again of this package names, too" in row.reason
    assert registry.get("filter", "critic-http").package == "gdp-made"
    registry.notify("gdp_run_finished", run=None, outcome="finished")  # which pluggy would refuse for a module twice


def test_a_renamed_package_beside_the_old_one_is_a_row(install: Any, make_package: Callable[..., Path]) -> None:
    new = make_package(SOURCE.format(module="gdp_new_module"), "new")
    old = make_package("", "old", entry="gdp_new_module")
    install(new, old)
    registry = PluginRegistry.discover()
    (row,) = registry.defects
    assert row.package == "gdp-old"
    assert "the entry point new of gdp-new names" in row.reason
    assert "pip uninstall gdp-old" in row.mend
    assert registry.get("filter", "critic-http").package == "gdp-new"


def test_a_plugin_that_is_slow_to_import_is_told(
    install: Any, make_package: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    install(make_package("import time\ntime.sleep(1.05)\n" + SOURCE.format(module="gdp_made_module")))
    registry = PluginRegistry.discover()
    told = capsys.readouterr()
    assert "the plugin made of gdp-made takes 1." in told.err and "--no-plugin made" in told.err
    assert told.out == ""
    assert "to import" in next(row.note for row in registry.rows if row.package == "gdp-made")


def test_a_run_is_its_path_to_a_listener_that_prints_it(tmp_path: Path) -> None:
    assert str(RunFolder(tmp_path)) == f"{RunFolder(tmp_path)}" == str(tmp_path)
    assert repr([RunFolder(tmp_path)]) == f"[RunFolder('{tmp_path}')]"


def test_a_name_of_two_packages_is_described_as_such_where_its_kind_is_not_told(clashing: None) -> None:
    for arguments in (["critic-http"], ["filter", "critic-http"]):
        told = CliRunner().invoke(app, ["describe", *arguments])
        assert (told.exit_code, told.stdout) == (1, "")
        assert "gdp-one" in told.stderr and "gdp-two" in told.stderr and "--no-plugin" in told.stderr
