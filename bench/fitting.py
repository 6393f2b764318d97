"""Train a benchmark's own small network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def fit(
    network: nn.Module, loss_of_batch: Callable[[], Tensor], *, steps: int, learning_rate: float, weight_decay: float
) -> None:
    """Train a network by AdamW in one cycle of the learning rate, and tell every hundredth loss.

    Args:
        network: is left in evaluation mode, without gradients.
        loss_of_batch: draws the next batch and returns the network's loss on it, a scalar.
        steps: how many batches.
        learning_rate: the largest.
        weight_decay: as of AdamW.
    """
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        loss = loss_of_batch()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {steps}, loss {loss.item():.4f}", flush=True)
    network.eval().requires_grad_(False)
