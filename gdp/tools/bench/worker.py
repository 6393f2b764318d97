"""One process for each row: opens what is measured, works when told to, and tells its own memory.

A student in an engine: what its measuring process does at every turn.

It imports no torch by itself, as `gdp apply` does not, so the memory that is told is that of the engine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

import numpy

from gdp.core.errors import GdpError
from gdp.core.records import Plugins
from gdp.support.interfaces.engines import EngineContext, PictureArray
from gdp.support.measuring import forget_peak, peak_bytes, present_bytes
from gdp.tools.bench.processes import PATIENCE, end, start
from gdp.tools.bench.tasks import WARMUP, Task, Turns, Work
from gdp.tools.deploy.cards import read_card
from gdp.tools.deploy.models import Place, build_engine, find_model
from gdp.tools.deploy.opening import open_model
from gdp.tools.deploy.student_folder import WEIGHTS


class StudentWork:
    """A student in an engine, one picture at a time."""

    def __init__(self, plugins: Plugins, task: Task) -> None:
        place = find_model(task.place)
        context = EngineContext(task.device, task.threads)
        model = open_model(plugins, task.place, engine=task.engine, context=context, settings=dict(task.settings))
        self.pictures: PictureArray = numpy.load(task.pictures)
        if self.pictures.shape[1] % model.size_multiple:
            raise GdpError(f"this student takes multiples of {model.size_multiple} pixels, and {task.size} is none")
        self.translate = model.translate
        self.facts: dict[str, Any] = {"runs_on": model.runs_on}
        self.facts["file_bytes"] = _file_bytes(place, task.engine, plugins, context)
        for _ in range(WARMUP):
            self.translate(self.pictures[:1])

    def serve(self, turns: Turns) -> None:
        """Translate one picture at every turn, another each time."""
        number = 0
        while turns.wait():
            picture = self.pictures[number % len(self.pictures)][None]
            started = perf_counter()
            self.translate(picture)
            turns.tell((perf_counter() - started) * 1000)
            number += 1

    def conclude(self) -> None:
        """Translate all pictures, to be compared with torch's."""
        self.facts["made"] = numpy.concatenate([self.translate(picture[None]) for picture in self.pictures])


def _file_bytes(place: Place, name: str, plugins: Plugins, context: EngineContext) -> int:
    """Return the bytes of what the engine reads: an exported file with what belongs to it, or the weights."""
    if place.file is not None:
        return read_card(place.file).bytes
    engine = build_engine(plugins, name, context, {})
    if engine.runs_from_weights:
        return (place.folder / WEIGHTS).stat().st_size
    return read_card(place.folder / engine.file).bytes


OpenPlugins = Callable[[], Plugins]
"""Makes the registry; sent to the processes, so it must be picklable."""


class Worker:
    """The caller's side of a measuring process.

    Raises:
        GdpError: from every method, where the process fails or dies; it is ended then.
    """

    def __init__(self, open_plugins: OpenPlugins, task: Task) -> None:
        self._process, self._end = start(_work, open_plugins, task)

    def opened(self) -> None:
        """Wait until everything is loaded and warm."""
        self._receive()

    def turn(self) -> float:
        """Let it work once; return the milliseconds."""
        return float(self._ask("turn"))

    def conclude(self) -> dict[str, Any]:
        """Return what it found out beside the times, and end it."""
        facts: dict[str, Any] = self._ask("conclude")
        self._process.join(PATIENCE)
        self.close()
        return facts

    def close(self) -> None:
        """End the process."""
        end(self._process, self._end)

    def _ask(self, message: str) -> Any:
        try:
            self._end.send(message)
        except OSError as error:
            raise self._died() from error
        return self._receive()

    def _receive(self) -> Any:
        try:
            good, value = self._end.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error
        if not good:
            self.close()
            raise GdpError(value)
        return value

    def _died(self) -> GdpError:
        self._process.join(PATIENCE)
        code = self._process.exitcode
        self.close()
        return GdpError(f"the measuring process ended with exit code {code}; there may be too little memory for it")


class _Turns:
    """The process's side."""

    def __init__(self, end: Connection) -> None:
        self._end = end

    def wait(self) -> bool:
        """Wait for the next message; True where it asks for work."""
        return bool(self._end.recv() == "turn")

    def tell(self, milliseconds: float) -> None:
        """Answer it."""
        self._end.send((True, milliseconds))


def _work(end: Connection, open_plugins: OpenPlugins, task: Task) -> None:
    try:
        _measure(end, open_plugins, task)
    except GdpError as error:
        end.send((False, str(error)))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):  # whoever measures has gone or wants to
        return


def _measure(end: Connection, open_plugins: OpenPlugins, task: Task) -> None:
    plugins, before = open_plugins(), present_bytes()
    work = _open(plugins, task)
    loading = peak_bytes()
    fresh = forget_peak()
    end.send((True, None))
    work.serve(_Turns(end))
    work.facts["memory"] = {
        "libraries_bytes": before,
        "loading_peak_bytes": loading,
        "running_peak_bytes": peak_bytes() if fresh else None,
        **_device_memory(task.device),
    }
    work.conclude()
    end.send((True, work.facts))


def _open(plugins: Plugins, task: Task) -> Work:
    if task.kind == "student":
        return StudentWork(plugins, task)
    from gdp.tools.bench.teacher_works import SlowRouteWork, TeacherWork  # import torch

    return TeacherWork(plugins, task) if task.kind == "teacher" else SlowRouteWork(plugins, task)


def _device_memory(device: str) -> dict[str, int]:
    """Return the most that torch held on a GPU; other engines do not tell."""
    if not device.startswith("cuda") or "torch" not in sys.modules:
        return {}
    import torch

    return {"device_peak_bytes": torch.cuda.max_memory_allocated(device)}
