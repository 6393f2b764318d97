"""Plugins of older supported versions work with a note, old names are understood for a while, the rest is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gdp.core.records import API_VERSION
from gdp.registry import PluginRegistry, PluginRow, api_versions
from gdp.registry.api_versions import Deprecation

SOURCE = """
import gdp
GDP_API = {version}
class Settings(gdp.Config):
    value: int = 0
@gdp.hookimpl
def {hook}({argument}):
    {argument}("made", config=Settings, implementation="gdp_made_module:Made", summary="Made for a test")
@gdp.hookimpl
def gdp_run_finished(run, {outcome}):
    heard.append({outcome})
heard = []
class Made(gdp.Filter):
    def {method}(self, pairs):
        return [gdp.Verdict.keep()] * len(pairs)
"""
NAMES = {"hook": "gdp_register_filters", "argument": "register", "outcome": "outcome", "method": "judge"}


@pytest.fixture
def made(install: Any, make_package: Callable[..., Path]) -> Callable[..., tuple[PluginRegistry, PluginRow]]:
    def make(version: object = 2, **names: str) -> tuple[PluginRegistry, PluginRow]:
        install(make_package(SOURCE.format(version=version, **{**NAMES, **names})))
        registry = PluginRegistry.discover()
        (row,) = [row for row in registry.rows if row.package == "gdp-made"]
        return registry, row

    return make


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """This gdp has version 4 of the interface, supports 2 and newer, and has renamed some things in 3."""
    monkeypatch.setattr(api_versions, "API_VERSION", 4)
    monkeypatch.setattr(api_versions, "OLDEST_API_VERSION", 2)
    renamed = (
        Deprecation("hook", "", "gdp_add_filters", "gdp_register_filters", since=3, removed=5),
        Deprecation("argument", "gdp_register_filters", "add", "register", since=3, removed=5),
        Deprecation("argument", "gdp_run_finished", "result", "outcome", since=3, removed=5),
        Deprecation("method", "Filter", "assess", "judge", since=3, removed=5),
    )
    monkeypatch.setattr(api_versions, "DEPRECATIONS", renamed)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    ("version", "status", "reason", "mend"),
    [
        (4, "ok", "", ""),
        (5, "incompatible", "this gdp has versions 2 to 4", "Update gdp"),
        (1, "incompatible", "made for version 1 of the plugin interface", "Update it"),
        ("'4'", "incompatible", "made for version '4'", "Write GDP_API = "),
        (True, "incompatible", "made for version True", "Write GDP_API = "),
    ],
)
def test_only_supported_versions_are_taken(made: Any, version: object, status: str, reason: str, mend: str) -> None:
    _, row = made(version)
    assert (row.status, row.note) == (status, "")
    assert reason in row.reason
    assert row.mend.startswith(mend)


@pytest.mark.usefixtures("later")
def test_an_older_supported_version_works_with_a_note(made: Any) -> None:
    registry, row = made(3)
    assert row.status == "ok"
    assert row.note.startswith(
        "written for version 3 of the plugin interface, which still works; this gdp has version 4"
    )
    assert registry.get("filter", "made")


@pytest.mark.usefixtures("later")
def test_old_names_of_hooks_and_arguments_work_with_a_note(made: Any) -> None:
    registry, row = made(4, hook="gdp_add_filters", argument="add", outcome="result")
    assert row.status == "ok"
    assert "the hook gdp_add_filters is called gdp_register_filters since version 3" in row.note
    assert "the argument result of gdp_run_finished is called outcome since version 3" in row.note
    assert "version 5 no longer knows the old name" in row.note
    registry.notify("gdp_run_finished", run=None, outcome="stopped")
    registry.hooks.gdp_run_finished(run=None, outcome="finished")
    import gdp_made_module  # type: ignore[import-not-found] # written by this test

    assert gdp_made_module.heard == ["stopped", "finished"]


@pytest.mark.usefixtures("later")
def test_old_names_of_methods_work_with_a_warning(made: Any, caplog: pytest.LogCaptureFixture) -> None:
    registry, _ = made(4, method="assess")
    with caplog.at_level(logging.WARNING):
        loaded = registry.load(registry.get("filter", "made"))
    assert loaded.judge is loaded.assess
    assert "the method assess of Filter is called judge since version 3" in caplog.text
    loaded(None, None)


def test_without_a_deprecation_old_names_are_defects(made: Any) -> None:
    _, row = made(API_VERSION, hook="gdp_add_filters")
    assert (row.status, "unknown hook gdp_add_filters" in row.reason) == ("broken", True)


def test_no_deprecation_outlives_its_date() -> None:
    assert all(found.since <= API_VERSION < found.removed for found in api_versions.DEPRECATIONS)
    assert 1 <= api_versions.OLDEST_API_VERSION <= API_VERSION
