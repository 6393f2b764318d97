"""All that the pretended GPU takes from torch's private parts, with the reason, so that a change there is met here.

Known to be there from torch 2.10 on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from gdp.core.errors import GdpError

try:
    # Tensors of shape, type, layout and device without numbers, and what computes with them. torch.export and
    # torch.compile stand upon them.
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        FakeTensor,
        FakeTensorMode,
        UnsupportedOperatorException,
        init_gpu_context,
    )

    # Sees every operator of a thread, those of the backward pass too.
    from torch.utils._python_dispatch import TorchDispatchMode

    # Whether torch.tensor(..., device="cuda") makes its numbers on the processor and copies them, as it can be seen
    # then; else it would write to the GPU's memory, of which there is none.
    _lifts_on_the_processor = torch._C._only_lift_cpu_tensors
    _set_lifts_on_the_processor = torch._C._set_only_lift_cpu_tensors
    # How a module is brought to a device: exchanges the numbers of its parameters, where these have none.
    _apply = nn.Module._apply
except (ImportError, AttributeError) as error:
    raise GdpError(
        f"the pretended GPU stands upon private parts of torch that torch {torch.__version__} does not have ({error}). "
        "Take a torch from 2.10 to that of gdp's constraints.txt, or mend gdp/testing/pretended_gpu/private.py."
    ) from error

__all__ = ["NUMBERS_NEEDED", "FakeTensor", "OneMode", "TorchDispatchMode", "without_numbers"]


class OneMode(FakeTensorMode):  # type: ignore[no-untyped-call]  # torch's class has no annotations
    """Computes for several threads: while one is amid an operator, tensors are on "meta" for it alone."""

    _amid = threading.local()

    @property
    def in_kernel_invocation(self) -> bool:
        """Whether this thread is amid an operator; of torch's class it is one for all threads."""
        return getattr(self._amid, "operator", False)

    @in_kernel_invocation.setter
    def in_kernel_invocation(self, value: bool) -> None:
        self._amid.operator = value


NUMBERS_NEEDED = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException)
"""What computing without numbers raises where the numbers decide what comes out."""


@contextmanager
def without_numbers() -> Iterator[None]:
    """Let torch work with tensors that have no memory on the GPU."""
    with ExitStack() as stack:
        # Makes one real tensor on the GPU, so that its context is there: here there is none.
        stack.enter_context(mock.patch(f"{init_gpu_context.__module__}.init_gpu_context", lambda device: None))
        stack.enter_context(mock.patch.object(nn.Module, _apply.__name__, _converted))
        # Asks for number after number, where a tensor on a GPU is copied once.
        stack.enter_context(mock.patch.object(FakeTensor, "tolist", lambda tensor: tensor.cpu().tolist()))
        before = _lifts_on_the_processor()
        _set_lifts_on_the_processor(True)
        stack.callback(_set_lifts_on_the_processor, before)
        yield


def _converted(module: nn.Module, convert: Any, recurse: bool = True) -> nn.Module:
    """Stand in for `Module._apply`: a parameter that changes its device is another object afterwards."""
    if recurse:
        for child in module.children():
            _converted(child, convert)
    for name, weight in module._parameters.items():
        if weight is not None:
            module._parameters[name] = _converted_parameter(weight, convert)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = convert(buffer)
    return module


@torch.no_grad()
def _converted_parameter(weight: nn.Parameter, convert: Any) -> nn.Parameter:
    made: Tensor = convert(weight)
    if made is weight:
        return weight
    if isinstance(made, FakeTensor) == isinstance(weight, FakeTensor):
        weight.data = made
        return weight
    moved = nn.Parameter(made, weight.requires_grad)
    if weight.grad is not None:
        moved.grad = convert(weight.grad)
    return moved
