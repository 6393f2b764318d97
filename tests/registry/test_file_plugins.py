"""Plugins of one file: found by --plugins-dir and $GDP_PLUGINS_DIR, isolated, reported, and remembered by a run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.errors import MissingResourceError, PluginNotFoundError
from gdp.registry import PluginRegistry, PluginRow

BRIGHTNESS = '''
"""A filter in one file."""

import gdp

class BrightnessConfig(gdp.Config):
    min_mean: float = 0.5
    """Smallest mean luminance of the target picture, in [0, 1]."""

@gdp.hookimpl
def gdp_register_filters(register):
    register("brightness", config=BrightnessConfig, implementation="brightness:BrightnessFilter",
             summary="Drops pictures that are too dark")

class BrightnessFilter(gdp.Filter):
    """Compares mean luminance."""

    def judge(self, pairs):
        luminance = (pairs.target.mean(dim=(1, 2, 3)) + 1) / 2
        return [gdp.Verdict.keep_if(v >= self.config.min_mean, reason="too dark", mean=float(v)) for v in luminance]
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "plugins"
    place.mkdir()
    (place / "brightness.py").write_text(BRIGHTNESS)
    return place


def row_of(registry: PluginRegistry, path: Path) -> PluginRow:
    (row,) = [row for row in registry.rows if row.package == str(path)]
    return row


def test_a_file_is_a_plugin_with_its_hash_as_version(folder: Path) -> None:
    registry = PluginRegistry.discover(folders=[folder])
    record = registry.get("filter", "brightness")
    digest = hashlib.sha256(BRIGHTNESS.encode()).hexdigest()
    assert (record.package, record.version) == (str(folder / "brightness.py"), f"sha256 {digest}")
    assert registry.load(record).__name__ == "BrightnessFilter"
    row = row_of(registry, folder / "brightness.py")
    assert (row.status, row.version, row.note) == ("ok", f"sha256 {digest[:12]}", "")
    assert sorted(path.name for path in folder.iterdir()) == ["brightness.py"], "no cache is left in the folder"


def test_a_changed_file_is_another_module_and_the_same_one_is_not_run_twice(folder: Path) -> None:
    def loaded() -> type:
        registry = PluginRegistry.discover(folders=[folder])
        return registry.load(registry.get("filter", "brightness"))

    first = loaded()
    assert loaded() is first
    (folder / "brightness.py").write_text(BRIGHTNESS.replace("mean luminance.", "something else."))
    assert loaded().__doc__ == "Compares something else."


@pytest.mark.process
def test_registering_a_file_imports_no_torch(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gdp.registry import PluginRegistry; "
        f"registry = PluginRegistry.discover(folders=[Path({str(folder)!r})]); "
        "assert registry.get('filter', 'brightness').name; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize(
    ("source", "status", "reason"),
    [
        ("this is no python", "broken", "SyntaxError"),
        ("raise KeyError('x')", "broken", "KeyError: 'x'"),
        ("import gdp\n", "broken", "it implements no hook"),
        (BRIGHTNESS.replace("gdp_register_filters", "gdp_register_filterz"), "broken", "did you mean"),
        ("GDP_API = 999\n" + BRIGHTNESS, "incompatible", "version 999 of the plugin interface"),
        (BRIGHTNESS.replace('"brightness",', '"sharpness",'), "clash", "has the name of that of gdp-distill"),
    ],
)
def test_a_defect_is_a_row_with_reason_and_mend(folder: Path, source: str, status: str, reason: str) -> None:
    (folder / "wrong.py").write_text(source)
    registry = PluginRegistry.discover(folders=[folder])
    row = row_of(registry, folder / "wrong.py")
    assert (row.status, reason in row.reason) == (status, True), row.reason
    assert str(folder / "wrong.py") in row.mend
    assert "--no-plugin wrong" in row.mend or f"--no-plugin {folder / 'wrong.py'}" in row.mend
    assert registry.get("filter", "brightness"), "the other files work"


def test_two_files_of_one_name_clash(folder: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "brightness.py").write_text(BRIGHTNESS)
    files = [str(place / "brightness.py") for place in (folder, second)]
    rows = PluginRegistry.discover(folders=[folder, second]).defects
    assert [(row.status, row.package) for row in rows] == [("clash", file) for file in files]
    left = PluginRegistry.discover(folders=[folder, second], disabled=frozenset({files[0]}))
    assert left.get("filter", "brightness").package == files[1], "as the row advises"


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        ("import torch", True),
        ("from torch import nn", True),
        ("try:\n    import torch\nexcept ImportError: pass", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", False),
        ("def later():\n    import torch", False),
    ],
)
def test_torch_at_the_start_is_told_whatever_this_process_has_imported(folder: Path, line: str, heavy: bool) -> None:
    (folder / "brightness.py").write_text(f"{line}\n{BRIGHTNESS}")
    note = row_of(PluginRegistry.discover(folders=[folder]), folder / "brightness.py").note
    assert note == ("imports torch to register, which slows every command" if heavy else "")


def test_what_is_no_plugin_is_left_alone(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "hook.py").write_text("raise SystemExit")
    (folder / "old").mkdir()
    (folder / "old" / "plugin.py").write_text("raise SystemExit")
    (folder / "notes.txt").write_text("no plugin")
    (folder / "_helper.py").write_text("raise SystemExit")
    (folder / ".hidden.py").write_text("raise SystemExit")
    (folder / "folder.py").mkdir()
    registry = PluginRegistry.discover(folders=[folder])
    assert registry.defects == []
    assert [row.name for row in registry.rows if row.package.startswith(str(folder))] == ["brightness"]


def test_a_missing_folder_is_an_error_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingResourceError, match="no such plugins folder"):
        PluginRegistry.discover(folders=[tmp_path / "nowhere"])
    monkeypatch.setenv("GDP_PLUGINS_DIR", str(tmp_path / "nowhere"))
    result = CliRunner().invoke(app, ["list-plugins"])
    assert result.exit_code == 1
    assert "GDP_PLUGINS_DIR" in result.output


def test_the_environment_names_folders_and_the_option_takes_their_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("GDP_PLUGINS_DIR", os.pathsep.join([str(empty), str(folder)]))
    assert PluginRegistry.discover().get("filter", "brightness")
    for arguments in (["--plugins-dir", str(empty), "list-plugins"], ["list-plugins", f"--plugins-dir={empty}"]):
        result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        assert "brightness" not in [row["name"] for row in json.loads(result.stdout)]


def test_no_plugin_leaves_a_file_out_unread(folder: Path) -> None:
    (folder / "loud.py").write_text("raise SystemExit('read')")
    registry = PluginRegistry.discover(folders=[folder], disabled=frozenset({"brightness", "loud"}))
    assert registry.defects == []
    with pytest.raises(PluginNotFoundError, match="left out by --no-plugin"):
        registry.get("filter", "brightness")


def test_an_implementation_may_be_named_by_the_module_itself(folder: Path) -> None:
    source = BRIGHTNESS.replace('"brightness:BrightnessFilter"', 'f"{__name__}:BrightnessFilter"')
    (folder / "brightness.py").write_text(source)
    registry = PluginRegistry.discover(folders=[folder])
    assert registry.load(registry.get("filter", "brightness")).__name__ == "BrightnessFilter"
