"""A student of another version of its plugin: its settings are migrated, or both versions and the command are named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import gdp
from gdp.core.errors import PluginError
from gdp.core.records import PluginRecord
from gdp.support.settings import settings_of


class Renamed(gdp.Config):
    """Version 2 calls `size` what version 1 called `width`."""

    size: int = 8
    """Channels."""


class Migrating(Renamed):
    """The same, with the bridge."""

    @classmethod
    def migrate_settings(cls, settings: Mapping[str, Any], version: str) -> Mapping[str, Any]:
        """Rename what version 1 wrote."""
        if not version.startswith("1."):
            return settings
        return {"size" if name == "width" else name: value for name, value in settings.items()}


class Failing(Renamed):
    """Its bridge falls."""

    @classmethod
    def migrate_settings(cls, settings: Mapping[str, Any], version: str) -> Mapping[str, Any]:
        """Fail."""
        raise KeyError(version)


OLD = {"gdp-student-small": "1.4"}


def record(config: type[gdp.Config], package: str = "gdp-student-small", version: str = "2.0") -> PluginRecord:
    return PluginRecord("student", "small", "Small", config, "small:Small", package=package, version=version)


def test_settings_of_an_older_version_are_migrated_by_the_plugin() -> None:
    assert settings_of(record(Migrating), {"width": 4}, "student.json", OLD) == Migrating(size=4)
    present = {"gdp-student-small": "2.0"}
    assert settings_of(record(Migrating), {"size": 4}, "student.json", present) == Migrating(size=4)


def test_an_older_student_names_both_versions_and_the_command() -> None:
    with pytest.raises(PluginError) as caught:
        settings_of(record(Renamed), {"width": 4}, "student.json", OLD)
    told = str(caught.value)
    assert told.startswith("student.json: student small (gdp-student-small), version 2.0, does not take these settings")
    assert "width: unknown key" in told and "version 1.4" in told
    assert "pip install 'gdp-student-small==1.4'" in told and "migrate_settings" in told
    assert "http" not in told and "\n" not in told


def test_settings_of_the_same_version_name_no_other() -> None:
    with pytest.raises(PluginError) as caught:
        settings_of(record(Renamed), {"width": 4}, "student.json", {"gdp-student-small": "2.0"})
    assert "pip install" not in str(caught.value)


def test_a_migration_that_fails_is_told_as_the_plugins_fault() -> None:
    with pytest.raises(PluginError, match=r"small.*: migrate_settings: failed with KeyError: '1.4'"):
        settings_of(record(Failing), {"width": 4}, "student.json", OLD)


def test_a_plugin_of_one_file_is_known_by_its_name(tmp_path: Path) -> None:
    path, old = str(tmp_path / "small.py"), {"small.py": "sha256 " + "1" * 64}
    with pytest.raises(PluginError, match="written by sha256 1111"):
        settings_of(record(Renamed, path, "sha256 " + "2" * 64), json.loads('{"width": 4}'), "student.json", old)
