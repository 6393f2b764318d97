"""How networks are computed: their precision, their place on a device, and which pieces of them are compiled."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal

import torch
from torch import Tensor

from gdp.core.errors import TrainingError
from gdp.core.interfaces.students import Student

Precision = Literal["auto", "float32", "bf16"]


def computes_bf16(device: torch.device) -> bool:
    """Say whether the device multiplies in bf16 natively, and no slower than in float32.

    Elsewhere bf16 is emulated. Intel's processors gain by AMX alone: a Xeon of 2023 without it computes
    convolutions in AVX-512's bf16 at 44 GMAC/s a core, in float32 at 77.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    by_vectors = bool(has.get("avx512_bf16")) and "Intel" not in str(has.get("cpu_name"))
    return device.type == "cpu" and (by_vectors or any(bool(has.get(name)) for name in ("amx_bf16", "bf16")))


FLOAT16_FROM = (7, 0)
"""Compute capability from which GPUs multiply float16 faster than float32 (Volta, Turing)."""


def half_type(device: torch.device) -> torch.dtype:
    """Return what trainings on a device may compute in, and faster than in float32; float32 where there is nothing."""
    if computes_bf16(device):
        return torch.bfloat16
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= FLOAT16_FROM:
        return torch.float16
    return torch.float32


TYPE_NAMES = {torch.bfloat16: "bf16", torch.float16: "float16", torch.float32: "float32"}


def training_type(
    precision: Precision, device: torch.device, tell: Callable[[str], None] = lambda sentence: None
) -> torch.dtype:
    """Return what the convolutions of a training compute in: bfloat16, float16 with a scaled loss, or float32.

    Args:
        precision: `auto` and `bf16` are bf16 where the device computes it natively, and float16 on GPUs that have
            only that (Volta, Turing); elsewhere `auto` is float32, and so is `bf16` on a GPU.
        device: where the training runs.
        tell: told in a sentence where a GPU computes no bf16 that it might have been given.
    """
    if precision == "float32":
        return torch.float32
    kind = half_type(device)
    if device.type == "cuda" and kind != torch.bfloat16:
        scaled = ", and scales the loss so that small gradients are not lost" if kind == torch.float16 else ""
        name = torch.cuda.get_device_name(device)
        tell(
            f'{name} does not compute in bf16: with precision = "{precision}" the training computes in '
            f"{TYPE_NAMES[kind]}{scaled}"
        )
        return kind
    return torch.bfloat16 if precision == "bf16" else kind


def casting(device: torch.device, kind: torch.dtype) -> Callable[[], AbstractContextManager[object]]:
    """Return a maker of contexts in which forward passes compute in a type; weights stay float32."""
    return nullcontext if kind == torch.float32 else lambda: torch.autocast(device.type, kind)


def autocaster(precision: Precision, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Return a maker of contexts in which a trained student computes.

    Args:
        precision: `auto` is bf16 where the device computes it natively and no slower, else float32. A GPU that does
            not (before Ampere, compute capability 8.0) computes in float32 whatever is asked for: float16 ends at
            65,504, and nobody looks at what a student at work computes.
        device: where the forward passes run.
    """
    has_bf16 = computes_bf16(device) or (precision == "bf16" and device.type != "cuda")
    return casting(device, torch.bfloat16 if has_bf16 and precision != "float32" else torch.float32)


class LossScaler(torch.amp.GradScaler):
    """Keeps the gradients of a training in float16 from vanishing (Micikevicius et al., ICLR 2018); torch's own.

    A step whose gradients are not finite is skipped on the device, which nobody waits for, and the scale is halved;
    after 2000 good steps it is doubled. In every other type it does nothing. Each optimizer has one of its own.

    Args:
        device: of the parameters.
        kind: what the training computes in.
    """

    def __init__(self, device: torch.device, kind: torch.dtype) -> None:
        super().__init__(device.type, enabled=kind == torch.float16)
        self.scale(torch.ones((), device=device))  # several threads may ask for it first

    def figures(self, norm: Tensor) -> dict[str, Tensor]:
        """Return what a step is to tell, between `unscale_` and `step`; nothing where nothing is scaled.

        Args:
            norm: of the gradient, without the scale; the step is skipped if it is not finite.

        Returns:
            `gradient_norm`, 0 of a step that is skipped, but what it is where the scale, below 1, cannot be the reason;
            `loss_scale`; `skipped`, 1 or 0.
        """
        if not self.is_enabled():
            return {}
        scale = self.scale(torch.ones_like(norm))
        skipped = norm.isfinite().logical_not()
        norm = torch.where(skipped & (scale >= 1), 0.0, norm)
        return {"gradient_norm": norm, "loss_scale": scale, "skipped": skipped.float()}

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs of it. On a GPU this waits for it."""
        state = self.state_dict()
        names = ("scale", "_growth_tracker") if state else ()
        return {name: torch.tensor(float(state[name])) for name in names}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` returned; where that was nothing, stay as it is."""
        if self.is_enabled() and tensors:
            scale, good = float(tensors["scale"]), int(tensors["_growth_tracker"])
            self.load_state_dict({**self.state_dict(), "scale": scale, "_growth_tracker": good})


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


CompileName = Literal["auto", "always", "never"]

FEWEST_STEPS = 1000
"""Steps from which `auto` compiles: compiling takes about 40 s the first time on a machine, 5 s later."""

_COMPILES: ContextVar[bool] = ContextVar("compiles", default=False)


def compiles() -> bool:
    """Say whether a network may call what it has compiled; outside of a training it may not."""
    return _COMPILES.get()


def find_compiler() -> str | None:
    """Return the path of the C++ compiler that torch.compile would call on a CPU, None where there is none."""
    by_platform = {"win32": "cl", "darwin": "clang++"}
    return shutil.which(os.environ.get("CXX") or by_platform.get(sys.platform, "g++"))


def decide(choice: CompileName, steps: int) -> bool:
    """Say whether a training of `steps` steps compiles.

    That depends on the recipe and the machine alone, so that a training that goes on from a checkpoint ends in the
    same bits.

    Raises:
        TrainingError: `always`, and there is no C++ compiler.
    """
    found = choice != "never" and find_compiler() is not None
    if choice == "always" and not found:
        raise TrainingError(
            'train.compile = "always" needs a C++ compiler, and none was found. Install one (on Debian and Ubuntu: apt '
            'install g++), name it in the environment variable CXX, or set train.compile = "auto".'
        )
    return found and (choice == "always" or steps >= FEWEST_STEPS)


@contextmanager
def compilation(choice: CompileName, steps: int) -> Iterator[None]:
    """Let networks compile while a training runs, where `decide` is for it."""
    token = _COMPILES.set(decide(choice, steps))
    try:
        yield
    finally:
        _COMPILES.reset(token)
