"""StyleGAN2's training in two processes is that of one with two shards, to the bit, and so are both of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from known_pictures import KnownPictures
from together import checkpoint_of, differing, run_together

from gdp.core.errors import TrainingError
from gdp.core.progress import SilentProgress
from gdp.core.training.group import Group, trains_in
from gdp.plugins.stylegan2 import TrainingSettings
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


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path: Path) -> None:
    with trains_in(Group(0, 3)), pytest.raises(TrainingError, match=r"train\.batch"):
        train(pictures(), SETTINGS, tmp_path, SilentProgress())
