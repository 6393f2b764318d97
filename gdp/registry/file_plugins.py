"""Plugins of one file: every `.py` file of a plugins folder holds hooks, settings and implementation together."""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gdp.core.errors import MissingResourceError
from gdp.registry.candidates import Candidate

FILE_MODULE = "gdp_file_"
"""How the names begin of the modules that plugins of one file become."""
VARIABLE = "GDP_PLUGINS_DIR"
"""Environment variable that names plugins folders, parted as in PATH."""

_HEAVY = ("torch", "torchvision")


def plugins_folders() -> list[Path]:
    """Return the folders that the environment names."""
    return [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]


def find_file_plugins(folders: Sequence[Path]) -> Iterator[Candidate]:
    """Find the plugins of some folders, by file name; nothing of them is run.

    Folders inside, files of other sorts and files whose names begin with `.` or `_` are left alone.

    Raises:
        MissingResourceError: a folder is not there.
    """
    for folder in folders:
        if not folder.is_dir():
            raise MissingResourceError(
                f"{folder}: there is no such plugins folder. Make it, or mend --plugins-dir or ${VARIABLE}."
            )
        for path in sorted(folder.absolute().glob("*.py")):
            if path.is_file() and not path.name.startswith((".", "_")):
                yield _candidate(path)


def _candidate(path: Path) -> Candidate:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # loading it will say why it cannot be read
        digest = "unreadable"
    # The module's name holds what was read: a file that is changed and read again in one process is another module.
    words = re.sub(r"\W", "_", path.stem, flags=re.ASCII)
    mark = hashlib.sha256(f"{path} {digest}".encode()).hexdigest()[:12]
    module = f"{FILE_MODULE}{words}_{mark}"
    load = _Load(path, module)
    return Candidate(path.stem, str(path), f"sha256 {digest}", str(path), load, module, file=path)


@dataclass(frozen=True)
class _Load:
    path: Path
    module: str

    def __call__(self) -> ModuleType:
        if self.module in sys.modules:
            return sys.modules[self.module]
        loader = _WithoutCache(self.module, str(self.path))
        spec = importlib.util.spec_from_file_location(self.module, self.path, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module  # dataclasses and pydantic look their module up while it is run
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[self.module]
            raise
        return module


class _WithoutCache(importlib.machinery.SourceFileLoader):
    """Leaves no `__pycache__` in somebody's plugins folder."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0) -> None:
        """Write nothing."""


def heavy_imports(path: Path) -> list[str]:
    """Name the heavy modules that a plugin's file imports when it is read, whatever this process has imported.

    Args:
        path: of a file that could be loaded.
    """
    statements = list(ast.parse(path.read_bytes()).body)
    found: set[str] = set()
    while statements:
        statement = statements.pop()
        if isinstance(statement, ast.Import):
            found |= {name.name.partition(".")[0] for name in statement.names}
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            found.add((statement.module or "").partition(".")[0])
        elif isinstance(statement, ast.If | ast.Try) and not _is_for_type_checkers(statement):
            statements += [inner for inner in ast.iter_child_nodes(statement) if isinstance(inner, ast.stmt)]
    return sorted(found.intersection(_HEAVY))


def _is_for_type_checkers(statement: ast.If | ast.Try) -> bool:
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test)
