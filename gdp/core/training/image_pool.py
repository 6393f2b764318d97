"""Earlier predictions that the discriminator is shown again."""

from __future__ import annotations

import torch
from torch import Tensor


class ImagePool:
    """CycleGAN's history of pictures (Zhu et al. 2017, section 4, after Shrivastava et al. 2017).

    Until `size` pictures are stored, a picture is stored and shown; then it is shown itself half of the time, and
    else it takes the place of a random stored one, which is shown instead.

    Args:
        size: how many pictures are stored at most, 1 or more.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.images: Tensor | None = None
        """(n, C, H, W), n <= size, or None while empty."""

    def query(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return what is shown in place of `images` (N, C, H, W), which hold no gradient.

        Args:
            images: the newest pictures; with a conditional discriminator, source and picture in one.
            generator: a CPU generator that the choice is drawn from.
        """
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
        return shown
