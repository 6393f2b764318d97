"""What a user asks `gdp prune` for, and whether it can be done at all. Imports no torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gdp.core.errors import CorruptFileError, GdpError, MissingResourceError, RunFolderError
from gdp.core.recipe.reading import Recipe
from gdp.core.records import Plugins
from gdp.core.run_folder import RunFolder, find_run, is_like_run
from gdp.tools.prune.record import FILE, STAGE, WEIGHTS, PruningRecord, Subject, read_record
from gdp.tools.run_recipes import load_run_recipe


@dataclass(frozen=True)
class PruningRequest:
    """What a user asks for."""

    run: Path
    """The finished run's folder."""
    share: float
    """Share of the multiply-accumulates to keep, in (0, 1)."""
    of: Subject = "student"
    folder: Path | None = None
    """Run folder of the pruned network; left out, beside the run's, with `suffix`."""
    steps: int | None = None
    """Training steps; left out, half of the run's."""
    overrides: Sequence[str] = ()
    """Such as `train.learning_rate=1e-4`, applied last."""

    @property
    def suffix(self) -> str:
        """What is added to the run's name."""
        subject = "" if self.of == "student" else f"-{self.of}"
        return f"{subject}-pruned-{self.share:g}"


@dataclass(frozen=True)
class AskedPruning:
    """A request that fits the run that it names."""

    request: PruningRequest
    run: RunFolder
    """The finished run."""
    recipe: Recipe
    """The finished run's."""
    weights_sha256: str
    """Of the weights that are to be pruned."""
    folder: RunFolder
    """Of the pruned network's run."""


def read_request(request: PruningRequest, plugins: Plugins) -> AskedPruning:
    """Find the finished run and the folder of the new one; nothing is written.

    Raises:
        RunFolderError: the run has not finished, or the folder holds something else.
        RecipeError: with all mistakes of the overrides.
        GdpError: the share is none, or the run has no such network.
    """
    if not 0 < request.share < 1:
        raise GdpError(
            f"the share of the multiply-accumulates to keep must lie between 0 and 1, such as 0.5 for half of them; "
            f"got {request.share:g}"
        )
    run = _finished(request.run)
    folder = RunFolder(_absolute(request.folder or run.path.with_name(run.path.name + request.suffix)))
    weights = _weights_of(run, request.of)
    asked = AskedPruning(request, run, load_run_recipe(run, plugins), weights, folder)
    if (folder.path / FILE).is_file() and folder.path != run.path:
        with folder.locked(partial(warnings.warn, stacklevel=2)):
            pass  # which makes its damaged state files anew
    known_pruning(asked)
    load_run_recipe(run, plugins, request.overrides)  # tells its mistakes before the work begins
    return asked


def _absolute(path: Path) -> Path:
    return path.expanduser().resolve()


def _finished(path: Path) -> RunFolder:
    run = find_run(path)
    about = run.read_json("run.json", {})
    if about.get("state") != "finished":
        raise RunFolderError(
            f"{path}: this run has not finished (its state is {about.get('state', 'unknown')}), and only what is "
            f"trained can be pruned. Let the gdp run that made the folder finish, then prune."
        )
    return run


def _weights_of(run: RunFolder, of: Subject) -> str:
    """Return the hash of the weights that are to be pruned."""
    stage = "export" if of == "student" else "teacher"
    found = run.stages().get(stage, {}).get("summary", {}).get("weights_sha256")
    if not isinstance(found, str):
        raise MissingResourceError(f"{run.path}: this run has no {of} that could be pruned")
    return found


def _record_of(folder: RunFolder) -> PruningRecord | None:
    """Read a folder's record; one that was damaged counts as lost where a pruning was done: the same is done again.

    Raises:
        CorruptFileError: there is something else in its place.
    """
    try:
        return read_record(folder)
    except CorruptFileError:
        if STAGE not in folder.stages():
            raise
        warnings.warn(f"{folder.path / FILE}: was damaged and is written anew", stacklevel=4)
        return None


def known_pruning(asked: AskedPruning) -> PruningRecord | None:
    """Return the record of the same pruning, begun before; None where the folder is still free.

    Raises:
        RunFolderError: the folder holds something else.
    """
    folder, run, request = asked.folder, asked.run, asked.request
    record = _record_of(folder)
    advice = "Choose another folder with --folder, or move this one away; nothing was changed."
    if folder.path == run.path:
        raise RunFolderError(
            f"{folder.path}: this is the folder of the run that is to be pruned, which stays as it is. Choose another "
            f"one with --folder."
        )
    if record is None:
        if is_like_run(folder.path) and STAGE not in folder.stages():
            raise RunFolderError(f"{folder.path}: this folder holds another run, not a pruned one. {advice}")
        return None
    if (record.of, record.share) != (request.of, request.share):
        raise RunFolderError(
            f"{folder.path}: this folder holds another pruning, that of a {record.of} to {record.share:g}; now that "
            f"of the {request.of} to {request.share:g} is asked for. {advice}"
        )
    if record.weights_sha256 != asked.weights_sha256:
        raise RunFolderError(
            f"{folder.path}: this folder holds the pruning of another {record.of}: of {record.run} as it was then, "
            f"with other weights than {run.path} has now. {advice}"
        )
    is_there = (folder.path / WEIGHTS).is_file() and WEIGHTS not in folder.damaged_files(STAGE)
    return record if is_there else None
