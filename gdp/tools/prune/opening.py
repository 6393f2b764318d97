"""Open the run of a pruned network: the first time the network is pruned, later its run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gdp.core.errors import GdpError, MissingResourceError, RunFolderError
from gdp.core.files import write_atomically
from gdp.core.progress import Progress
from gdp.core.recipe.choices import resolved_text
from gdp.core.recipe.reading import Recipe
from gdp.core.records import Plugins
from gdp.core.run.opening import load_run_recipe
from gdp.core.run.session import Session, never
from gdp.core.run_folder import RunFolder, find_run
from gdp.support.metrics_files import write_given_metrics
from gdp.tools.prune.record import FILE, WEIGHTS, PruningRecord, Subject, read_record, sizes_before_pruning
from gdp.tools.prune.shrink import Shrunk, reuse, shrink

RECIPE = "pruned.toml"


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


def open_pruning(
    request: PruningRequest,
    plugins: Plugins,
    *,
    device: torch.device,
    progress: Progress,
    stop_requested: Callable[[], bool] = never,
) -> tuple[Session, PruningRecord]:
    """Prune, unless that is done already, and prepare the run that trains the pruned network.

    Execute the session to train, measure and report. A folder that holds this pruning already is only opened, so that
    the same request goes on with its run. The finished run's pairs are copied where they are the same.

    Raises:
        RunFolderError: the run has not finished, or the folder holds something else.
        RecipeError: with all mistakes of the overrides; nothing is written then.
        GdpError: the network cannot be pruned so; nothing is written then.
    """
    if not 0 < request.share < 1:
        raise GdpError(
            f"the share of the multiply-accumulates to keep must lie between 0 and 1, such as 0.5 for half of them; "
            f"got {request.share:g}"
        )
    run = _finished(request.run)
    folder = RunFolder(_absolute(request.folder or run.path.with_name(run.path.name + request.suffix)))
    pruned_weights = _weights_of(run, request.of)
    record = _known(folder, run, request, pruned_weights)
    load_run_recipe(run, plugins, request.overrides)  # tells its mistakes before the work begins
    recipe = load_run_recipe(run, plugins)
    base = Session(recipe, run, plugins, progress, device)
    shrunk = shrink(base, request.of, request.share) if record is None else None
    with folder.locked():
        if shrunk is not None:
            record = _known(folder, run, request, pruned_weights) or _write(
                folder, run, request, pruned_weights, shrunk
            )
        assert record is not None
        write_given_metrics(folder, sizes_before_pruning(record))
        folder.write_text(RECIPE, _derived(recipe, record, request))
        derived = load_run_recipe(run, plugins, request.overrides, derived=folder.path / RECIPE)
        session = Session(derived, folder, plugins, progress, device, stop_requested)
        if shrunk is not None:
            session.adopt(base)
        reuse(session, run)
    return session, record


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


def _known(folder: RunFolder, run: RunFolder, request: PruningRequest, weights_sha256: str) -> PruningRecord | None:
    """Return the record of the same pruning, begun before; None where the folder is still free.

    Raises:
        RunFolderError: the folder holds something else.
    """
    record = read_record(folder)
    advice = "Choose another folder with --folder, or move this one away; nothing was changed."
    if folder.path == run.path:
        raise RunFolderError(
            f"{folder.path}: this is the folder of the run that is to be pruned, which stays as it is. Choose another "
            f"one with --folder."
        )
    if record is None:
        if (folder.path / "run.json").exists():
            raise RunFolderError(f"{folder.path}: this folder holds another run, not a pruned one. {advice}")
        return None
    if (record.of, record.share) != (request.of, request.share):
        raise RunFolderError(
            f"{folder.path}: this folder holds another pruning, that of a {record.of} to {record.share:g}; now that "
            f"of the {request.of} to {request.share:g} is asked for. {advice}"
        )
    if record.weights_sha256 != weights_sha256:
        raise RunFolderError(
            f"{folder.path}: this folder holds the pruning of another {record.of}: of {record.run} as it was then, "
            f"with other weights than {run.path} has now. {advice}"
        )
    return record if (folder.path / WEIGHTS).is_file() else None


def _write(
    folder: RunFolder, run: RunFolder, request: PruningRequest, weights_sha256: str, shrunk: Shrunk
) -> PruningRecord:
    """Put the pruned network into its folder; the record last, for with it the pruning counts as done."""
    record = PruningRecord(
        of=request.of,
        share=request.share,
        run=str(run.path),
        weights_sha256=weights_sha256,
        before=shrunk.before,
        after=shrunk.after,
        channels=shrunk.channels,
        settings=shrunk.settings,
    )
    write_atomically(folder.path / WEIGHTS, shrunk.weights)
    folder.write_json(FILE, record.to_data())
    return record


def _derived(recipe: Recipe, record: PruningRecord, request: PruningRequest) -> str:
    """Return the finished run's recipe with the pruned student in it, as TOML."""
    data = recipe.to_data()
    data.pop("compare", None)  # a comparison of variants was the run's own affair
    suffix = request.suffix
    train: dict[str, Any] = data["train"]
    if request.steps is not None:
        train |= {"steps": request.steps, "epochs": None}
    elif train["steps"] is not None:
        train["steps"] = (train["steps"] + 1) // 2
    else:
        train["epochs"] /= 2
    data["name"] = recipe.name[: 100 - len(suffix)] + suffix
    data["student"] |= {**record.settings, "weights": WEIGHTS}
    return resolved_text(data, f"Written by gdp prune: the recipe of {record.run} with its {record.of} pruned.")
