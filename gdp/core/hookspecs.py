"""The hook specs: every function that a gdp plugin may implement (decorated with `gdp.hookimpl`).

Registration hooks run at start-up of every command, so the module that holds them must import no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from gdp.core.records import Register, RegisterCommand, RegisterConverter, RegisterExecutor

if TYPE_CHECKING:
    from gdp.core.run_folder import RunFolder
    from gdp.support.downloads.records import RegisterDownload

hookspec = pluggy.HookspecMarker("gdp")
hookimpl = pluggy.HookimplMarker("gdp")
"""Marks a function of a plugin module as the implementation of the hook of its name: write `@gdp.hookimpl` above it."""


@hookspec
def gdp_register_teachers(register: Register) -> None:
    """Register heavy models: latent generators or translators (`gdp.LatentTeacher`, `gdp.TranslatorTeacher`).

    Args:
        register: call it once for each teacher.
    """


@hookspec
def gdp_register_pair_sources(register: Register) -> None:
    """Register makers of (source, target) pairs (`gdp.PairSource`).

    Args:
        register: call it once for each pair source.
    """


@hookspec
def gdp_register_filters(register: Register) -> None:
    """Register judges of pairs (`gdp.Filter`, `gdp.ScoringFilter` or `gdp.CombiningFilter`).

    Args:
        register: call it once for each filter.
    """


@hookspec
def gdp_register_students(register: Register) -> None:
    """Register small feed-forward networks and how they train (`gdp.Student`).

    Args:
        register: call it once for each student.
    """


@hookspec
def gdp_register_losses(register: Register) -> None:
    """Register terms of a student's objective (`gdp.Loss`).

    Args:
        register: call it once for each loss.
    """


@hookspec
def gdp_register_evaluators(register: Register) -> None:
    """Register measurements of a trained student (`gdp.Evaluator`).

    Args:
        register: call it once for each evaluator.
    """


@hookspec
def gdp_register_datasets(register: Register) -> None:
    """Register collections of pictures that teachers are trained on (`gdp.Dataset`).

    Args:
        register: call it once for each dataset.
    """


@hookspec
def gdp_register_engines(register: Register) -> None:
    """Register what runs trained students outside of training, and the formats that it reads (`gdp.Engine`).

    Args:
        register: call it once for each engine.
    """


@hookspec
def gdp_register_aligners(register: Register) -> None:
    """Register what finds in pictures the places that students translate, such as faces (`gdp.Aligner`).

    Args:
        register: call it once for each aligner.
    """


@hookspec
def gdp_register_direction_methods(register: Register) -> None:
    """Register ways of finding directions in a teacher's latent space (`gdp.DirectionMethod`).

    Args:
        register: call it once for each method.
    """


@hookspec
def gdp_register_trackers(register: Register) -> None:
    """Register what tells services or files of experiments of a run while it works (`gdp.Tracker`).

    Args:
        register: call it once for each tracker.
    """


@hookspec
def gdp_register_stages(register: Register) -> None:
    """Register steps of a run beside those that every run is made of (`gdp.Stage`).

    Args:
        register: call it once for each stage.
    """


@hookspec
def gdp_register_downloads(register: RegisterDownload) -> None:
    """Register public sets of pictures that `gdp fetch-data` downloads.

    Args:
        register: call it once for each set.
    """


@hookspec
def gdp_register_converters(register: RegisterConverter) -> None:
    """Register readers of foreign layouts of weights for `gdp convert` (`gdp.Converter`).

    Args:
        register: call it once for each layout.
    """


@hookspec
def gdp_register_executors(register: RegisterExecutor) -> None:
    """Register what starts the workers of `gdp run --executor NAME`, here or on other machines (`gdp.Executor`).

    Args:
        register: call it once for each executor.
    """


@hookspec
def gdp_register_commands(register: RegisterCommand) -> None:
    """Register commands of the command line: `gdp NAME`, a function whose parameters typer reads, or a `typer.Typer`.

    Args:
        register: call it once for each command.
    """


@hookspec
def gdp_run_started(run: RunFolder, recipe: Mapping[str, Any]) -> None:
    """Tell that a run starts or goes on.

    Args:
        run: the run's folder.
        recipe: the resolved recipe as plain data.
    """


@hookspec
def gdp_stage_finished(run: RunFolder, stage: str, summary: Mapping[str, Any]) -> None:
    """Tell that a stage has finished (not called for a stage that was up to date).

    Args:
        run: the run's folder.
        stage: teacher, pairs, filter, train, evaluate, export, report or one that a plugin adds.
        summary: the stage's figures as plain data.
    """


@hookspec
def gdp_metrics(run: RunFolder, stage: str, step: int, metrics: Mapping[str, float]) -> None:
    """Receive numbers while a stage works (losses, learning rate, images a second) or when it has measured.

    Args:
        run: the run's folder.
        stage: the stage that measured.
        step: training step, or 0 outside training.
        metrics: name to value.
    """


@hookspec
def gdp_images(run: RunFolder, stage: str, step: int, path: Path) -> None:
    """Receive a picture file that a stage has written (sample grids).

    Args:
        run: the run's folder.
        stage: the stage that wrote it.
        step: training step, or 0 outside training.
        path: the PNG file.
    """


@hookspec
def gdp_run_finished(run: RunFolder, outcome: str) -> None:
    """Tell that a run has ended.

    Args:
        run: the run's folder.
        outcome: `finished`, `stopped` (by --until or by the user) or `failed`.
    """
