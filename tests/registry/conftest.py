"""Third-party packages for the tests: real modules with real metadata, put on the path as pip would."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parent / "packages"

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Install]:
    """Return a function that installs packages of `packages/` by name, or folders, for one test."""
    before = set(sys.modules)

    def put_on_path(*packages: str | Path) -> None:
        folders = [str(PACKAGES / package) for package in packages]
        monkeypatch.setattr(sys, "path", [*folders, *sys.path])
        importlib.invalidate_caches()

    yield put_on_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith((str(PACKAGES), str(tmp_path))):
            del sys.modules[name]


@pytest.fixture
def make_package(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a package `gdp-made` whose module has the given source."""

    def make(source: str, name: str = "made", entry: str | None = None) -> Path:
        folder = tmp_path / f"gdp-{name}"
        information = folder / f"gdp_{name}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gdp-{name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[gdp]\n{name} = {entry or f'gdp_{name}_module'}\n")
        (folder / f"gdp_{name}_module.py").write_text(source)
        return folder

    return make
