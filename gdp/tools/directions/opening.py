"""Who takes part in a search: the chosen plugins are built."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import torch

from gdp.core.answers import AnswerBook, default_place
from gdp.core.building import build
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.filters import ScoringFilter
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.memory import MemoryBound
from gdp.core.progress import Progress
from gdp.core.recipe.choices import Choice
from gdp.core.recipe.sections import TeacherSection
from gdp.core.records import Plugins
from gdp.support.interfaces.directions import DirectionMethod
from gdp.tools.directions.choices import Chosen
from gdp.tools.directions.search import Tools


def open_tools(
    chosen: Chosen,
    plugins: Plugins,
    *,
    seed: int,
    pictures: int,
    device: torch.device,
    progress: Progress,
    memory: MemoryBound | None = None,
) -> Tools:
    """Build teacher, method and filter.

    Args:
        chosen: what `read_choices` has read.
        plugins: what is installed.
        seed: of the samples.
        pictures: how many the filter will be asked about, for its own look ahead.
        device: where the teacher and the filter work.
        progress: where to report.
        memory: for pictures in work; a share of what is free where none is given.

    Raises:
        PluginError: a plugin cannot take part in a search.
        GdpError: what a plugin itself says is wrong.
    """
    # Paid answers are the user's, for all runs and searches; a budget is that of one search.
    book = AnswerBook.at(default_place(), f"find-direction-{uuid.uuid4().hex}")
    memory = memory or MemoryBound(device=str(device))
    context = BuildContext(seed=seed, device=device, progress=progress, answers=book, memory=memory, pairs=pictures)
    built = _build(plugins, chosen.teacher, LatentTeacher, context, "makes pictures from latents")
    context = replace(context, teacher=built)
    finder = _build(plugins, chosen.method, DirectionMethod, context, "is a direction method")
    judge = chosen.judge
    scorer = None if judge is None else _build(plugins, judge, ScoringFilter, context, "measures scores")
    if scorer is not None and (remark := scorer.check()):
        progress.message(remark)
    return Tools(built, finder, scorer, chosen.method.record.name, "" if judge is None else judge.record.name, progress)


def open_teacher(
    chosen: Choice[TeacherSection], plugins: Plugins, *, seed: int, device: torch.device, progress: Progress
) -> LatentTeacher:
    """Build the teacher alone.

    Raises:
        PluginError: it makes no pictures from latents.
        GdpError: what it itself says is wrong.
    """
    context = BuildContext(seed=seed, device=device, progress=progress)
    built: LatentTeacher = _build(plugins, chosen, LatentTeacher, context, "makes pictures from latents")
    return built


def _build(plugins: Plugins, choice: Choice[Any], kind: type[Any], context: BuildContext, does: str) -> Any:
    record = choice.record
    wanted = f"it cannot take part: a search needs one that {does}; there is {', '.join(plugins.names(record.kind))}"
    return build(plugins, record, choice.config, context, kind=kind, wanted=wanted)
