"""Adam over chosen parameters, whose state goes into checkpoints by the parameters' names."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Descent:
    """Adam over some parameters of a network.

    Args:
        parameters: name to parameter; those that take part.
        learning_rate: before the schedule's factor.
        betas: Adam's decay rates.
        clip: largest L2 norm of the gradient, or None.
    """

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        learning_rate: float,
        betas: tuple[float, float],
        clip: float | None = None,
    ) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self._clip = clip
        self.optimizer = torch.optim.Adam(list(parameters.values()), lr=learning_rate, betas=betas, fused=True)

    def descend(self, objective: Tensor, factor: float, retain_graph: bool = False) -> Tensor:
        """Take one step down the objective and return the gradient's L2 norm before clipping.

        Args:
            objective: a scalar; gradients are computed for this object's parameters alone.
            factor: of the learning rate.
            retain_graph: whether another backward pass will run through the objective's graph.
        """
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(objective, inputs=list(self.parameters.values()), retain_graph=retain_graph)
        gradients = [weight.grad for weight in self.parameters.values() if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self._clip is not None:
            torch.nn.utils.clip_grads_with_norm_(list(self.parameters.values()), self._clip, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * factor
        self.optimizer.step()
        return norm

    def state(self) -> dict[str, Tensor]:
        """Return Adam's state as `parameter/exp_avg`, `parameter/exp_avg_sq` and `parameter/step`."""
        return {
            f"{name}/{key}": value
            for name, weight in self.parameters.items()
            for key, value in self.optimizer.state.get(weight, {}).items()
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state()` returned; memory formats become those of the parameters."""
        for entry, value in state.items():
            name, key = entry.rsplit("/", 1)
            weight = self.parameters[name]
            like_weight = key != "step"
            kept = torch.empty_like(weight, requires_grad=False) if like_weight else torch.empty_like(value)
            self.optimizer.state[weight][key] = kept.copy_(value) if like_weight else value.to(weight.device)
