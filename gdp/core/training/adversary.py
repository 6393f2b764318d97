"""The discriminator of one way in one step: it judges each picture only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gdp.core.interfaces.students import Discrimination
from gdp.core.training.image_pool import ImagePool


class StepDiscriminator:
    """Runs a discriminator in one step, on each picture only once.

    Without an image pool the generator's and the discriminator's losses see the same prediction. It is then run
    through the discriminator once, with gradient to the prediction and to the parameters, and each backward pass
    is restricted to the parameters that it is for.

    Args:
        judge: runs the discriminator on (source, picture).
        module: its network, None where there is none.
        source: (N, C, H, W), the step's sources.
        pool: earlier predictions, or None.
        random: what the pool's choices are drawn from.
        trains: whether the discriminator is trained.
    """

    def __init__(
        self,
        judge: Callable[[Tensor, Tensor], Discrimination],
        module: nn.Module | None,
        source: Tensor,
        pool: ImagePool | None,
        random: torch.Generator,
        trains: bool,
    ) -> None:
        self._judge = judge
        self._module = module
        self._source = source
        self._pool = pool
        self._random = random
        self._trains = trains
        self._shown: tuple[Tensor, Tensor] | None = None
        self._shared: Discrimination | None = None
        self.prediction: Tensor | None = None
        """(N, 3, H, W), what the generator made of the sources; set when it is made."""

    @property
    def is_shared(self) -> bool:
        """Whether the discriminator's losses will need the graph of the generator's."""
        return self._shared is not None

    def frozen(self, image: Tensor) -> Discrimination:
        """Discriminate a picture for the generator's losses."""
        if image is self.prediction and self._pool is None and self._trains:
            if self._shared is None:
                self._shared = self._judge(self._source, image)
            return self._shared
        with _without_weight_gradients(self._module):
            return self._judge(self._source, image)

    def show(self, prediction: Tensor) -> Tensor:
        """Return what the discriminator's losses see of a prediction: without gradient, maybe an earlier one."""
        source, image = self._source, prediction.detach()
        if self._pool is not None:
            pooled = self._pool.query(torch.cat([source, image], dim=1), self._random)
            source, image = torch.split(pooled, [source.shape[1], image.shape[1]], dim=1)
        self._shown = (source, image)
        return image

    def trained(self, image: Tensor) -> Discrimination:
        """Discriminate a picture for the discriminator's losses."""
        if self._shown is None or image is not self._shown[1]:
            return self._judge(self._source, image)
        return self._shared if self._shared is not None else self._judge(*self._shown)


@contextmanager
def _without_weight_gradients(module: nn.Module | None) -> Iterator[None]:
    trained = [] if module is None else [weight for weight in module.parameters() if weight.requires_grad]
    for weight in trained:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)
