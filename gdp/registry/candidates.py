"""Where plugins come from: the built-in subpackages of `gdp.plugins`, and entry points of the group `gdp`.

Plugins of one file are found by `gdp.registry.file_plugins`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gdp import __version__
from gdp.core.records import DISTRIBUTION
from gdp.registry.distributions import ENTRY_POINT_GROUP, find_distributions

if TYPE_CHECKING:
    from importlib.metadata import Distribution


@dataclass(frozen=True)
class Candidate:
    """Something that may turn out to be a plugin module once it is imported."""

    name: str
    """The entry point's name, or the built-in's subpackage."""
    package: str
    version: str
    entry_point: str
    load: Callable[[], object]
    module: str
    """The module that is imported; may differ from the object that is loaded."""
    builtin: bool = False
    file: Path | None = None
    """Of a plugin of one file: it. Then `package` is its path and `version` its sha256."""

    @property
    def shown_version(self) -> str:
        """The version for people: of a file's hash the first digits."""
        return self.version if self.file is None else self.version[: len("sha256 ") + 12]

    def mend(self, first: str) -> str:
        """Return what a user can do about a defect; `first` is the best of a package's remedies."""
        if self.builtin:
            return "Reinstall gdp: one of its own plugins is damaged."
        if self.file is not None:
            return f"Mend {self.file}, take it out of its folder, or pass --no-plugin {self.name}."
        return f"{first}, uninstall it (pip uninstall {self.package}), or pass --no-plugin {self.name}."


def find_candidates() -> tuple[list[Candidate], list[tuple[str, BaseException]]]:
    """Find everything that may be a plugin without importing any of it.

    Returns:
        The candidates, built-ins first and so first to take a name, then by package and entry point; and the
        distributions whose metadata could not be read, with the error.
    """
    installed: dict[tuple[str, str, str], Candidate] = {}
    unreadable: list[tuple[str, BaseException]] = []
    for distribution in find_distributions():
        try:
            for candidate in _of_distribution(distribution):
                installed.setdefault((candidate.package, candidate.name, candidate.entry_point), candidate)
        except Exception as error:  # noqa: BLE001 # foreign metadata can be damaged in any way
            unreadable.append((_place(distribution), error))
    return [*_built_ins(), *(installed[key] for key in sorted(installed))], unreadable


def _built_ins() -> Iterator[Candidate]:
    import gdp.plugins

    for found in sorted(pkgutil.iter_modules(gdp.plugins.__path__), key=lambda found: found.name):
        if found.ispkg:
            yield built_in(found.name)


def built_in(name: str) -> Candidate:
    """Return the candidate of a subpackage of `gdp.plugins`."""
    module = f"gdp.plugins.{name}"
    return Candidate(name, DISTRIBUTION, __version__, module, _Import(module), module, builtin=True)


@dataclass(frozen=True)
class _Import:
    module: str

    def __call__(self) -> object:
        return importlib.import_module(self.module)


def _of_distribution(distribution: Distribution) -> Iterator[Candidate]:
    package = str(distribution.metadata["Name"] or "unknown")
    for point in distribution.entry_points.select(group=ENTRY_POINT_GROUP):
        written = f"{point.name} = {point.value}"
        yield Candidate(point.name, package, distribution.version, written, point.load, point.module)


def _place(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path", "a package without a readable name"))
