"""Teachers small enough to be built in a millisecond: random networks that are the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.logits import Logits
from gdp.core.interfaces.teachers import LatentTeacher, Projection, TranslatorTeacher
from gdp.core.progress import Progress
from gdp.support.batching import in_fixed_chunks
from gdp.testing.examples.pictures import RESOLUTION

NetworkT = TypeVar("NetworkT", bound=nn.Module)

_CHUNK = 4
_SIZES = (4, 8, 16)
"""Heights and widths at which each w adds its part of a picture."""


class TinyLatentTeacher(LatentTeacher):
    """z -> w -> picture: each of three w's paints at one scale, coarse to fine."""

    z_dim = 8
    w_dim = 8
    num_ws = len(_SIZES)

    def __init__(self, config: Any = None, context: BuildContext | None = None, resolution: int = RESOLUTION) -> None:
        super().__init__(config, context or BuildContext())
        self._resolution = resolution
        self._network = _frozen(lambda: _LatentNetwork(resolution), seed=1)
        self._discriminator = Logits(_frozen(Critic, seed=2))

    @property
    def fingerprint(self) -> str:
        """Hash of the weights."""
        return _fingerprint(self._network)

    @property
    def resolution(self) -> int:
        """Height and width of the pictures in pixels."""
        return self._resolution

    @property
    def module(self) -> nn.Module:
        """Mapping and synthesis."""
        return self._network

    @property
    def discriminator(self) -> nn.Module:
        """A random critic of its pictures."""
        return self._discriminator

    def example_inputs(self) -> tuple[Any, ...]:
        """One z."""
        return (torch.zeros(1, self.z_dim),)

    @torch.no_grad()
    def map(self, z: Tensor, truncation: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """Map z (N, 8) to ws (N, 3, 8), pulled towards the mean w, which is 0."""
        ws = in_fixed_chunks(self._network.mapping, z, _CHUNK).unsqueeze(1).repeat(1, self.num_ws, 1)
        ws[:, :truncation_cutoff] *= truncation
        return ws

    @torch.no_grad()
    def synthesize(self, ws: Tensor) -> Tensor:
        """Synthesize (N, 3, R, R) in [-1, 1] from ws (N, 3, 8)."""
        return in_fixed_chunks(self._network.synthesis, ws, _CHUNK)

    def project(self, images: Tensor, steps: int | None, progress: Progress) -> Projection:
        """Find ws by gradient descent on the squared difference; 20 steps by default."""
        steps = 20 if steps is None else steps
        ws = torch.zeros(len(images), self.num_ws, self.w_dim, requires_grad=True)
        optimizer = torch.optim.Adam([ws], lr=0.1)
        with progress.task("project", steps, "steps") as task, torch.enable_grad():
            for _ in range(steps):
                optimizer.zero_grad()
                functional.mse_loss(self._network.synthesis(ws), images).backward()  # type: ignore[no-untyped-call] # torch's
                optimizer.step()
                task.advance()
        return Projection(ws.detach(), self.synthesize(ws.detach()), steps, "mean squared difference of pixels")


class TinyTranslatorTeacher(TranslatorTeacher):
    """picture -> picture: a small convolutional network, with a way back and discriminators of both domains."""

    def __init__(self, config: Any = None, context: BuildContext | None = None, resolution: int = RESOLUTION) -> None:
        super().__init__(config, context or BuildContext())
        self._resolution = resolution
        self._network = _frozen(ConvolutionalTranslator, seed=3)
        self._back = _frozen(ConvolutionalTranslator, seed=4)
        self._critics = (_frozen(Critic, seed=5), _frozen(Critic, seed=6))

    @property
    def fingerprint(self) -> str:
        """Hash of the weights."""
        return _fingerprint(self._network)

    @property
    def resolution(self) -> int:
        """Height and width of the pictures in pixels; the network takes any."""
        return self._resolution

    @property
    def module(self) -> nn.Module:
        """The generator that teaches."""
        return self._network

    def example_inputs(self) -> tuple[Any, ...]:
        """One grey picture."""
        return (torch.zeros(1, 3, self._resolution, self._resolution),)

    @torch.no_grad()
    def translate(self, images: Tensor) -> Tensor:
        """Translate (N, 3, H, W) in [-1, 1] to (N, 3, H, W) in [-1, 1]."""
        translated: Tensor = self._network(images)
        return translated

    @property
    def opposite(self) -> nn.Module:
        """The generator of the way back."""
        return self._back

    @property
    def discriminators(self) -> tuple[nn.Module, nn.Module]:
        """Random critics of target-like and of source-like pictures."""
        return self._critics


class ConvolutionalTranslator(nn.Module):
    """picture -> picture: two convolutions and a residual block, any height and width.

    Args:
        in_channels: of the source.
        width: channels inside.
    """

    def __init__(self, in_channels: int = 3, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, width, 3, padding=1)
        self.block = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, H, W) in [-1, 1] to (N, 3, H, W) in [-1, 1]."""
        hidden = torch.relu(self.first(image))
        hidden = hidden + torch.relu(self.block(hidden))
        return torch.tanh(image[:, :3] + self.last(hidden))


class _LatentNetwork(nn.Module):
    def __init__(self, resolution: int) -> None:
        super().__init__()
        self._resolution = resolution
        self.hidden = nn.Linear(TinyLatentTeacher.z_dim, 16)
        self.to_w = nn.Linear(16, TinyLatentTeacher.w_dim)
        self.painters = nn.ModuleList(nn.Linear(TinyLatentTeacher.w_dim, 3 * size**2) for size in _SIZES)

    def mapping(self, z: Tensor) -> Tensor:
        mapped: Tensor = 2 * self.to_w(torch.tanh(self.hidden(z)))
        return mapped

    def synthesis(self, ws: Tensor) -> Tensor:
        size = (self._resolution, self._resolution)
        layers = [
            functional.interpolate(painter(ws[:, number]).reshape(-1, 3, side, side), size=size, mode="bilinear")
            for number, (painter, side) in enumerate(zip(self.painters, _SIZES, strict=True))
        ]
        return torch.tanh(torch.stack(layers).sum(0))

    def forward(self, z: Tensor) -> Tensor:
        return self.synthesis(self.mapping(z).unsqueeze(1).repeat(1, TinyLatentTeacher.num_ws, 1))


class Critic(nn.Module):
    """A discriminator: picture (N, C, H, W) -> one scale, a feature map and last the logits (N, 1, H / 2, W / 2)."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, 8, 4, stride=2, padding=1)
        self.last = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, image: Tensor) -> list[list[Tensor]]:
        """Judge pictures; higher is more real."""
        hidden = functional.leaky_relu(self.first(image), 0.2)
        return [[hidden, self.last(hidden)]]


def seeded(build: Callable[[], NetworkT], seed: int) -> NetworkT:
    """Build a network with weights of a seed; torch's global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _frozen(build: Callable[[], NetworkT], seed: int) -> NetworkT:
    return seeded(build, seed).eval().requires_grad_(False)


def _fingerprint(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()
