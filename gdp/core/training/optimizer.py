"""Adam, its learning rate over steps and phases, and the moving average of the weights, which is what is shipped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gdp.core.errors import TrainingError
from gdp.core.interfaces.students import TrainingPhase
from gdp.core.recipe.sections import TrainSection
from gdp.core.training.group import ALONE, Group
from gdp.core.training.precision import LossScaler


def total_steps(settings: TrainSection, pairs: int) -> int:
    """Return the number of training steps for so many training pairs."""
    if settings.steps is not None:
        return settings.steps
    assert settings.epochs is not None
    return max(1, math.ceil(settings.epochs * pairs / settings.batch))


def learning_rate_factor(settings: TrainSection, step: int, steps: int) -> float:
    """Return the factor of the learning rate in step number `step` (from 0) of `steps`, in (0, 1].

    The linear fall is CycleGAN's and pix2pixHD's, 1 - max(0, t + 1 - n) / (n_decay + 1), with steps for epochs: it
    would reach 0 one step after the last.
    """
    warmup = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    start = settings.decay_from * steps
    progress = max(0.0, step + 1 - start) / (steps - start + 1)
    match settings.schedule:
        case "constant":
            return warmup
        case "linear":
            return warmup * (1 - progress)
        case "cosine":
            return warmup * (1 + math.cos(math.pi * progress)) / 2


def phase_ends(phases: Sequence[TrainingPhase], steps: int) -> list[int]:
    """Return for each phase the step that it ends before; the last is `steps`.

    Raises:
        TrainingError: the phases' shares do not sum to 1.
    """
    shares = [sum(phase.fraction for phase in phases[: number + 1]) for number in range(len(phases))]
    if not shares or not math.isclose(shares[-1], 1.0, abs_tol=1e-6):
        named = ", ".join(f"{phase.name} {phase.fraction:g}" for phase in phases) or "none"
        raise TrainingError(f"the shares of the student's training phases ({named}) do not sum to 1")
    return [round(share * steps) for share in shares[:-1]] + [steps]


SCALER = "(loss scale)"
"""In place of a parameter's name, of which it can be none."""


class Descent:
    """Adam over some parameters of a network.

    Args:
        parameters: name to parameter; those that take part.
        learning_rate: before the schedule's factor.
        betas: Adam's decay rates.
        clip: largest L2 norm of the gradient, or None.
        group: the processes over whose parts of the batch the gradients are averaged.
        kind: what the forward passes compute in; in float16 the objective is scaled.
    """

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        learning_rate: float,
        betas: tuple[float, float],
        clip: float | None = None,
        group: Group = ALONE,
        kind: torch.dtype = torch.float32,
    ) -> None:
        self.parameters = parameters
        self._group = group
        self.learning_rate = learning_rate
        self._clip = clip
        # The fused optimizer first copies a gradient that is not contiguous, as channels_last ones are not. So it gets
        # views of the same memory with their dimensions in the order of that memory.
        self._orders = {name: _memory_order(weight) for name, weight in parameters.items()}
        self._views = {name: nn.Parameter(self._in_order(name, weight)) for name, weight in parameters.items()}
        fused = not any(view.is_meta for view in self._views.values())  # shapes alone have no fused optimizer
        self.optimizer = torch.optim.Adam(list(self._views.values()), lr=learning_rate, betas=betas, fused=fused)
        device = next(iter(parameters.values())).device if parameters else torch.device("cpu")
        self._scaler = LossScaler(device, kind)

    def descend(self, objective: Tensor, factor: float, retain_graph: bool = False) -> dict[str, Tensor]:
        """Take one step down the objective and return its figures: `gradient_norm`, the L2 norm before clipping.

        In float16 also those of `LossScaler`: a step whose gradient is not finite is skipped, by all processes alike.

        Args:
            objective: a scalar; gradients are computed for this object's parameters alone.
            factor: of the learning rate.
            retain_graph: whether another backward pass will run through the objective's graph.
        """
        for weight in self.parameters.values():
            weight.grad = None
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(
            self._scaler.scale(objective), inputs=list(self.parameters.values()), retain_graph=retain_graph
        )
        gradients = [weight.grad for weight in self.parameters.values() if weight.grad is not None]
        self._group.average(gradients)
        for name, weight in self.parameters.items():
            view = self._views[name]
            view.data = self._in_order(name, weight)  # the weights' memory, wherever it is now
            view.grad = None if weight.grad is None else self._in_order(name, weight.grad)
        self._scaler.unscale_(self.optimizer)  # in the gradients' memory
        norm = torch.nn.utils.get_total_norm(gradients)
        if self._clip is not None:
            torch.nn.utils.clip_grads_with_norm_(list(self.parameters.values()), self._clip, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * factor
        figures = {"gradient_norm": norm, **self._scaler.figures(norm)}
        self._scaler.step(self.optimizer)
        self._scaler.update()
        return figures

    def state(self) -> dict[str, Tensor]:
        """Return Adam's state as `parameter/exp_avg`, `parameter/exp_avg_sq`, `parameter/step`, and the scale."""
        state = {
            f"{name}/{key}": value if key == "step" else self._out_of_order(name, value)
            for name, view in self._views.items()
            for key, value in self.optimizer.state.get(view, {}).items()
        }
        return state | {f"{SCALER}/{key}": value for key, value in self._scaler.tensors().items()}

    def load_state(self, state: Iterable[tuple[str, Tensor]]) -> None:
        """Take over the entries that `state()` returned; memory formats become those of the parameters."""
        scaler: dict[str, Tensor] = {}
        for entry, value in state:
            name, key = entry.rsplit("/", 1)
            if name == SCALER:
                scaler[key] = value
                continue
            view = self._views[name]
            kept = value.clone().to(view.device) if key == "step" else torch.empty_like(view, requires_grad=False)
            self.optimizer.state[view][key] = kept if key == "step" else kept.copy_(self._in_order(name, value))
        self._scaler.load(scaler)

    def _in_order(self, name: str, tensor: Tensor) -> Tensor:
        """View a tensor of a parameter's shape with its dimensions in the order of the parameter's memory."""
        return tensor.detach().permute(self._orders[name])

    def _out_of_order(self, name: str, tensor: Tensor) -> Tensor:
        order = self._orders[name]
        return tensor.permute([order.index(dimension) for dimension in range(len(order))])


def _memory_order(tensor: Tensor) -> list[int]:
    """List a dense tensor's dimensions from the one with the largest steps in memory to that with the smallest."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda dimension: (-strides[dimension], dimension))


RAMP_UP = 0.05
"""Largest half-life as a share of the pairs seen so far, as StyleGAN2 ramps its average up: without it a short run
would ship weights that still remember the initialisation."""


class WeightAverage:
    """Averages a module's parameters and copies its buffers.

    Args:
        module: what is averaged; the average starts as a copy of it.
        half_life: pairs after which a weight's share in the average has halved; 0 averages nothing, and then the
            module's own tensors are the average: there is no second copy.
    """

    def __init__(self, module: nn.Module, half_life: float) -> None:
        self._half_life = half_life
        self._live = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        averaged = self._live if half_life > 0 else {}
        self.kept: dict[str, Tensor] = {name: tensor.detach().clone() for name, tensor in averaged.items()}
        """What is kept beside the module: the averaged tensors by their names; empty where nothing is averaged."""
        self._parameters = [name for name, tensor in self._live.items() if isinstance(tensor, nn.Parameter)]
        self._buffers = [name for name in self._live if name not in set(self._parameters)]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Name in the module to averaged tensor, on the module's device and in its memory format."""
        return self.kept or {name: tensor.detach() for name, tensor in self._live.items()}

    def decay(self, pairs_seen: int, batch: int) -> float:
        """Return what is kept of the average in one step: 0.5^(batch / half-life), the half-life ramped up."""
        half_life = min(self._half_life, RAMP_UP * pairs_seen)
        return 0.5 ** (batch / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, pairs_seen: int, batch: int) -> None:
        """Take in the module's weights after a step of `batch` pairs, the last of `pairs_seen`."""
        if not self.kept:
            return
        torch._foreach_lerp_(
            [self.kept[name] for name in self._parameters],
            [self._live[name] for name in self._parameters],
            1.0 - self.decay(pairs_seen, batch),
        )
        for name in self._buffers:
            self.kept[name].copy_(self._live[name])

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
        for name, averaged in self.kept.items():
            self._live[name].copy_(averaged)

    def _exchange(self) -> None:
        for name in self.kept:
            tensor = self._live[name]
            tensor.data, self.kept[name] = self.kept[name], tensor.data
