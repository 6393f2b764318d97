"""Counts what networks compute, operator by operator: while they run, or of shapes alone.

Shapes alone (torch's meta device) cost neither memory nor arithmetic, so that a step of any size is counted in seconds,
as a GPU would do it: what is special to a processor (Winograd, say) is not chosen for them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry

from gdp.core.progress import Stopped
from gdp.tools.estimate.works import Arithmetic

PATIENCE = 60.0
"""Seconds after which counting of shapes alone is given up."""
META = torch.device("meta")
_VIEWS = """
    view _unsafe_view as_strided permute transpose t slice select expand unsqueeze squeeze detach alias split
    split_with_sizes chunk unbind empty empty_like empty_strided new_empty new_empty_strided lift_fresh
    _reshape_alias reshape set_ diagonal unfold is_same_size real view_as _local_scalar_dense
"""
_LAUNCHES_NOTHING = frozenset(_VIEWS.split())
_FUSED_BYTES = 7
"""Of each weight Adam reads weight, gradient and two moments, and writes three of them."""


class OutOfTimeError(Stopped):
    """The work was broken off in the middle, for its time was up."""


class UncountableError(Exception):
    """Shapes alone do not get through the work: some plugin looks at numbers; the message says what happened."""


class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own is not annotated
    """Counts from `start` to `stop`, or within `with counting.on():`.

    Args:
        pretended: networks whose work is done with shapes alone, wherever it begins; what is on the meta device is so
            anyway.
        deadline: `perf_counter()` after which the next operator raises `OutOfTimeError`; None for never.
        clock: tells the seconds that `seconds` adds up.
    """

    def __init__(
        self,
        pretended: Iterable[nn.Module] = (),
        deadline: float | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.arithmetic = Arithmetic()
        self.seconds = 0.0
        """Spent in operators."""
        self.own_seconds = 0.0
        """Spent on counting itself, but for the way into it."""
        self.operators = 0
        """Those that launch nothing included."""
        self.backwards = False
        """Whether gradients were computed."""
        self.peak_bytes = 0
        """Largest sum of what was alive at once, of what was made while counting (of shapes alone: all of it)."""
        self._pretended = {id(tensor) for module in pretended for tensor in (*module.parameters(), *module.buffers())}
        self.late: Callable[[], None] = lambda: None
        """Called just before the work is broken off for its deadline."""
        self._deadline = deadline
        self._clock = clock
        self._noise: set[int] = set()
        self._shapes: dict[int, Tensor] = {}
        self._live: dict[int, weakref.ref[Any]] = {}
        self._bytes = 0
        self._in_optimizer = False

    @contextmanager
    def on(self) -> Iterator[Counting]:
        """Count within."""
        before = register_optimizer_step_pre_hook(self._optimizer_begins)
        after = register_optimizer_step_post_hook(self._optimizer_ends)
        threads = torch.autograd.set_multithreading_enabled(False)
        try:
            with threads, self:
                yield self
        finally:
            before.remove()
            after.remove()

    def hold(self, *modules: nn.Module | None) -> None:
        """Let the weights of networks that are there already count as alive."""
        for module in modules:
            for tensor in () if module is None else (*module.parameters(), *module.buffers()):
                self._track(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        entered, before = self._clock(), self.seconds
        try:
            return self._dispatch(func, args, kwargs or {})
        finally:
            self.own_seconds += self._clock() - entered - (self.seconds - before)

    def _dispatch(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self._deadline is not None and perf_counter() > self._deadline:
            self._deadline = None
            self.late()
            raise OutOfTimeError("its time was up")
        name = func._schema.name.removeprefix("aten::")
        inputs = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        self.operators += 1
        if name == "randn" and self._pretended and len(args[0]) == 4:  # latents are written down
            return self._pretend_noise(args[0])
        shapes = any(value.is_meta or id(value) in self._pretended for value in inputs)
        if shapes:
            if (answer := self._without_numbers(name, args, kwargs)) is not None:
                return answer
            args, kwargs = tree_map_only(Tensor, self._as_shape, (args, kwargs))
        started = self._clock()
        result = func(*args, **kwargs)
        self.seconds += self._clock() - started
        self._note(func, name, args, kwargs, inputs, result)
        return result

    def _pretend_noise(self, size: Any) -> Tensor:
        """Return the shape of noise, which stays one wherever it is copied to.

        What is searched for by backpropagation begins as noise, and its gradients are shapes.
        """
        noise = torch.empty(size, device=META)
        self._noise.add(noise.untyped_storage()._cdata)
        return noise

    def _without_numbers(self, name: str, args: Any, kwargs: Any) -> Any:
        """Return what an operator says of shapes that looks at numbers, so that work goes on; None for all others."""
        if name == "_local_scalar_dense":
            kind = args[0].dtype
            return True if kind == torch.bool else 1.0 if kind.is_floating_point else 1
        if name == "equal":
            return True
        if name == "_to_copy":
            device, kind = torch.device(kwargs.get("device") or META), kwargs.get("dtype") or args[0].dtype
            if device.type == "cpu" and args[0].untyped_storage()._cdata not in self._noise:
                return torch.zeros(args[0].shape, dtype=kind)
            return None if device == META else torch.empty_like(args[0], dtype=kind, device=META)
        if name == "copy_" and not args[0].is_meta:
            return args[0].zero_()
        return None

    def _as_shape(self, tensor: Tensor) -> Tensor:
        """Return the tensor on the meta device; a network's weights always the same one."""
        if tensor.is_meta:
            return tensor
        if not isinstance(tensor, nn.Parameter) and id(tensor) not in self._pretended:
            return tensor if tensor.ndim == 0 else torch.empty_like(tensor, device=META)
        shape = self._shapes.get(id(tensor))
        if shape is None:
            shape = self._shapes[id(tensor)] = torch.empty_like(tensor, device=META)
            self._track(shape)
        return shape

    def _note(self, func: Any, name: str, args: Any, kwargs: Any, inputs: list[Tensor], result: Any) -> None:
        made = [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        for value in made:
            self._track(value)
        if name in _LAUNCHES_NOTHING or not made or self._in_optimizer:
            return
        self.backwards = self.backwards or "backward" in name
        macs = 0
        if func._overloadpacket in flop_registry:
            macs = int(flop_registry[func._overloadpacket](*args, **kwargs, out_val=result)) // 2
        moved = 0 if macs else sum(value.numel() * value.element_size() for value in (*inputs, *made))
        half = made[0].dtype in (torch.bfloat16, torch.float16)
        self.arithmetic += Arithmetic(1, 0 if half else macs, macs if half else 0, moved)

    def _track(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._live:
            return
        size = storage.nbytes()
        self._bytes += size
        self.peak_bytes = max(self.peak_bytes, self._bytes)

        def gone(_: Any) -> None:
            if self._live.pop(key, None) is not None:
                self._bytes -= size

        self._live[key] = weakref.ref(storage, gone)

    def _optimizer_begins(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Count the whole step of an optimizer as that of a fused one, whatever is done with shapes."""
        self._in_optimizer = True
        weights = [weight for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None]
        moved = _FUSED_BYTES * sum(weight.numel() * weight.element_size() for weight in weights)
        self.arithmetic += Arithmetic(kernels=1 + len(weights) / 32, bytes=moved)

    def _optimizer_ends(self, *_: Any) -> None:
        self._in_optimizer = False


def entering_seconds(repeats: int = 200) -> float:
    """Return the seconds that an operator takes on its way to `Counting` and back, beside `Counting.own_seconds`.

    Of operators as networks have them, on pictures so small that their arithmetic takes no time.
    """
    layers = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3), nn.InstanceNorm2d(4), nn.ReLU())
    picture = torch.zeros(1, 4, 4, 4)

    def once() -> float:
        started = perf_counter()
        layers(picture)
        return perf_counter() - started

    def typical() -> float:
        return median(once() for _ in range(repeats))

    with torch.no_grad():
        plain = typical()
        counting = Counting()
        with counting.on():
            counted = typical()
    own = counting.own_seconds / repeats
    return max(0.0, counted - plain - own) / (counting.operators / repeats)
