"""StyleGAN2's training in two processes is that of one with two shards, to the bit, and so are both of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
from known_pictures import KnownPictures
from together import checkpoint_of, differing, run_together
from torch import Tensor

from gdp.core.errors import TrainingError
from gdp.core.progress import SilentProgress
from gdp.core.training.group import Group, trains_in
from gdp.plugins.stylegan2 import TrainingSettings, training_step
from gdp.plugins.stylegan2.training import train

pytestmark = [pytest.mark.training, pytest.mark.process]

STEPS = 50
SETTINGS = TrainingSettings(
    images=8 * STEPS,
    batch=8,
    shards=2,
    deviation_group=2,
    z_dim=8,
    w_dim=8,
    mapping_layers=2,
    channel_base=64,
    channel_max=8,
    r1_interval=4,
    path_length_interval=3,
    checkpoint_every=8 * STEPS,
    samples_every=8 * STEPS,
    statistics_every=80,
    mirror=True,
)


def pictures() -> KnownPictures:
    random = torch.Generator().manual_seed(1)
    return KnownPictures(torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=random))


def train_apart(group: Group, folder: Path) -> None:
    train(pictures(), SETTINGS, folder / f"{group.rank} of {group.world}", SilentProgress())


def test_two_processes_are_one_with_two_shards_to_the_bit(tmp_path: Path) -> None:
    for world in (1, 2):
        run_together(world, train_apart, tmp_path, tmp_path)
    one, *ranks = (checkpoint_of(tmp_path / name, STEPS) for name in ("0 of 1", "0 of 2", "1 of 2"))
    assert [differing(one, rank) for rank in ranks] == [[], []]


def steep(loss: Callable[..., Tensor], call: int) -> Callable[..., Tensor]:
    """Let a loss be so large in one call that its gradient in float16 is infinite."""
    calls = itertools.count()
    return lambda *logits: loss(*logits) * (1e5 if next(calls) == call else 1.0)


def train_with_overflows_on_the_second(group: Group, folder: Path) -> None:
    settings = SETTINGS.model_copy(update={"images": 48, "checkpoint_every": 8, "statistics_every": 8})
    chosen = {"generator_loss": 2, "discriminator_loss": 3} if group.rank == 1 else {}
    changes = {name: steep(getattr(training_step, name), step) for name, step in chosen.items()}
    with mock.patch.multiple(training_step, training_type=lambda *asked: torch.float16, **changes):
        train(pictures(), settings, folder / f"{group.rank} of {group.world}", SilentProgress())


def test_what_overflows_in_float16_on_one_of_two_processes_is_skipped_by_both(tmp_path: Path) -> None:
    run_together(2, train_with_overflows_on_the_second, tmp_path, tmp_path)
    ranks = [tmp_path / f"{rank} of 2" for rank in (0, 1)]
    assert differing(*(checkpoint_of(folder, 6) for folder in ranks)) == []
    for folder in ranks:
        told = [json.loads(line) for line in (folder / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [line["skipped_generator"] for line in told] == [0, 0, 1, 0, 0, 0]
        assert [line["skipped_discriminator"] for line in told] == [0, 0, 0, 1, 0, 0]
        assert [line["loss_scale_generator"] for line in told] == [2.0**16] * 3 + [2.0**15] * 3


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path: Path) -> None:
    with trains_in(Group(0, 3)), pytest.raises(TrainingError, match=r"train\.batch"):
        train(pictures(), SETTINGS, tmp_path, SilentProgress())
