"""The arithmetic of forward passes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bf16"]


def computes_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies in bf16 natively; elsewhere bf16 is emulated and slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return device.type == "cpu" and any(bool(has.get(name)) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def autocaster(precision: Precision, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Return a maker of contexts in which forward passes compute in that precision; weights stay float32.

    Args:
        precision: `auto` is bf16 where the device computes it natively, else float32.
        device: where the forward passes run.
    """
    if precision == "bf16" or (precision == "auto" and computes_bf16(device)):
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return nullcontext
