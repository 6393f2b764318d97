"""The conformance kit pays nothing unless told, and finds costs that were not foretold."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdp.registry import PluginRegistry
from gdp.testing import conformance

pytestmark = pytest.mark.process

PLUGIN = '''\
"""kitpaying.py: filters that pay."""

import os

import gdp


class PayingConfig(gdp.Config):
    pass


@gdp.hookimpl
def gdp_register_filters(register):
    for name in ("Paying", "Silent"):
        register(name.lower(), config=PayingConfig, implementation=f"kitpaying:{name}", summary="Pays for each pair")


class Paying(gdp.Filter):
    """Pays for each pair, and says so."""

    def forecast(self, pairs, sources=1):
        return gdp.Forecast(pairs, dollars=0.002 * pairs)

    def judge(self, pairs):
        for index in pairs.indices:
            with self.context.answers.paid_call("service", 0.002), open(os.environ["ASKED"], "a") as file:
                file.write("asked")
        return [gdp.Verdict.keep() for _ in pairs.indices]


class Silent(Paying):
    """Pays, and does not say so."""

    def forecast(self, pairs, sources=1):
        return gdp.Forecast()
'''


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    return tmp_path / "asked"


@pytest.fixture
def registry(tmp_path: Path) -> PluginRegistry:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "kitpaying.py").write_text(PLUGIN)
    return PluginRegistry.discover(folders=[tmp_path / "plugins"])


def test_a_plugin_that_foretells_its_calls_is_checked_without_one(registry: PluginRegistry, asked: Path) -> None:
    remarks = conformance.check("filter", "paying", registry=registry)
    assert not asked.exists()
    assert any("the kit pays nothing" in remark for remark in remarks.values())


def test_costs_that_were_not_foretold_are_a_finding(registry: PluginRegistry, asked: Path) -> None:
    with pytest.raises(conformance.NotConformantError, match="its forecast tells of none"):
        conformance.check("filter", "silent", registry=registry)
    assert not asked.exists()


def test_the_kit_pays_where_it_is_told_to(registry: PluginRegistry, asked: Path) -> None:
    conformance.check("filter", "paying", registry=registry, pays=True)
    assert asked.exists()
