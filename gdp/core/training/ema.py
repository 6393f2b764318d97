"""The exponential moving average of the generator's weights, which is what is shipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

RAMP_UP = 0.05
"""Largest half-life as a share of the pairs seen so far, as StyleGAN2 ramps its average up: without it a short run
would ship weights that still remember the initialisation."""


class WeightAverage:
    """Averages a module's parameters and copies its buffers.

    Args:
        module: what is averaged; the average starts as a copy of it.
        half_life: pairs after which a weight's share in the average has halved; 0 copies the weights.
    """

    def __init__(self, module: nn.Module, half_life: float) -> None:
        self._half_life = half_life
        self._live = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        self.tensors: dict[str, Tensor] = {name: tensor.detach().clone() for name, tensor in self._live.items()}
        """Name in the module to averaged tensor, on the module's device and in its memory format."""
        self._parameters = [name for name, tensor in self._live.items() if isinstance(tensor, nn.Parameter)]
        self._buffers = [name for name in self._live if name not in set(self._parameters)]

    def decay(self, pairs_seen: int, batch: int) -> float:
        """Return what is kept of the average in one step: 0.5^(batch / half-life), the half-life ramped up."""
        half_life = min(self._half_life, RAMP_UP * pairs_seen)
        return 0.5 ** (batch / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, pairs_seen: int, batch: int) -> None:
        """Take in the module's weights after a step of `batch` pairs, the last of `pairs_seen`."""
        torch._foreach_lerp_(
            [self.tensors[name] for name in self._parameters],
            [self._live[name] for name in self._parameters],
            1.0 - self.decay(pairs_seen, batch),
        )
        for name in self._buffers:
            self.tensors[name].copy_(self._live[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the module compute with the average for a while; nothing is copied."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def copy_to_module(self) -> None:
        """Give the module the averaged weights for good."""
        for name, tensor in self._live.items():
            tensor.copy_(self.tensors[name])

    def _exchange(self) -> None:
        for name, tensor in self._live.items():
            tensor.data, self.tensors[name] = self.tensors[name], tensor.data
