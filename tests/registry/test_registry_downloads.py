"""Plugins register public sets: each is checked, a bad plugin is a row and breaks nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gdp.core.errors import PluginNotFoundError
from gdp.registry import PluginRegistry

GOOD = {
    "urls": ["https://example.com/mine.zip"],
    "size": 100,
    "parts": {"trainA": 3, "trainB": 4},
    "summary": "Mine",
    "licence": "CC0",
}


def source(name: str, **changes: Any) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in (GOOD | changes).items())
    return f"import gdp\n@gdp.hookimpl\ndef gdp_register_downloads(register):\n    register({name!r}, {arguments})\n"


def test_a_third_partys_set_is_registered(install: Any, make_package: Callable[..., Path]) -> None:
    install(make_package(source("mine", archive_folder="a/mine", sha256="0" * 64)))
    registry = PluginRegistry.discover()
    record = registry.get("download", "mine")
    assert (record.package, record.version, record.archive_folder) == ("gdp-made", "1.0", "a/mine")
    assert record.parts == {"trainA": 3, "trainB": 4}
    assert record in registry.records("download")
    row = next(row for row in registry.rows if row.name == "mine")
    assert (row.kind, row.status, row.needs, row.licence) == ("download", "ok", "network", "CC0")


def test_a_set_of_a_name_that_is_taken_is_a_clash(install: Any, make_package: Callable[..., Path]) -> None:
    install(make_package(source("horse2zebra")))
    registry = PluginRegistry.discover()
    assert [(row.status, row.package) for row in registry.defects] == [("clash", "gdp-made")]
    assert registry.get("download", "horse2zebra").package == "gdp-distill"


def test_a_set_can_be_left_out(install: Any, make_package: Callable[..., Path]) -> None:
    install(make_package(source("mine")))
    registry = PluginRegistry.discover(disabled=frozenset({"mine", "maps"}))
    assert {"mine", "maps"}.isdisjoint(record.name for record in registry.records("download"))
    with pytest.raises(PluginNotFoundError, match="left out by --no-plugin"):
        registry.get("download", "maps")
    with pytest.raises(PluginNotFoundError, match="did you mean horse2zebra"):
        registry.get("download", "horse2zebr")


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("../evil", {}, "a name is lower-case letters"),
        ("", {}, "a name is lower-case letters"),
        ("mine", {"urls": ["http://example.com/mine.zip"]}, "https addresses"),
        ("mine", {"urls": "https://example.com/mine.zip"}, "urls must be a list"),
        ("mine", {"urls": []}, "urls must be a list"),
        ("mine", {"size": 0}, "size must be a number of bytes"),
        ("mine", {"size": True}, "size must be a number of bytes"),
        ("mine", {"parts": {}}, "parts must map"),
        ("mine", {"parts": {"../x": 3}}, "parts must map"),
        ("mine", {"parts": {"trainA": 0}}, "parts must map"),
        ("mine", {"summary": "two\nlines"}, "summary must be one line"),
        ("mine", {"licence": ""}, "licence must be one line"),
        ("mine", {"archive_folder": "../x"}, "archive_folder must be a plain path"),
        ("mine", {"archive_folder": "/x"}, "archive_folder must be a plain path"),
        ("mine", {"sha256": "abc"}, "64 hexadecimal digits"),
        ("mine", {"sha265": "0" * 64}, "unexpected keyword argument"),
    ],
)
def test_a_wrong_set_is_a_row_and_breaks_nothing(
    install: Any, make_package: Callable[..., Path], name: str, changes: dict[str, Any], reason: str
) -> None:
    install(make_package(source(name, **changes)))
    registry = PluginRegistry.discover()
    assert [row.status for row in registry.defects] == ["broken"]
    assert reason in registry.defects[0].reason
    assert registry.get("download", "horse2zebra").size > 10**8
