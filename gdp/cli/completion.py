"""What a shell completes behind `gdp`: recipes, runs, plugins, stages. Imports little, for it runs at every tab key.

What cannot be found out is not completed: nothing here may tell errors between the words that somebody types. Where
nothing fits, shells complete files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from gdp.core.errors import GdpError
from gdp.core.records import CORE_STAGES, KINDS, PLAIN_KINDS, AnyKind
from gdp.tools.named_recipes import SUFFIX, shipped_recipes

RUNS = Path("runs")


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def complete_shipped_recipe(incomplete: str) -> list[str]:
    """Return the recipes that come with gdp."""
    return _beginning(incomplete, shipped_recipes())


def complete_recipe(incomplete: str) -> list[str]:
    """Return the recipes that come with gdp, the user's own files, and folders of runs."""
    own = [str(file) for file in _entries(incomplete) if file.suffix == SUFFIX]
    return [*own, *complete_shipped_recipe(incomplete), *_run_folders(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """Return the names of the runs in `runs/`, and folders of runs by their paths."""
    try:
        names = sorted(folder.name for folder in RUNS.glob("*/") if _is_run(folder))
    except OSError:
        names = []
    return list(dict.fromkeys([*_beginning(incomplete, names), *_run_folders(incomplete)]))


def _run_folders(incomplete: str) -> list[str]:
    return [str(folder) for folder in _entries(incomplete) if _is_run(folder)]


def _is_run(folder: Path) -> bool:
    from gdp.core.run_folder import is_like_run

    return is_like_run(folder)


def _entries(incomplete: str) -> list[Path]:
    """Return what lies in the folder that is being typed and begins as what is typed."""
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    try:
        return [entry for entry in sorted(folder.iterdir()) if str(entry).startswith(incomplete.removeprefix("./"))]
    except (OSError, ValueError):
        return []


def complete_kind(incomplete: str) -> list[str]:
    """Return the kinds of plugins."""
    return _beginning(incomplete, (*KINDS, *PLAIN_KINDS))


def complete_described(context: typer.Context, incomplete: str) -> list[str]:
    """Return the plugins of the kind that stands before."""
    kinds: list[AnyKind] = [kind for kind in (*KINDS, *PLAIN_KINDS) if kind == context.params.get("kind")]
    return [name for kind in kinds for name in _names(context, kind, incomplete)]


def plugins_of(kind: AnyKind) -> Callable[[typer.Context, str], list[str]]:
    """Return what completes the plugins of a kind."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        return _names(context, kind, incomplete)

    return complete


def complete_stage(context: typer.Context, incomplete: str) -> list[str]:
    """Return the stages of a run."""
    return [*_beginning(incomplete, CORE_STAGES), *_names(context, "stage", incomplete)]


def complete_device(incomplete: str) -> list[str]:
    """Return the devices that a machine may have."""
    return _beginning(incomplete, ("auto", "cpu", "cuda"))


def complete_executor(context: typer.Context, incomplete: str) -> list[str]:
    """Return the executors."""
    return _names(context, "executor", incomplete)


def _names(context: typer.Context, kind: AnyKind, incomplete: str) -> list[str]:
    try:
        return _beginning(incomplete, context.find_root().obj.registry.names(kind))
    except GdpError:
        return []
