"""What pix2pixHD's and CycleGAN's networks have in common."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x + (pad, 3x3 convolution, norm, ReLU, pad, 3x3 convolution, norm)(x)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, kernel_size=3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, kernel_size=3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        hidden: Tensor = self.conv_block(x)
        return x + hidden


class ResnetGenerator(nn.Module):
    """7x7 stem, downsamplings, residual blocks, upsamplings, 7x7 head: (N, 3, H, W) -> (N, 3, H, W) in [-1, 1]."""

    def __init__(self, width: int, downsamplings: int, blocks: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_normalised(nn.Conv2d(3, width, kernel_size=7))]
        for level in range(downsamplings):
            channels = width * 2**level
            layers += _normalised(nn.Conv2d(channels, channels * 2, kernel_size=3, stride=2, padding=1))
        layers += [ResidualBlock(width * 2**downsamplings) for _ in range(blocks)]
        for level in range(downsamplings, 0, -1):
            channels = width * 2**level
            layers += _normalised(
                nn.ConvTranspose2d(channels, channels // 2, kernel_size=3, stride=2, padding=1, output_padding=1)
            )
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, kernel_size=7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """Translate pictures (N, 3, H, W)."""
        picture: Tensor = self.model(x)
        return picture


class LeastSquares(nn.Module):
    """The least-squares adversarial loss of logits against a label of their shape, 1 for real and 0 for fake."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = nn.MSELoss()

    def forward(self, logits: Tensor, real: bool) -> Tensor:
        """Return the loss of logits (N, 1, h, w)."""
        label = logits.new_full((1,), float(real))
        loss: Tensor = self.loss(logits, label.expand_as(logits))
        return loss


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU(inplace=True)]
