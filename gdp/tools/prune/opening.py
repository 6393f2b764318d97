"""Open the run of a pruned network: the first time the network is pruned, later its run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gdp.core.config import content_key
from gdp.core.errors import RunFolderError
from gdp.core.files import write_atomically
from gdp.core.progress import Progress
from gdp.core.recipe.choices import resolved_text
from gdp.core.recipe.reading import Recipe
from gdp.core.records import Plugins
from gdp.core.run.session import Session, never
from gdp.support.metrics_files import GIVEN, write_given_metrics
from gdp.tools.prune.record import FILE, STAGE, WEIGHTS, PruningRecord, sizes_before_pruning
from gdp.tools.prune.request import AskedPruning, PruningRequest, known_pruning
from gdp.tools.prune.shrink import Shrunk, reuse, shrink
from gdp.tools.run_recipes import load_run_recipe

RECIPE = "pruned.toml"


def open_pruning(
    asked: AskedPruning,
    plugins: Plugins,
    *,
    device: torch.device,
    progress: Progress,
    stop_requested: Callable[[], bool] = never,
) -> tuple[Session, PruningRecord]:
    """Prune, unless that is done already, and prepare the run that trains the pruned network.

    Execute the session to train, measure and report. A folder that holds this pruning already is only opened, so that
    the same request goes on with its run. The finished run's pairs are copied where they are the same.

    Args:
        asked: what `read_request` has read.
        plugins: the registry.
        device: where the networks work.
        progress: where to report.
        stop_requested: asked between pieces of work.

    Raises:
        GdpError: the network cannot be pruned so; nothing is written then.
    """
    run, folder, recipe, request = asked.run, asked.folder, asked.recipe, asked.request
    record = known_pruning(asked)
    base = Session(recipe, run, plugins, progress, device)
    shrunk = shrink(base, request.of, request.share) if record is None else None
    with folder.locked():
        if shrunk is not None:
            record = known_pruning(asked) or _write(asked, shrunk)
        assert record is not None
        write_given_metrics(folder, sizes_before_pruning(record))
        if STAGE not in folder.stages():
            left = [folder.path / name for name in (WEIGHTS, FILE, GIVEN)]
            folder.finish_stage(
                STAGE, content_key(record.to_data()), 0.0, {"of": record.of, "share": record.share}, left
            )
        folder.write_text(RECIPE, _derived(recipe, record, request))
        derived = load_run_recipe(run, plugins, request.overrides, derived=folder.path / RECIPE)
        session = Session(derived, folder, plugins, progress, device, stop_requested)
        if shrunk is not None:
            session.adopt(base)
        reuse(session, run)
    return session, record


def _write(asked: AskedPruning, shrunk: Shrunk) -> PruningRecord:
    """Put the pruned network into its folder; the record last, for with it the pruning counts as done.

    Raises:
        RunFolderError: the folder has lost its record, and holds the network of another pruning.
    """
    made = asked.folder.path / WEIGHTS
    is_lost = STAGE in asked.folder.stages() and made.is_file() and not (asked.folder.path / FILE).is_file()
    if is_lost and made.read_bytes() != shrunk.weights:
        raise RunFolderError(
            f"{asked.folder.path}: this pruning has lost its {FILE}, and what it holds is no pruning of this run as it "
            f"is asked for now. Choose another folder with --folder, or move this one away; nothing was changed."
        )
    record = PruningRecord(
        of=asked.request.of,
        share=asked.request.share,
        run=str(asked.run.path),
        weights_sha256=asked.weights_sha256,
        before=shrunk.before,
        after=shrunk.after,
        channels=shrunk.channels,
        settings=shrunk.settings,
    )
    write_atomically(asked.folder.path / WEIGHTS, shrunk.weights)
    asked.folder.write_json(FILE, record.to_data())
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
