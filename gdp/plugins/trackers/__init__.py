"""Trackers: TensorBoard, Weights & Biases, MLflow.

Settings of the trackers; imports none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gdp import Config, Needs, Register, hookimpl


class TensorBoardConfig(Config):
    """Settings of `tensorboard`."""

    folder: Path | None = None
    """Where the event files are written; by default `tensorboard/` in the run's folder: `tensorboard --logdir runs`."""


class WandbConfig(Config):
    """Settings of `wandb`; what is not said here, wandb's own environment variables and settings say."""

    project: str = "gdp"
    """Of the runs there."""
    entity: str | None = None
    """User or team; by default the one that is logged in."""
    mode: Literal["online", "offline"] | None = None
    """Offline writes `wandb/offline-run-...` into the run's folder, for `wandb sync`; by default as WANDB_MODE says."""


class MlflowConfig(Config):
    """Settings of `mlflow`; what is not said here, MLflow's own environment variables say."""

    uri: str | None = None
    """The server's address, or `file:` and `sqlite:` stores; by default as MLFLOW_TRACKING_URI says."""
    experiment: str = "gdp"
    """In which the runs stand; made where it is not there."""


@hookimpl
def gdp_register_trackers(register: Register) -> None:
    """Register the built-in trackers."""
    register(
        "tensorboard",
        config=TensorBoardConfig,
        implementation="gdp.plugins.trackers.tensorboard_tracker:TensorBoardTracker",
        summary="TensorBoard's event files, in the run's folder: numbers in float64, sample grids, the recipe",
        needs=Needs(modules=("tensorboard",), install="gdp-distill[tensorboard]"),
    )
    register(
        "wandb",
        config=WandbConfig,
        implementation="gdp.plugins.trackers.wandb_tracker:WandbTracker",
        summary="Weights & Biases, online or offline: numbers, sample grids, the recipe, the trained student",
        needs=Needs(modules=("wandb",), network=True, install="gdp-distill[wandb]"),
        licence="MIT",
        images_leave_machine=True,
    )
    register(
        "mlflow",
        config=MlflowConfig,
        implementation="gdp.plugins.trackers.mlflow_tracker:MlflowTracker",
        summary="MLflow, on a server or in files: numbers, sample grids, the recipe, the trained student",
        needs=Needs(modules=("mlflow",), network=True, install="gdp-distill[mlflow]"),
        images_leave_machine=True,
    )
