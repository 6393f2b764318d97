"""Teacher and slow route: what their measuring processes do at every turn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from gdp.core.arithmetic import count_macs, count_parameters
from gdp.core.errors import GdpError, MissingResourceError
from gdp.core.interfaces.teachers import LatentTeacher, Teacher, TranslatorTeacher
from gdp.core.pictures import from_array, from_levels
from gdp.core.progress import ProgressTask, SilentProgress, Stopped
from gdp.core.records import Plugins
from gdp.core.run.session import Session
from gdp.core.run_folder import RunFolder
from gdp.support.measuring import time_once
from gdp.support.wording import counted
from gdp.tools.bench.tasks import WARMUP, Task, Turns
from gdp.tools.run_recipes import load_run_recipe


class TeacherWork:
    """One forward of the teacher's network in float32: latent to picture, or picture to picture."""

    def __init__(self, plugins: Plugins, task: Task) -> None:
        session = open_session(plugins, task)
        teacher = _teacher(session)
        self.device, self.module = session.device, teacher.module
        self.inputs = _inputs(teacher, task, session.device)
        self.facts: dict[str, Any] = {
            **_sizes_of_teacher(teacher, self.inputs),
            "runs_on": _runs_on(teacher, task),
        }
        for _ in range(WARMUP):
            self._forward()

    def serve(self, turns: Turns) -> None:
        """Do one forward at every turn."""
        while turns.wait():
            turns.tell(time_once(self._forward, self.device))

    def conclude(self) -> None:
        """Know all already."""

    @torch.no_grad()
    def _forward(self) -> object:
        return self.module(*self.inputs)


def _sizes_of_teacher(teacher: Teacher, inputs: tuple[Any, ...]) -> dict[str, int]:
    state = teacher.module.state_dict().values()
    return {
        "parameters": count_parameters(teacher.module),
        "macs": count_macs(teacher.module, *inputs),
        "file_bytes": sum(value.numel() * value.element_size() for value in state),
    }


def _inputs(teacher: Teacher, task: Task, device: torch.device) -> tuple[Any, ...]:
    return (_picture(task, device),) if isinstance(teacher, TranslatorTeacher) else teacher.example_inputs()


def _runs_on(teacher: Teacher, task: Task) -> str:
    """Return what the rows of a teacher ran on; a latent one keeps its own size where the run reduces its pictures."""
    own = (
        f"; at {teacher.resolution} px"
        if isinstance(teacher, LatentTeacher) and teacher.resolution != task.size
        else ""
    )
    return f"torch {torch.__version__}, {counted(torch.get_num_threads(), 'thread')}, float32{own}"


def _picture(task: Task, device: torch.device) -> Tensor:
    """Return the first picture (1, C, H, W) in [-1, 1]."""
    return from_levels(from_array(numpy.load(task.pictures)[:1])).to(device).contiguous()


class SlowRouteWork:
    """Projection by backpropagation, a step at every turn; then the edit and the synthesis of what was found."""

    def __init__(self, plugins: Plugins, task: Task) -> None:
        session = open_session(plugins, task)
        teacher = _teacher(session)
        if not isinstance(teacher, LatentTeacher):
            raise GdpError("the teacher has no latents, so there is no slow route through them")
        self.teacher, self.device = teacher, session.device
        size = (teacher.resolution, teacher.resolution)
        # Enlarged where the run reduces the teacher's pictures: the time does not depend on what is in them.
        self.picture = functional.interpolate(_picture(task, session.device)[:, :3], size=size, mode="bilinear")
        inputs = _inputs(teacher, task, session.device)
        projection = teacher.project(self.picture, 1, SilentProgress())
        with torch.no_grad():
            edited = session.pair_source.edit(projection.ws)
            if edited is None:
                raise GdpError("the pair source is no edit of one latent, so there is no slow route")
            finish = median(time_once(lambda: teacher.synthesize(edited), session.device) for _ in range(3))
        self.facts: dict[str, Any] = {
            **_sizes_of_teacher(teacher, inputs),
            "macs": None,
            "distance": projection.distance,
            "finish_ms": finish,
            "runs_on": _runs_on(teacher, task),
        }

    def serve(self, turns: Turns) -> None:
        """Do one step of the projection at every turn; the first brings the setup with it and is not measured."""
        stepping = _Stepping(turns, self.device)
        if not turns.wait():
            return
        stepping.begin()
        try:
            self.teacher.project(self.picture, None, stepping)
        except _EnoughError:
            pass
        else:
            turns.tell(math.nan)  # the turn that ended the projection did no step
            while turns.wait():
                turns.tell(math.nan)
        self.facts["total_steps"] = stepping.total

    def conclude(self) -> None:
        """Know all already."""


class _EnoughError(Stopped):
    """No further step is wanted."""


class _Stepping:
    """Progress of a projection that lets it go on only when it is its turn."""

    def __init__(self, turns: Turns, device: torch.device) -> None:
        self._turns, self._device = turns, device
        self._started = 0.0
        self.total = 0

    def begin(self) -> None:
        """Start the clock of a turn."""
        self._started = perf_counter()

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Learn how many steps the whole has."""
        self.total = max(self.total, total)
        yield self

    def message(self, text: str) -> None:
        """Tell nobody."""

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """End a turn, and wait for the next."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elapsed = (perf_counter() - self._started) * 1000
        self._turns.tell(elapsed)
        if not self._turns.wait():
            raise _EnoughError
        self.begin()


def open_session(plugins: Plugins, task: Task) -> Session:
    """Open the run whose teacher is measured, for reading."""
    folder = RunFolder(task.place.absolute())
    recipe = load_run_recipe(folder, plugins, task.overrides)
    if task.threads is not None:
        torch.set_num_threads(task.threads)
    return Session(recipe, folder, plugins, SilentProgress(), torch.device(task.device))


def _teacher(session: Session) -> Teacher:
    session.rehearses = False
    teacher = session.teacher
    if teacher is None:
        raise MissingResourceError("the run has no teacher: its pairs were there before")
    return teacher
