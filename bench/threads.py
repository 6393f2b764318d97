"""Which settings of OpenMP, threads and memory make gdp's work fast, on an idle machine and beside a busy neighbour.

    python bench/threads.py [--turns 9] [--output FILE]

Writes bench/results/threads.json. gdp's own choice is in gdp/cli/common.py. For a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import os
import signal
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Self

from gdp.console import choose_progress
from gdp.core.files import write_atomically
from gdp.core.progress import ProgressTask
from gdp.core.run.versions import machine, versions
from gdp.core.run_folder import now

RESULT = Path(__file__).parent / "results" / "threads.json"
RECIPE = Path(__file__).parents[1] / "recipes" / "stylegan_age.toml"
LARGE = str(2**31 - 1)
_SHORT_SPINS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": LARGE, "MALLOC_MMAP_MAX_": "0"}
DEFAULT = "default"
SETTINGS: dict[str, dict[str, str]] = {
    DEFAULT: {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "passive, 2,000 spins": _SHORT_SPINS,
    "active": {"OMP_WAIT_POLICY": "active"},
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "1 thread, passive": {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
    "gdp's: 2,000 spins, memory kept": {**_SHORT_SPINS, **_KEEP_MEMORY},
    "gdp's, huge pages": {**_SHORT_SPINS, **_KEEP_MEMORY, "THP_MEM_ALLOC_ENABLE": "1"},
}
"""What each worker finds in its environment; of these variables nothing else is there."""
WORKS = ("pix2pixHD step, 64 px", "ResNet-9, 256 px", "StyleGAN2 synthesis, 64 px", "StyleGAN2 synthesis, 1024 px")
WARMUP = 1
PROTOCOL = (
    "A process for each setting, with the variables that it names and none other of these. All but the one whose turn "
    "it is are stopped (SIGSTOP), so that no thread of another spins meanwhile. In a turn each does the work once; one "
    "unmeasured turn comes first. pix2pixHD: a training step of recipes/stylegan_age.toml, batch 8, not compiled. "
    "ResNet-9: width 64, one picture, torch, float32, channels-last. StyleGAN2: 64 px, the embedded teacher, batch 8; "
    "1024 px, random weights, at most 128 channels, one picture. "
    "milliseconds: median and quartiles; ratio: default by setting, the median over the turns, above 1 is faster than "
    "torch's defaults. busy: beside a process that multiplies matrices in torch with torch's defaults all the while."
)

Work = Callable[[], object]


class Worker:
    """A process with its own environment, stopped but while it works."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._end, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment(environment):
            self._process.start()
        theirs.close()  # so that the end of a process that fails is noticed
        self._end.recv()
        self._signal(signal.SIGSTOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self._signal(signal.SIGCONT)
        self._process.terminate()
        self._process.join()

    def turn(self, work: str) -> float:
        """Let it do a work once; return the milliseconds."""
        self._signal(signal.SIGCONT)
        self._end.send(work)
        milliseconds = float(self._end.recv())
        self._signal(signal.SIGSTOP)
        return milliseconds

    def _signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set the variables for processes that start meanwhile: what this process was given of them is gone there."""
    before = dict(os.environ)
    for name in {name for setting in SETTINGS.values() for name in setting}:
        os.environ.pop(name, None)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve(end: Connection) -> None:
    _end_with_parent()
    works = _works()
    end.send(None)
    while True:
        work = works[end.recv()]
        started = perf_counter()
        work()
        end.send((perf_counter() - started) * 1000)


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, however: a stopped one cannot notice that by itself."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _works() -> dict[str, Work]:
    import torch

    torch.manual_seed(0)
    return dict(zip(WORKS, (_training_step(), _translation(), _synthesis(), _large_synthesis()), strict=True))


def _training_step() -> Work:
    """One step of the recipe's student, with the losses that begin with the training and its batch."""
    import torch
    from plain.gdp_training import GdpTraining

    from gdp.core.interfaces.context import BuildContext
    from gdp.core.interfaces.losses import Loss
    from gdp.core.recipe.sections import TrainSection
    from gdp.core.training import WeightedLoss
    from gdp.plugins.losses import NoSettings
    from gdp.plugins.losses.terms import FeatureMatchingLoss, L1Loss, LSGANLoss, RMSELoss
    from gdp.plugins.pix2pixhd import Pix2PixHDConfig
    from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent

    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    context = BuildContext(seed=1, device=torch.device("cpu"), resolution=64)
    config = {name: value for name, value in recipe["student"].items() if name != "plugin"}
    student = Pix2PixHDStudent(Pix2PixHDConfig(**config), context)
    kinds: dict[str, Callable[[Any, BuildContext], Loss]] = {
        "lsgan": LSGANLoss,
        "feature-matching": FeatureMatchingLoss,
        "l1": L1Loss,
        "rmse": RMSELoss,
    }
    losses = [
        WeightedLoss(name, float(loss.get("weight", 1)), kinds[name](NoSettings(), context), loss.get("begins", 0.0))
        for loss in recipe["losses"]
        for name in (loss["plugin"],)
    ]
    settings = TrainSection(**{**recipe["train"], "compile": "never"})
    training = GdpTraining(student, losses, settings, 1, torch.device("cpu"), unpaired=False)
    pictures = torch.randint(0, 256, (2, settings.batch, 3, 64, 64), dtype=torch.uint8)
    number = iter(range(settings.steps or 1))
    return lambda: training.step(next(number), (pictures[0], pictures[1]))


def _translation() -> Work:
    """One picture through a ResNet-9, as the engine torch has it."""
    import torch

    from gdp.core.interfaces.context import BuildContext
    from gdp.core.training.inference import deployed_predict
    from gdp.plugins.resnet import ResnetConfig
    from gdp.plugins.resnet.student import ResnetStudent

    device = torch.device("cpu")
    student = ResnetStudent(ResnetConfig(blocks=9), BuildContext(device=device, resolution=256))
    predict, picture = deployed_predict(student, "float32", device), torch.rand(1, 3, 256, 256)
    return lambda: predict(picture)


def _synthesis() -> Work:
    """Eight faces of the embedded teacher."""
    import torch

    from gdp.core.interfaces.context import BuildContext
    from gdp.plugins.stylegan2 import StyleGAN2Config
    from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher

    teacher = StyleGAN2Teacher(StyleGAN2Config(weights="builtin:faces64"), BuildContext(device=torch.device("cpu")))
    ws = teacher.map(torch.randn(8, teacher.z_dim))
    return lambda: teacher.synthesize(ws)


def _large_synthesis() -> Work:
    """One picture of 1024 px by a generator of random weights."""
    import torch

    from gdp.plugins.stylegan2.networks import Generator

    generator = Generator(512, 512, 1024, channel_base=64 * 128, channel_max=128).eval().requires_grad_(False)
    ws = generator.mapping(torch.randn(1, 512))
    return torch.inference_mode()(lambda: generator.synthesis(ws, "none"))


def _be_busy() -> None:
    _end_with_parent()
    import torch

    left, right = torch.rand(1024, 1024), torch.rand(1024, 1024)
    while True:
        left @ right


@contextmanager
def neighbour() -> Iterator[None]:
    """Keep a process busy with torch's defaults meanwhile."""
    process = multiprocessing.get_context("spawn").Process(target=_be_busy, daemon=True)
    with _environment({}):
        process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def measure(workers: Mapping[str, Worker], work: str, turns: int, task: ProgressTask) -> dict[str, Any]:
    """Let the workers do a work in turns; return what is told of each setting."""
    times: dict[str, list[float]] = {name: [] for name in workers}
    for turn in range(WARMUP + turns):
        for name, worker in workers.items():
            elapsed = worker.turn(work)
            task.advance(1, setting=name)
            if turn >= WARMUP:
                times[name].append(elapsed)
    return {name: _told(values, times[DEFAULT]) for name, values in times.items()}


def _told(values: Sequence[float], default: Sequence[float]) -> dict[str, Any]:
    low, _, high = quantiles(values, n=4, method="inclusive")
    ratio = median(theirs / own for theirs, own in zip(default, values, strict=True))
    rounded = [round(value, 3) for value in values]
    return {"milliseconds": median(values), "quartiles": [low, high], "ratio": ratio, "measured_ms": rounded}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, measure idle and busy, write and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=9, help="2 or more")
    parser.add_argument("--work", action="append", choices=WORKS, help="repeatable; default: all")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    works, load, progress = options.work or WORKS, os.getloadavg()[0], choose_progress()
    idle: dict[str, Any] = {}
    busy: dict[str, Any] = {}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(setting)) for name, setting in SETTINGS.items()}
        for state, by_work in (("idle", idle), ("busy", busy)):
            with nullcontext() if state == "idle" else neighbour():
                for work in works:
                    with progress.task(f"{state}: {work}", len(workers) * (WARMUP + options.turns), "runs") as task:
                        by_work[work] = measure(workers, work, options.turns, task)
    found = {
        "protocol": PROTOCOL,
        "measured_at": now(),
        "machine": {**machine("cpu", os.cpu_count() or 1), "load_before": load},
        "versions": versions(),
        "settings": SETTINGS,
        "idle": idle,
        "busy": busy,
    }
    write_atomically(options.output, (json.dumps(found, indent=1) + "\n").encode())
    for state, by_work in (("idle", idle), ("busy", busy)):
        for work, settings in by_work.items():
            for name, told in settings.items():
                print(f"{state}  {work:28} {name:34} {told['milliseconds']:9.1f} ms  x {told['ratio']:.2f}")


if __name__ == "__main__":
    main()
