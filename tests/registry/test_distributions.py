"""Installed packages are found by one small file each, wherever they lie, and no other metadata is read."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gdp.registry import PluginRegistry
from gdp.registry.distributions import find_distributions

SOURCE = """
import gdp
class Settings(gdp.Config):
    value: int = 0
@gdp.hookimpl
def gdp_register_filters(register):
    register({name!r}, config=Settings, implementation='a:B', summary='Found')
"""


def source(name: str = "found") -> str:
    return SOURCE.format(name=name)


def found_in(place: Path) -> list[str]:
    return [
        str(distribution.metadata["Name"]) for distribution in find_distributions() if place in _places(distribution)
    ]


def _places(distribution: Distribution) -> Iterator[Path]:
    yield from Path(str(distribution.locate_file("x"))).parents


def test_metadata_of_packages_without_plugins_is_not_read(install: Any, tmp_path: Path) -> None:
    for name, points in (("damaged", None), ("other", "[console_scripts]\nother = other:main\n"), ("strange", "\xff")):
        information = tmp_path / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_bytes(b"\xff\xfe\x00")
        if points is not None:
            (information / "entry_points.txt").write_bytes(points.encode("latin-1"))
    install(tmp_path)
    assert PluginRegistry.discover().defects == []


def test_a_package_without_a_name_is_a_plugin_of_an_unknown_package(
    install: Any, make_package: Callable[..., Path]
) -> None:
    folder = make_package(source())
    (folder / "gdp_made-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nVersion: 1.0\n")
    install(folder)
    assert PluginRegistry.discover().get("filter", "found").package == "unknown"


def test_a_folder_that_stands_twice_on_the_path_counts_once(install: Any, make_package: Callable[..., Path]) -> None:
    folder = make_package(source())
    install(folder, folder)
    registry = PluginRegistry.discover()
    assert registry.defects == []
    assert [row.package for row in registry.rows if row.name == "found"] == ["gdp-made"]


def test_a_package_hides_another_of_its_name_behind_it_on_the_path(
    install: Any, make_package: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_package(source())
    before = tmp_path / "before" / "Gdp.Made-2.0.dist-info"  # another spelling of gdp-made, and no plugin any more
    before.mkdir(parents=True)
    install(before.parent, folder)
    assert found_in(folder) == []


def test_the_backported_finder_of_packages_brings_none_twice(
    install: Any, make_package: Callable[..., Path], tmp_path: Path
) -> None:
    import importlib_metadata  # noqa: F401 # which puts a finder of its own among Python's

    folder = make_package(source())
    before = tmp_path / "before" / "gdp_made-2.0.dist-info"
    before.mkdir(parents=True)
    install(before.parent, folder)
    assert found_in(folder) == []


def test_old_ways_of_installing_are_found(install: Any, make_package: Callable[..., Path], tmp_path: Path) -> None:
    develop = make_package(source("developed"))
    (develop / "gdp_made-1.0.dist-info").rename(develop / "gdp_made.egg-info")
    (develop / "gdp_made.egg-info" / "METADATA").rename(develop / "gdp_made.egg-info" / "PKG-INFO")
    egg = tmp_path / "gdp_egg-1.0-py3.11.egg"
    make_package(source("hatched"), "egg").rename(egg)
    (egg / "gdp_egg-1.0.dist-info").rename(egg / "EGG-INFO")
    (egg / "EGG-INFO" / "METADATA").rename(egg / "EGG-INFO" / "PKG-INFO")
    install(develop, egg)
    registry = PluginRegistry.discover()
    assert registry.get("filter", "developed").package == "gdp-made"
    assert registry.get("filter", "hatched").package == "gdp-egg"


def test_a_package_in_an_archive_is_found(install: Any, make_package: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_package(source())
    archive = tmp_path / "gdp_made.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*"):
            file.write(path, path.relative_to(folder))
    install(archive)
    assert PluginRegistry.discover().get("filter", "found").version == "1.0"


def test_finders_of_their_own_are_asked(
    install: Any, make_package: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_package(source())
    information = folder / "gdp_made-1.0.dist-info"
    hidden = information.rename(folder / "elsewhere")
    install(folder)
    finder = SimpleNamespace(
        find_distributions=lambda context: [Distribution.at(hidden)], find_spec=lambda *arguments: None
    )
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert PluginRegistry.discover().get("filter", "found").package == "gdp-made"


def test_places_that_are_not_there_are_passed_over(install: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    install(tmp_path / "nowhere", tmp_path / "file", tmp_path / "nowhere.zip")
    assert PluginRegistry.discover().defects == []
