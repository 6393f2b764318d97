"""How big a network is and how much it computes, without running it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(module: nn.Module) -> int:
    """Count the numbers in a module's parameters, shared ones once; buffers do not count."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, *example_inputs: Any) -> int:
    """Count the multiply-accumulates of one forward pass: those of convolutions and matrix products.

    Nothing is computed and nothing of the module is copied: shapes alone pass through it, on the meta device.
    Normalisations, activations and resampling do not count, as is usual where networks are compared.

    Args:
        module: any module whose forward pass does not look at values.
        example_inputs: what its forward takes; of tensors only shape and data type matter (on any device).
    """
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    inputs = tree_map_only(Tensor, lambda tensor: torch.empty_like(tensor, device="meta"), example_inputs)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        torch.func.functional_call(module, shapes, inputs)
    return int(counter.get_total_flops()) // 2
