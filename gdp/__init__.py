"""gdp: GAN distillation pipelines.

A heavy GAN system (the teacher) becomes a small, fast, feed-forward network (the student), by a recipe:

    import gdp

    run = gdp.run("recipes/stylegan_age.toml")
    student = gdp.load(run.path)
    older = student(picture)

Everything below is imported when it is first used, so that `import gdp` stays light: plugins' registration modules,
`gdp list-plugins` and `gdp validate` never import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdp.api import FinishedRun, Refiltered, deploy, find_direction, load, prune, refilter, run, train_teacher
    from gdp.core.config import Config
    from gdp.core.errors import GdpError
    from gdp.core.hookspecs import hookimpl
    from gdp.core.interfaces.context import BuildContext
    from gdp.core.interfaces.converters import Converted, Converter
    from gdp.core.interfaces.datasets import Dataset, UnpairedDataset
    from gdp.core.interfaces.directions import DirectionMethod, DirectionSearch, FoundDirection
    from gdp.core.interfaces.engines import CalibratedEngine, Engine
    from gdp.core.interfaces.evaluators import Evaluation, EvaluationContext, Evaluator, Metric, PictureRow
    from gdp.core.interfaces.filters import CombiningFilter, Filter, Forecast, ScoringFilter
    from gdp.core.interfaces.losses import Loss, TrainingStep, Watched
    from gdp.core.interfaces.pair_sources import PairSource, Pictures
    from gdp.core.interfaces.students import Opposite, PrunedStudent, Student, TrainingPhase
    from gdp.core.interfaces.teachers import LatentTeacher, Projection, Teacher, TranslatorTeacher
    from gdp.core.pairs.records import PairBatch, PairRecord, Scores, Verdict
    from gdp.core.records import (
        API_VERSION,
        Needs,
        Register,
        RegisterCommand,
        RegisterConverter,
        RegisterDownload,
    )

__version__ = "0.1.0"

_HOMES = {
    "gdp.api": (
        "FinishedRun",
        "Refiltered",
        "deploy",
        "find_direction",
        "load",
        "prune",
        "refilter",
        "run",
        "train_teacher",
    ),
    "gdp.core.config": ("Config",),
    "gdp.core.errors": ("GdpError",),
    "gdp.core.hookspecs": ("hookimpl",),
    "gdp.core.interfaces.context": ("BuildContext",),
    "gdp.core.interfaces.converters": ("Converted", "Converter"),
    "gdp.core.interfaces.datasets": ("Dataset", "UnpairedDataset"),
    "gdp.core.interfaces.directions": ("DirectionMethod", "DirectionSearch", "FoundDirection"),
    "gdp.core.interfaces.engines": ("CalibratedEngine", "Engine"),
    "gdp.core.interfaces.evaluators": ("Evaluation", "EvaluationContext", "Evaluator", "Metric", "PictureRow"),
    "gdp.core.interfaces.filters": ("CombiningFilter", "Filter", "Forecast", "ScoringFilter"),
    "gdp.core.interfaces.losses": ("Loss", "TrainingStep", "Watched"),
    "gdp.core.interfaces.pair_sources": ("PairSource", "Pictures"),
    "gdp.core.interfaces.students": ("Opposite", "PrunedStudent", "Student", "TrainingPhase"),
    "gdp.core.interfaces.teachers": ("LatentTeacher", "Projection", "Teacher", "TranslatorTeacher"),
    "gdp.core.pairs.records": ("PairBatch", "PairRecord", "Scores", "Verdict"),
    "gdp.core.records": (
        "API_VERSION",
        "Needs",
        "Register",
        "RegisterCommand",
        "RegisterConverter",
        "RegisterDownload",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "API_VERSION",
    "BuildContext",
    "CalibratedEngine",
    "CombiningFilter",
    "Config",
    "Converted",
    "Converter",
    "Dataset",
    "DirectionMethod",
    "DirectionSearch",
    "Engine",
    "Evaluation",
    "EvaluationContext",
    "Evaluator",
    "Filter",
    "FinishedRun",
    "Forecast",
    "FoundDirection",
    "GdpError",
    "LatentTeacher",
    "Loss",
    "Metric",
    "Needs",
    "Opposite",
    "PairBatch",
    "PairRecord",
    "PairSource",
    "PictureRow",
    "Pictures",
    "Projection",
    "PrunedStudent",
    "Refiltered",
    "Register",
    "RegisterCommand",
    "RegisterConverter",
    "RegisterDownload",
    "Scores",
    "ScoringFilter",
    "Student",
    "Teacher",
    "TrainingPhase",
    "TrainingStep",
    "TranslatorTeacher",
    "UnpairedDataset",
    "Verdict",
    "Watched",
    "deploy",
    "find_direction",
    "hookimpl",
    "load",
    "prune",
    "refilter",
    "run",
    "train_teacher",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'gdp' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
