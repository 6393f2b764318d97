"""The networks of a training, brought to their device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gdp.core.interfaces.students import Student


@contextmanager
def fastest_convolutions() -> Iterator[None]:
    """Let cuDNN try its convolutions once for each shape: training shapes do not change."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def place_networks(student: Student, device: torch.device, memory_format: torch.memory_format) -> None:
    """Bring a student's networks to the device, ready to be trained; those that stay as they are get no gradient."""
    opposite = student.opposite
    for network, trains in (
        (student.generator, True),
        (student.discriminator, student.discriminator_trains),
        (opposite.generator if opposite else None, bool(opposite and opposite.trains)),
        (opposite.discriminator if opposite else None, student.discriminator_trains),
    ):
        if network is not None:
            network.to(device).to(memory_format=memory_format)
            network.train(trains)
            network.requires_grad_(trains)
