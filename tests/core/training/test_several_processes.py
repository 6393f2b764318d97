"""A training divided over processes: ranks equal to the bit, near one process, and whatever ends one ends all."""

from __future__ import annotations

import itertools
import json
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_training import BecomesNan, both_losses, train
from together import EXIT_CODES, checkpoint_of, differing, run_together, start
from together_students import STEPS, TRAININGS, train_one_step_and_all
from torch import Tensor, nn

from gdp.core.errors import TrainingError
from gdp.core.interfaces.context import BuildContext
from gdp.core.training import WeightedLoss
from gdp.core.training.batch_norm import shared_batch_norms
from gdp.core.training.group import ALONE, Group, trains_in

pytestmark = [pytest.mark.training, pytest.mark.process]


def numbers(folder: Path) -> dict[str, float]:
    """Return the first line of statistics, without what the clock says."""
    line = json.loads((folder / "statistics.jsonl").read_text(encoding="utf-8").splitlines()[0])
    return {name: value for name, value in line.items() if isinstance(value, float) and "s" not in name[-2:]}


def gradients(checkpoint: dict[str, Tensor], optimizer: str) -> Tensor:
    """Join Adam's first moments: after one step the gradients, but for a factor."""
    named = [name for name in checkpoint if name.startswith(optimizer) and name.endswith("exp_avg")]
    return torch.cat([checkpoint[name].double().flatten() for name in named])


@pytest.mark.parametrize("name", TRAININGS)
def test_ranks_end_in_the_same_bits_and_a_step_of_theirs_is_that_of_one_process(tmp_path: Path, name: str) -> None:
    for world in (1, 2):
        run_together(world, partial(train_one_step_and_all, name), tmp_path, tmp_path)
    ranks = [checkpoint_of(tmp_path / f"{rank} of 2", STEPS) for rank in (0, 1)]
    assert differing(*ranks) == []
    one, two = (checkpoint_of(tmp_path / f"0 of {world}, a step", 1) for world in (1, 2))
    for optimizer in ("generator_optimizer", "discriminator_optimizer"):
        whole, parts = gradients(one, optimizer), gradients(two, optimizer)
        assert float((whole - parts).norm() / whole.norm()) < (3e-6 if "batch norm" in name else 1e-6)
    told = [numbers(tmp_path / f"0 of {world}, a step") for world in (1, 2)]
    assert told[1] == pytest.approx(told[0], rel=1e-6)


LONG = {"steps": 60, "batch": 6, "checkpoint_every": 3, "sample_every": 30, "log_every": 5}


def train_long(group: Group, folder: Path) -> None:
    train(folder, **LONG)


def kill_one(world: int, folder: Path, meeting: Path, chance: random.Random) -> list[int | None]:
    """Start a training, kill one of its processes soon after a checkpoint, and return how all of them ended."""
    found = set(folder.glob("checkpoints/step-*"))
    started = start(world, train_long, folder, meeting, Group)
    while not set(folder.glob("checkpoints/step-*")) - found and all(process.is_alive() for process in started):
        time.sleep(0.002)
    time.sleep(chance.uniform(0.0, 0.05))
    chosen = chance.choice(started)
    chosen.kill()
    for process in started:
        process.join(60)  # much less, but the machine may be busy
    return [process.exitcode for process in started]


def test_a_killed_rank_ends_all_and_any_number_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole, broken, chance = tmp_path / "whole", tmp_path / "broken", random.Random(5)
    run_together(2, train_long, whole, tmp_path, Group)
    for _ in range(2):
        ended = sorted(kill_one(2, broken, tmp_path, chance), key=str)
        assert ended == [-signal.SIGKILL, EXIT_CODES["RankLostError"]]
    run_together(2, train_long, broken, tmp_path, Group)
    assert (broken / "student.safetensors").read_bytes() == (whole / "student.safetensors").read_bytes()

    mixed = tmp_path / "mixed"
    for world in (3, 1, 2):
        assert kill_one(world, mixed, tmp_path, chance).count(-signal.SIGKILL) == 1
    run_together(3, train_long, mixed, tmp_path, Group)
    lines = [json.loads(line) for line in (mixed / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(5, 61, 5))
    assert (mixed / "student.safetensors").is_file()


def train_with_nan(group: Group, folder: Path) -> None:
    becomes = BecomesNan({3} if group.rank == 1 else set(), BuildContext())
    train(folder, losses=[*both_losses(), WeightedLoss("nan", 1.0, becomes)])


def train_and_stop_one(group: Group, folder: Path) -> None:
    calls = itertools.count(1)
    result = train(folder, stop=lambda: next(calls) == 5 and group.rank == 1)
    assert (result.finished, result.steps) == (False, 5)


def test_what_becomes_nan_on_one_rank_or_is_stopped_there_ends_all_at_that_step(tmp_path: Path) -> None:
    started = start(2, train_with_nan, tmp_path / "nan", tmp_path, Group)
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [EXIT_CODES["NonFiniteError"]] * 2
    run_together(2, train_and_stop_one, tmp_path / "stopped", tmp_path, Group)
    assert [path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir()] == ["step-00000005"]


def test_a_batch_that_cannot_be_divided_is_refused_with_one_that_can(tmp_path: Path) -> None:
    with trains_in(Group(0, 3)), pytest.raises(TrainingError, match=r"train\.batch=6"):
        train(tmp_path, batch=4)


def normalise_parts(group: Group, folder: Path) -> None:
    """Normalise a part of a batch, and compare all with what `nn.BatchNorm2d` does to the whole of it."""
    whole = torch.randn(6, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    norms = [nn.BatchNorm2d(3), nn.BatchNorm2d(3)]
    results = []
    for norm, given in zip(norms, (whole, group.part(whole)), strict=True):
        images = given.clone().requires_grad_()
        shared = group if norm is norms[1] else ALONE
        with shared_batch_norms([norm] if norm is norms[1] else [], shared):
            objective = (norm(images) ** 3).mean()
            (slope,) = torch.autograd.grad(objective, images, create_graph=True)
            # Each process's objective is a mean over its part, so that its slope is `world` times that of the whole.
            penalty = (slope / shared.world).square().sum() * shared.world
            gradients = torch.autograd.grad(penalty, [images, norm.weight])
        weight = gradients[1].clone()
        shared.average([weight])
        mine = group.part if norm is norms[0] else lambda tensor: tensor
        results.append([mine(slope) * (group.world if norm is norms[0] else 1), weight, norm.running_mean])
        results[-1] += [norm.running_var, norm.num_batches_tracked.float()]
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_batch_norm_sees_the_whole_batch_forward_backward_and_twice(tmp_path: Path) -> None:
    run_together(2, normalise_parts, tmp_path, tmp_path, Group)
