"""While slow modules are imported a terminal says so, and nothing else does."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

from gdp.cli import loading

TELLS = "loading it ..."
WORDS = f"{TELLS}{loading._ERASE}"


class Stream(io.StringIO):
    """Standard error that may be a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that is told of in place of torch; it may fail."""
    name = "gdp_test_of_loading"
    (tmp_path / f"{name}.py").write_text("import sys\nsys.stderr.write('[loads]')\nfails = False\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(loading, "_SLOW", {name: "it", f"{name}_inner": "what it needs"})
    monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return name


def told(monkeypatch: pytest.MonkeyPatch, slow: str, *, terminal: bool, times: int = 1) -> str:
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    before = list(sys.meta_path)
    with loading.telling_of_loading():
        for _ in range(times):
            importlib.import_module(slow)
    assert sys.meta_path == before
    return stream.getvalue()


def test_a_terminal_is_told_for_as_long_as_it_takes(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = f"{TELLS}[loads]{loading._ERASE}"
    assert told(monkeypatch, slow, terminal=True, times=2) == expected
    module = sys.modules[slow]
    assert module.__spec__ is not None
    assert module.__loader__ is module.__spec__.loader
    assert not isinstance(module.__loader__, loading._TellingLoader)
    monkeypatch.delitem(sys.modules, slow)


def test_a_pipe_is_told_nothing(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, slow, terminal=False) == "[loads]"


def test_to_ask_whether_it_is_installed_is_no_loading(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with loading.telling_of_loading():
        assert importlib.util.find_spec(slow) is not None
        assert stream.getvalue() == ""
        importlib.import_module(slow)
    assert stream.getvalue().startswith(TELLS)


def test_words_are_taken_away_where_it_fails(slow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{slow}.py").write_text("raise RuntimeError('broken')\n")
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with loading.telling_of_loading(), pytest.raises(RuntimeError, match="broken"):
        importlib.import_module(slow)
    assert stream.getvalue() == WORDS


def test_what_is_loaded_within_is_told_and_then_the_outer_one_again(
    slow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{slow}_inner.py").write_text("import sys\nsys.stderr.write('[inner]')\n")
    (tmp_path / f"{slow}.py").write_text(f"import sys, {slow}_inner\nsys.stderr.write('[loads]')\n")
    importlib.invalidate_caches()
    erase = loading._ERASE
    expected = f"{TELLS}{erase}loading what it needs ...[inner]{erase}{TELLS}[loads]{erase}"
    assert told(monkeypatch, slow, terminal=True) == expected
    for name in (slow, f"{slow}_inner"):
        monkeypatch.delitem(sys.modules, name)


def test_bars_are_not_written_into(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, bars = Stream(terminal=True), Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with loading.telling_of_loading():
        monkeypatch.setattr(sys, "stderr", bars)
        importlib.import_module(slow)
    assert (terminal.getvalue(), bars.getvalue()) == ("", "[loads]")
    monkeypatch.delitem(sys.modules, slow)


@pytest.mark.process
def test_what_begins_a_run_imports_no_torchvision() -> None:
    """It brings torch's compiler with it, which takes as long to import as torch itself."""
    program = """
import sys
import gdp.core.run.pipeline, gdp.core.run.session, gdp.tools.preflight, gdp.tools.estimate
import gdp.plugins.losses.terms
assert "torch" in sys.modules
for name in ("torchvision", "torch._dynamo", "sympy"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", program], check=True)
