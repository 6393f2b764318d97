"""Run a network so that a row's result does not depend on the rows beside it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def in_fixed_chunks(function: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """Apply `function` to chunks of exactly `size` rows and return the rows of `inputs` (N, ...), N >= 1.

    A matrix product or convolution may add in another order when the batch has another size, which changes the last
    bits of every row. With one size for all calls, a row's bits are the same whatever it stands beside: the last
    chunk is filled up with copies of its first row, and those rows are thrown away.
    """
    results = []
    for chunk in torch.split(inputs, size):
        missing = size - len(chunk)
        full = torch.cat([chunk, chunk[:1].expand(missing, *chunk.shape[1:])]) if missing else chunk
        results.append(function(full)[: len(chunk)])
    return torch.cat(results)
