"""The pretended GPU: tensors on "cuda" have shapes, types, layouts and a device, and no numbers; others are real."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from gdp.testing.pretended_gpu.notes import Notes, Wait
from gdp.testing.pretended_gpu.private import (
    NUMBERS_NEEDED,
    FakeTensor,
    OneMode,
    TorchDispatchMode,
    without_numbers,
)

_LAUNCH_NOTHING = frozenset(
    {
        *("view", "_unsafe_view", "as_strided", "permute", "transpose", "t", "slice", "select", "expand", "unsqueeze"),
        *("squeeze", "detach", "alias", "split", "split_with_sizes", "chunk", "unbind", "empty", "empty_like"),
        *("empty_strided", "new_empty", "new_empty_strided", "lift_fresh", "_reshape_alias", "reshape", "set_"),
        *("diagonal", "unfold", "is_same_size", "real", "view_as", "view_as_real", "view_as_complex", "resize_"),
        "record_stream",
    }
)
_COPIES = ("_to_copy", "copy_")
_INDEXES = ("index", "index_put_", "index_put", "_unsafe_index", "_index_put_impl_")
_WAIT = {
    "nonzero": "nonzero",
    "masked_select": "mask",
    "_unique2": "unique",
    "unique_dim": "unique",
    "unique_consecutive": "unique",
    "_linalg_check_errors": "check of a factorisation",
}
"""Operators that wait, whatever they are given, and what a wait there is called."""
_NO_CALLERS = frozenset({*sys.stdlib_module_names, "torch", "torchvision", "torchmetrics", "__main__"})
"""Packages whose lines are nobody's fault."""


_DEVICE = torch.ops.prim.device.default


class PretendedGpu:
    """A CUDA device that computes shapes alone; a context manager, for processes of `run_on_pretended_gpu`.

    Inside, whatever mixes devices raises RuntimeError as it would on a GPU, and so does a processor's generator for a
    tensor on "cuda". What comes back from the device is made up: floats are uniform in [0, 1), levels in 0 to 255,
    other integers 0, truths true; single numbers that are asked for likewise, floats 0.5.

    Not seen are mistakes that only numbers show, the speed and memory of kernels, and parameters that change their
    device after an optimizer got them: a module's parameters are other objects then.
    """

    def __init__(self) -> None:
        self._computes = OneMode(allow_non_fake_inputs=True)
        self._lock = threading.RLock()
        self._random = torch.Generator().manual_seed(0)
        self._noted: list[Notes] = []
        self._stack = ExitStack()

    def __enter__(self) -> PretendedGpu:
        with ExitStack() as stack:
            stack.enter_context(without_numbers())
            stack.enter_context(mock.patch.object(threading.Thread, "run", self._thread_runner(threading.Thread.run)))
            for owner in (torch.cuda, torch.cuda.Stream, torch.cuda.Event):
                stack.enter_context(mock.patch.object(owner, "synchronize", self._noting(owner.synchronize)))
            stack.enter_context(mock.patch.object(FakeTensor, "__repr__", self._writer(FakeTensor.__repr__)))
            stack.enter_context(self._in_this_thread())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    @contextmanager
    def noting(self) -> Iterator[Notes]:
        """Note what is done inside, by this thread and others; nested ones note the same."""
        notes = Notes()
        self._noted.append(notes)
        try:
            yield notes
        finally:
            self._noted.remove(notes)

    @contextmanager
    def _in_this_thread(self) -> Iterator[None]:
        # The engine's own threads would run the backward pass past the mode, which is a thread's own.
        with _Dispatch(self), torch.autograd.set_multithreading_enabled(False):
            yield

    def _thread_runner(self, run: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        def run_with_gpu(thread: threading.Thread) -> None:
            with self._in_this_thread():
                run(thread)

        return run_with_gpu

    def _noting(self, synchronize: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:
            self._note_wait("synchronize")
            return synchronize(*arguments, **named)

        return noted

    def _writer(self, write: Callable[..., str]) -> Callable[..., str]:
        # torch writes tensors past all modes, so that no operator is seen here.
        def written(tensor: FakeTensor, **named: Any) -> str:
            if _is_pretended(tensor):
                self._note_wait("written as text")
            return write(tensor, **named)

        return written

    # Operators

    def compute(self, operator: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Do what an operator would, or raise what it would raise."""
        leaves = list(_leaves((*arguments, *named.values())))
        tensors = [value for value in leaves if isinstance(value, Tensor)]
        asked = named.get("device")
        kind = None if asked is None else torch.device(asked).type
        if kind != "cuda" and not any(isinstance(value, FakeTensor) for value in tensors):
            return operator(*arguments, **named)
        name = operator._schema.name.removeprefix("aten::")
        with self._lock:
            if name == "_local_scalar_dense":
                self._note_wait("item")
                return self._number(arguments[0].dtype)
            if name == "equal":
                _require_one_device(name, tensors)
                self._note_wait("equal")
                return True
            if name == "copy_" and not _is_pretended(arguments[0]):
                self._note_copy(name, arguments, named)
                return self._fill(arguments[0])
            if kind in ("cpu", "meta") and (name.startswith("new_") or name.endswith("_like")):
                arguments, named = tree_map(_shape_alone, (arguments, named))
                return operator(*arguments, **named)  # it looks at a shape on the GPU, at no number
            return self._compute_shapes(operator, name, arguments, named, leaves)

    def _compute_shapes(
        self, operator: Any, name: str, arguments: tuple[Any, ...], named: dict[str, Any], leaves: Sequence[Any]
    ) -> Any:
        tensors = [value for value in leaves if isinstance(value, Tensor)]
        _require_generator_of_gpu(name, leaves)
        if name not in _COPIES and name not in _INDEXES and name != "set_":
            _require_one_device(name, tensors)
        self._note_waits_of(name, arguments, named)
        if not all(isinstance(value, FakeTensor) for value in tensors):
            arguments, named = tree_map(self._pretended, (arguments, named))
        try:
            result = self._computed(operator, name, arguments, named)
        except NUMBERS_NEEDED as error:
            raise RuntimeError(
                f"the pretended GPU cannot do {name}: what comes out depends on numbers, which it does not have. A GPU "
                f"would wait for them here."
            ) from error
        made = list(_leaves((result,)))
        changed = [value for value in (tensors if result is None else made) if _is_pretended(value)]
        if changed and name not in _LAUNCH_NOTHING:
            for notes in self._noted:
                notes.kernels[name] += 1
                notes.types[str(changed[0].dtype).removeprefix("torch.")] += 1
        return result if all(map(_is_pretended, made)) else tree_map(self._landed, result)

    def _computed(self, operator: Any, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Return what comes out; where numbers decide its size, as if all that is looked at were true."""
        with self._computes:
            if name == "nonzero":
                return torch.empty((given[0].numel(), given[0].ndim), dtype=torch.int64, device=given[0].device)
            # Of these two torch has no shapes.
            if name == "_amp_update_scale_":
                return given[0]
            if name == "record_stream":
                return None
            if name == "masked_select":
                return torch.where(given[1], given[0], given[0]).flatten()
            if name in ("index", "_unsafe_index"):
                given = (given[0], _without_masks(given[1]))
            return operator(*given, **named)

    def _pretended(self, value: Any) -> Any:
        if isinstance(value, Tensor) and not isinstance(value, FakeTensor):
            # Not converted: the mode would keep a weak reference to the real one.
            with self._computes:
                return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=value.device)
        return value

    def _landed(self, value: Any) -> Any:
        if not isinstance(value, FakeTensor) or value.device.type == "cuda":
            return value
        real = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=value.device)
        return real if real.is_meta else self._fill(real)

    # Numbers that come back

    def _number(self, kind: torch.dtype) -> bool | int | float:
        if kind == torch.bool:
            return True
        return 0.5 if kind.is_floating_point else 0

    @torch.no_grad()
    def _fill(self, real: Tensor) -> Tensor:
        if real.dtype == torch.bool:
            return real.fill_(True)
        if real.dtype == torch.uint8:
            return real.random_(0, 256, generator=self._random)
        if real.is_floating_point():
            return real.uniform_(generator=self._random)
        return real.zero_()

    # Notes

    def _note_wait(self, what: str) -> None:
        if self._noted:
            places = list(_callers())
            function, line = places[0] if places else ("nobody", 0)
            wait = Wait(what, function, line, tuple(place for place, _ in places[1:]))
            for notes in self._noted:
                notes.waits[wait] += 1

    def _note_waits_of(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
        if name in _COPIES:
            self._note_copy(name, arguments, named)
        elif name in _INDEXES:
            self._note_indices(name, arguments)
        elif name in _WAIT:
            self._note_wait(_WAIT[name])

    def _note_copy(self, name: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
        source = arguments[1] if name == "copy_" else arguments[0]
        given = named.get("device")
        to_gpu = _is_pretended(arguments[0]) if name == "copy_" or given is None else torch.device(given).type == "cuda"
        quick = named.get("non_blocking", len(arguments) > 2 and arguments[2])
        if _is_pretended(source) and not to_gpu:
            self._note_wait("copy to the processor")  # into memory that is not pinned it waits even if it need not
        elif to_gpu and not _is_pretended(source) and not quick:
            self._note_wait("copy to the GPU")

    def _note_indices(self, name: str, arguments: Sequence[Any]) -> None:
        masks = [each for each in arguments[1] if each is not None and each.dtype in (torch.bool, torch.uint8)]
        # One number for all that a mask chooses is filled in without counting them.
        if masks and not (name != "index" and arguments[2].numel() == 1):
            self._note_wait("mask")
        if any(each is not None and not _is_pretended(each) and each.ndim for each in arguments[1]):
            self._note_wait("copy to the GPU")


class _Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no annotations
    """Brings one thread's operators to the pretended GPU."""

    def __init__(self, gpu: PretendedGpu) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self._gpu = gpu

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _DEVICE:  # every second call: torch's C++ asks each tensor where it is
            return args[0].device
        return self._gpu.compute(func, args, dict(kwargs or {}))


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    """Yield what is in an operator's arguments and in their lists; torch's own walk takes as long as the operator."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _is_pretended(value: object) -> bool:
    return isinstance(value, FakeTensor) and value.device.type == "cuda"


def _shape_alone(value: Any) -> Any:
    if not isinstance(value, FakeTensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")


def _without_masks(indices: Iterable[Tensor | None]) -> list[Tensor | None]:
    chosen: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype not in (torch.bool, torch.uint8):
            chosen.append(index)
        else:
            of_each = [torch.empty(index.numel(), dtype=torch.int64, device=index.device) for _ in range(index.ndim)]
            chosen += of_each
    return chosen


_NO_SCALARS_BESIDE = ("cat", "stack", "_fused_adam_", "_fused_adamw_", "_fused_sgd_")
"""Operators that take no single number of the processor beside tensors on the GPU."""


def _require_one_device(name: str, tensors: Sequence[Tensor]) -> None:
    there = [value for value in tensors if not _is_pretended(value)]
    if name not in _NO_SCALARS_BESIDE:
        there = [value for value in there if value.ndim]
    if there and len(there) < len(tensors):
        shapes = ", ".join(str(tuple(value.shape)) for value in there)
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, cuda:0 and "
            f"{there[0].device}! ({name}; on {there[0].device}: a tensor of shape {shapes}. Make it on the others' "
            f"device, as with device=images.device, or bring it to context.device once.)"
        )


def _require_generator_of_gpu(name: str, leaves: Sequence[Any]) -> None:
    for value in leaves:
        if isinstance(value, torch.Generator) and value.device.type != "cuda":
            raise RuntimeError(
                f"Expected a 'cuda' device type for generator but found '{value.device.type}' ({name}; a generator "
                f"draws on its own device: torch.Generator(device), or gdp.toolbox.counter_generator(..., device))"
            )


def _callers() -> Iterator[tuple[str, int]]:
    """Yield the functions at work with their lines, the innermost first, without torch's, Python's and these."""
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in _NO_CALLERS and not module.startswith(__package__):
            yield f"{module}:{frame.f_code.co_qualname}", frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]  # None at the end
