"""A student's network with its picture conventions built in, so that nobody who runs it need know them."""

from __future__ import annotations

from torch import Tensor, nn

from gdp.core.pictures import from_levels, to_levels


class PictureNetwork(nn.Module):
    """8-bit pictures in, 8-bit pictures out.

    (N, H, W, C) uint8 levels 0 to 255 in RGB order, C being 3 for each input picture -> (N, H, W, 3) uint8. Inside, the
    generator sees what it was trained on: (N, C, H, W) float32 in [-1, 1].
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, pictures: Tensor) -> Tensor:
        """Translate (N, H, W, C) uint8 to (N, H, W, 3) uint8."""
        prediction = self.generator(from_levels(pictures.permute(0, 3, 1, 2)))  # (N, C, H, W)
        return to_levels(prediction).permute(0, 2, 3, 1)
