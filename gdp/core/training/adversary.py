"""The discriminator of one way in one step, which judges each picture once, and the pool of earlier predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gdp.core.interfaces.students import Discrimination
from gdp.core.training.group import ALONE, Group


class ImagePool:
    """CycleGAN's history of pictures (Zhu et al. 2017, section 4, after Shrivastava et al. 2017).

    Until `size` pictures are stored, a picture is stored and shown; then it is shown itself half of the time, and
    else it takes the place of a random stored one, which is shown instead.

    Args:
        size: how many pictures are stored at most, 1 or more.
        group: the processes that train together: each keeps the same pool, of the pictures of all.
    """

    def __init__(self, size: int, group: Group = ALONE) -> None:
        self._size = size
        self._group = group
        self.images: Tensor | None = None
        """(n, C, H, W), n <= size, or None while empty."""

    def query(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return what is shown in place of `images` (N, C, H, W), which hold no gradient.

        Args:
            images: the newest pictures; with a conditional discriminator, source and picture in one.
            generator: a CPU generator that the choice is drawn from.
        """
        images = self._group.gather(images)
        shown = images.clone()
        stored = images[:0] if self.images is None else self.images
        for number in range(len(images)):
            if len(stored) < self._size:
                stored = torch.cat([stored, images[number : number + 1]])
                continue
            shows_stored = torch.rand((), generator=generator).item() > 0.5
            place = int(torch.randint(self._size, (), generator=generator))
            if shows_stored:
                shown[number] = stored[place]
                stored[place] = images[number]
        self.images = stored
        return self._group.part(shown)


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
