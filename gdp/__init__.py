"""gdp: GAN distillation pipelines.

A heavy GAN system (the teacher) becomes a small, fast, feed-forward network (the student), by a recipe:

    import gdp

    run = gdp.run("stylegan-age")
    student = gdp.load(run.path)
    older = student(picture)

Everything below is imported when it is first used, so that `import gdp` stays light: plugins' registration modules,
`gdp list-plugins` and `gdp validate` never import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdp.api import (
        FinishedRun,
        Refiltered,
        deploy,
        describe_direction,
        find_direction,
        load,
        prune,
        refilter,
        run,
        train_teacher,
    )
    from gdp.core.config import Config
    from gdp.core.errors import (
        BudgetError,
        CorruptFileError,
        DiskFullError,
        GdpError,
        MissingResourceError,
        NonFiniteError,
        OutOfDepthError,
        OutOfDepthWarning,
        OutOfMemoryError,
        PairStoreError,
        PluginError,
        PluginNotFoundError,
        RankLostError,
        RecipeError,
        RunFolderError,
        RunLockedError,
        ServiceError,
        ShapeError,
        TrainingError,
        UnknownPluginError,
        UnpaidError,
        UsageError,
        WorkersError,
    )
    from gdp.core.hookspecs import hookimpl
    from gdp.core.interfaces.context import BuildContext
    from gdp.core.interfaces.datasets import Dataset, Part, PictureKind, UnpairedDataset
    from gdp.core.interfaces.evaluators import (
        Evaluation,
        EvaluationContext,
        Evaluator,
        Headline,
        Metric,
        PictureRow,
        Sentence,
    )
    from gdp.core.interfaces.filters import CombiningFilter, Filter, ScoringFilter
    from gdp.core.interfaces.forecasts import Forecast
    from gdp.core.interfaces.losses import Loss, TrainingStep, Watched
    from gdp.core.interfaces.pair_sources import PairSource, Pictures
    from gdp.core.interfaces.stages import Run, Stage
    from gdp.core.interfaces.students import Discrimination, Opposite, PrunedStudent, Student, TrainingPhase
    from gdp.core.interfaces.teachers import Domain, LatentTeacher, Projection, Teacher, TranslatorTeacher
    from gdp.core.pairs.records import Decision, Json, NotYet, PairBatch, PairRecord, Score, Scores, Verdict
    from gdp.core.progress import Progress, ProgressTask, SilentProgress, Stopped
    from gdp.core.records import (
        API_VERSION,
        CORE_STAGES,
        KINDS,
        PLAIN_KINDS,
        RECIPE_KINDS,
        Kind,
        Needs,
        PlainKind,
        Register,
        RegisterCommand,
        RegisterConverter,
        RegisterExecutor,
    )
    from gdp.support.downloads.records import RegisterDownload
    from gdp.support.foreign.converter import Converted, Converter
    from gdp.support.interfaces.aligners import Aligner
    from gdp.support.interfaces.directions import DirectionMethod, DirectionSearch, FoundDirection
    from gdp.support.interfaces.engines import CalibratedEngine, Engine, EngineContext, PictureArray, Translate
    from gdp.support.interfaces.executors import Doing, Executor, ExecutorContext, Work, Worker, WorkerLostError
    from gdp.support.interfaces.picture_network import PictureNetwork
    from gdp.support.interfaces.trackers import TrackedRun, Tracker
    from gdp.support.squares import Square

__version__ = "0.1.0"

_HOMES = {
    "gdp.api": (
        "FinishedRun",
        "Refiltered",
        "deploy",
        "describe_direction",
        "find_direction",
        "load",
        "prune",
        "refilter",
        "run",
        "train_teacher",
    ),
    "gdp.core.config": ("Config",),
    "gdp.core.errors": (
        "BudgetError",
        "CorruptFileError",
        "DiskFullError",
        "GdpError",
        "MissingResourceError",
        "NonFiniteError",
        "OutOfDepthError",
        "OutOfDepthWarning",
        "OutOfMemoryError",
        "PairStoreError",
        "PluginError",
        "PluginNotFoundError",
        "RankLostError",
        "RecipeError",
        "RunFolderError",
        "RunLockedError",
        "ServiceError",
        "ShapeError",
        "TrainingError",
        "UnknownPluginError",
        "UnpaidError",
        "UsageError",
        "WorkersError",
    ),
    "gdp.core.hookspecs": ("hookimpl",),
    "gdp.support.interfaces.aligners": ("Aligner",),
    "gdp.core.interfaces.context": ("BuildContext",),
    "gdp.core.interfaces.datasets": (
        "Dataset",
        "Part",
        "PictureKind",
        "UnpairedDataset",
    ),
    "gdp.support.interfaces.directions": (
        "DirectionMethod",
        "DirectionSearch",
        "FoundDirection",
    ),
    "gdp.support.interfaces.engines": (
        "CalibratedEngine",
        "Engine",
        "EngineContext",
        "PictureArray",
        "Translate",
    ),
    "gdp.support.interfaces.executors": (
        "Doing",
        "Executor",
        "ExecutorContext",
        "Work",
        "Worker",
        "WorkerLostError",
    ),
    "gdp.core.interfaces.evaluators": (
        "Evaluation",
        "EvaluationContext",
        "Evaluator",
        "Headline",
        "Metric",
        "PictureRow",
        "Sentence",
    ),
    "gdp.core.interfaces.filters": (
        "CombiningFilter",
        "Filter",
        "ScoringFilter",
    ),
    "gdp.core.interfaces.forecasts": ("Forecast",),
    "gdp.core.interfaces.losses": (
        "Loss",
        "TrainingStep",
        "Watched",
    ),
    "gdp.core.interfaces.pair_sources": (
        "PairSource",
        "Pictures",
    ),
    "gdp.support.interfaces.picture_network": ("PictureNetwork",),
    "gdp.support.interfaces.trackers": ("TrackedRun", "Tracker"),
    "gdp.core.interfaces.stages": ("Run", "Stage"),
    "gdp.core.interfaces.students": (
        "Discrimination",
        "Opposite",
        "PrunedStudent",
        "Student",
        "TrainingPhase",
    ),
    "gdp.core.interfaces.teachers": (
        "Domain",
        "LatentTeacher",
        "Projection",
        "Teacher",
        "TranslatorTeacher",
    ),
    "gdp.core.pairs.records": (
        "Decision",
        "Json",
        "NotYet",
        "PairBatch",
        "PairRecord",
        "Score",
        "Scores",
        "Verdict",
    ),
    "gdp.core.progress": ("Progress", "ProgressTask", "SilentProgress", "Stopped"),
    "gdp.support.downloads.records": ("RegisterDownload",),
    "gdp.core.records": (
        "API_VERSION",
        "CORE_STAGES",
        "KINDS",
        "Kind",
        "Needs",
        "PLAIN_KINDS",
        "PlainKind",
        "RECIPE_KINDS",
        "Register",
        "RegisterCommand",
        "RegisterConverter",
        "RegisterExecutor",
    ),
    "gdp.support.foreign.converter": (
        "Converted",
        "Converter",
    ),
    "gdp.support.squares": ("Square",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "API_VERSION",
    "CORE_STAGES",
    "KINDS",
    "PLAIN_KINDS",
    "RECIPE_KINDS",
    "Aligner",
    "BudgetError",
    "BuildContext",
    "CalibratedEngine",
    "CombiningFilter",
    "Config",
    "Converted",
    "Converter",
    "CorruptFileError",
    "Dataset",
    "Decision",
    "DirectionMethod",
    "DirectionSearch",
    "Discrimination",
    "DiskFullError",
    "Doing",
    "Domain",
    "Engine",
    "EngineContext",
    "Evaluation",
    "EvaluationContext",
    "Evaluator",
    "Executor",
    "ExecutorContext",
    "Filter",
    "FinishedRun",
    "Forecast",
    "FoundDirection",
    "GdpError",
    "Headline",
    "Json",
    "Kind",
    "LatentTeacher",
    "Loss",
    "Metric",
    "MissingResourceError",
    "Needs",
    "NonFiniteError",
    "NotYet",
    "Opposite",
    "OutOfDepthError",
    "OutOfDepthWarning",
    "OutOfMemoryError",
    "PairBatch",
    "PairRecord",
    "PairSource",
    "PairStoreError",
    "Part",
    "PictureArray",
    "PictureKind",
    "PictureNetwork",
    "PictureRow",
    "Pictures",
    "PlainKind",
    "PluginError",
    "PluginNotFoundError",
    "Progress",
    "ProgressTask",
    "Projection",
    "PrunedStudent",
    "RankLostError",
    "RecipeError",
    "Refiltered",
    "Register",
    "RegisterCommand",
    "RegisterConverter",
    "RegisterDownload",
    "RegisterExecutor",
    "Run",
    "RunFolderError",
    "RunLockedError",
    "Score",
    "Scores",
    "ScoringFilter",
    "Sentence",
    "ServiceError",
    "ShapeError",
    "SilentProgress",
    "Square",
    "Stage",
    "Stopped",
    "Student",
    "Teacher",
    "TrackedRun",
    "Tracker",
    "TrainingError",
    "TrainingPhase",
    "TrainingStep",
    "Translate",
    "TranslatorTeacher",
    "UnknownPluginError",
    "UnpaidError",
    "UnpairedDataset",
    "UsageError",
    "Verdict",
    "Watched",
    "Work",
    "Worker",
    "WorkerLostError",
    "WorkersError",
    "deploy",
    "describe_direction",
    "find_direction",
    "hookimpl",
    "load",
    "prune",
    "refilter",
    "run",
    "train_teacher",
]


def __getattr__(name: str) -> Any:
    if name == "toolbox":
        return import_module("gdp.toolbox")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gdp' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "toolbox"])
