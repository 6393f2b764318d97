"""Batch norm over the whole batch where each of several processes has a part of it.

torch's SyncBatchNorm is for GPUs alone and another class of module; this is the same for every backend, and leaves the
networks, third parties' among them, what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gdp.core.training.group import Group


class _MeanOverRanks(torch.autograd.Function):
    """The mean of a tensor over the processes, with gradient to the tensors of all; twice differentiable."""

    @staticmethod
    def forward(context: Any, tensor: Tensor, group: Group) -> Tensor:
        context.group = group
        mean = tensor.detach().clone()
        group.average([mean])
        return mean

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # The objective is the mean of those of the processes, and so is its gradient, as of all weights.
        return cast("Tensor", _MeanOverRanks.apply(gradients[0], context.group)), None


def _mean_over_ranks(tensor: Tensor, group: Group) -> Tensor:
    return cast("Tensor", _MeanOverRanks.apply(tensor, group))


def _normalise(norm: _BatchNorm, group: Group, x: Tensor) -> Tensor:
    """Do what `nn.BatchNorm2d` does while it trains (Ioffe and Szegedy, 2015), over the batches of all processes."""
    if not norm.training:
        return type(norm).forward(norm, x)
    with torch.autocast(x.device.type, enabled=False):
        wide = x.float()
        dims, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
        mean = _mean_over_ranks(wide.mean(dims), group)  # (C,)
        centred = wide - mean.view(shape)
        variance = _mean_over_ranks(centred.square().mean(dims), group)  # (C,)
        scale = (variance + norm.eps).rsqrt()
        scale = scale if norm.weight is None else scale * norm.weight
        shift = 0.0 if norm.bias is None else norm.bias.view(shape)
        if norm.track_running_stats:
            _track(norm, mean.detach(), variance.detach(), x.numel() // x.shape[1] * group.world)
        return (centred * scale.view(shape) + shift).to(x.dtype)


@torch.no_grad()
def _track(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    share = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (count / max(1, count - 1)), share)


@contextmanager
def shared_batch_norms(networks: Iterable[nn.Module], group: Group) -> Iterator[None]:
    """Let the batch norms of networks see the whole batch inside; those of a process that is alone stay torch's own."""
    modules = [module for network in networks for module in network.modules()] if group.world > 1 else []
    norms = [module for module in modules if isinstance(module, _BatchNorm)]
    for norm in norms:
        vars(norm)["forward"] = partial(_normalise, norm, group)
    try:
        yield
    finally:
        for norm in norms:
            vars(norm).pop("forward", None)


def other_buffers(networks: Iterable[nn.Module]) -> list[Tensor]:
    """Return the floating-point buffers of networks that are not a batch norm's: each process moves its own."""
    modules = [module for network in networks for module in network.modules() if not isinstance(module, _BatchNorm)]
    return [buffer for module in modules for buffer in module.buffers(recurse=False) if buffer.is_floating_point()]
