"""What every plugin promises to its surroundings: the same result again, and nothing changed that is not its own."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gdp.testing.examples import World
from gdp.testing.findings import difference, require, require_same
from gdp.testing.subject import Subject

Exercise = Callable[[Subject, Any], Any]
"""Lets a built plugin do its main work; returns what came of it, as tensors and plain data."""

_OWN_SEED = "draw from gdp.toolbox.counter_generator(context.seed, NAME, the pair's number)"


def it_can_be_built(subject: Subject, exercise: Exercise) -> None:
    """With these settings and in this world it can be built, on a CPU."""
    subject.build()


def the_same_seed_gives_the_same_result(subject: Subject, exercise: Exercise) -> None:
    """Built twice with one seed it does the same, whatever the global random state is."""
    results = []
    for seed in (1, 2):
        with _global_seed(1 if subject.kind == "loss" else seed):  # core seeds a training's global state
            results.append(exercise(subject, subject.build()))
    require_same(
        results[0], results[1], "two builds with the same seed gave different results", _OWN_SEED, subject.tolerance
    )


def the_global_random_state_is_left_alone(subject: Subject, exercise: Exercise) -> None:
    """Building it and using it moves no global random state of torch, numpy or Python."""
    _ = subject.implementation  # what imports draw is not meant
    with _global_seed(3):
        before = _global_state()
        plugin = subject.build()
        if subject.kind != "loss":  # core seeds a training's global state, and dropout may draw from it
            exercise(subject, plugin)
        moved = [name for name, state in _global_state().items() if difference(before[name], state) is not None]
    require(not moved, f"it drew from the global random state of {', '.join(moved)}", _OWN_SEED)


def nothing_is_written_into_the_present_folder(subject: Subject, exercise: Exercise) -> None:
    """It leaves no file in the folder from which a command is started."""
    _ = subject.choice, subject.implementation  # relative paths and imports belong to the folder before
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            exercise(subject, subject.build())
            written = sorted(path.name for path in Path(folder).iterdir())
        finally:
            os.chdir(home)
    require(not written, f"it wrote {', '.join(written)}", "write only where core says, or into a temporary folder")


def what_it_is_given_stays_as_it_is(subject: Subject, exercise: Exercise) -> None:
    """Pictures, the teacher and the settings are the same after its work."""
    world = subject.world
    before, settings = _state(world), subject.config.model_dump()
    exercise(subject, subject.build())
    require_same(before, _state(world), "it changed what it was given", "work on a clone, without in-place operations")
    require_same(
        settings, subject.config.model_dump(), "it changed its settings", "keep what changes in own attributes"
    )


def _state(world: World) -> dict[str, Any]:
    state: dict[str, Any] = {"source": world.pairs.source.clone(), "target": world.pairs.target.clone()}
    state["records"] = list(world.pairs.records)
    if world.teacher is not None:
        module = world.teacher.module
        state["teacher"] = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        state["teacher's gradients"] = [parameter.grad is not None for parameter in module.parameters()]
        state["teacher in training mode"] = module.training
    return state


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    import numpy

    python, legacy = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        numpy.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(legacy)


def _global_state() -> dict[str, Any]:
    import numpy

    return {
        "torch": torch.get_rng_state(),
        "Python": repr(random.getstate()),
        "numpy": repr(numpy.random.get_state()),
    }


PROPERTIES = (
    it_can_be_built,
    the_same_seed_gives_the_same_result,
    the_global_random_state_is_left_alone,
    nothing_is_written_into_the_present_folder,
    what_it_is_given_stays_as_it_is,
)
