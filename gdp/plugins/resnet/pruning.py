"""Structured pruning of a ResNet generator: whole channels are taken out until it computes little enough.

What depends on each other is pruned together: a group is a set of channels that some convolutions write and others
read. The residual stream, which the last downsampling and all blocks write and all blocks and the first upsampling
read, is one group; every block's inner channels, the stem's, the first downsampling's, the first upsampling's and the
head's are the others.

Instance norm removes the scale of whatever a convolution puts out, so the norm of the weights that write a channel
tells nothing. What counts is how strongly the channel is READ: its importance is the squared norm of the weights that
read it, as a share of all weights that make the same output channel (of which only the proportions matter, since it is
normalised), averaged over a convolution's output channels and summed over the convolutions that read. The last
convolution has no normalisation after it, so its share is that of all its weights. Of separable convolutions the
pointwise one is looked at, since the depthwise one is normalised, too. The scales of an affine batch norm are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gdp import ShapeError
from gdp.plugins.resnet.networks import CHANGE_SCALE, FIRST_BLOCK, GeneratorChannels, ResnetGenerator

SMALLEST_GROUP = 4
"""No group is pruned below this many channels."""

_PICTURE_IN, _PICTURE_OUT = "picture in", "picture out"

_Widths = Mapping[str, int]


@dataclass(frozen=True)
class _Convolution:
    """A convolution (or a separable pair), which channels it connects, and the normalisation after it."""

    path: str
    norm_path: str | None
    reads: str
    writes: str
    kernel: int
    positions: int
    """How often the kernel is applied for one picture."""
    separable: bool = False
    transposed: bool = False

    def macs(self, widths: _Widths) -> int:
        """Count the multiply-accumulates of one picture."""
        area = self.kernel**2
        if self.separable:
            return self.positions * widths[self.reads] * (area + widths[self.writes])
        return self.positions * area * widths[self.reads] * widths[self.writes]

    @property
    def reading_path(self) -> str:
        """Module whose weights tell how strongly each channel is read."""
        return f"{self.path}.conv.2" if self.separable else self.path


def prune_generator(generator: ResnetGenerator, macs: float, example: Tensor) -> ResnetGenerator:
    """Return a smaller copy of `generator` with at most the share `macs` of its multiply-accumulates.

    One channel after the other is taken out: always the one whose importance, as a share of what is left of its
    group and times the number of the group's readers, is smallest for the arithmetic that it saves. The other
    channels keep their weights. The same generator, share and size give the same network.

    Args:
        generator: any `ResnetGenerator`; it is left as it is.
        macs: share to keep, above 0; with 1 or more the copy is whole.
        example: an input (N, C, H, W), of which the size alone matters.

    Raises:
        ShapeError: the share cannot be reached with `SMALLEST_GROUP` channels in every group.
    """
    convolutions = _convolutions(generator, (example.shape[2], example.shape[3]))
    widths = _widths(generator)
    importance = {group: _importance(generator, convolutions, group) for group in _groups(generator)}
    removed = _choose(convolutions, widths, importance, macs)
    kept = {
        group: torch.tensor([channel for channel in range(width) if channel not in removed.get(group, set())])
        for group, width in widths.items()
    }
    pruned = _like(generator, {group: len(channels) for group, channels in kept.items()})
    state = generator.state_dict()
    smaller = {name: tensor for convolution in convolutions for name, tensor in _slices(convolution, state, kept)}
    smaller |= {name: state[name] for name in pruned.state_dict().keys() & {CHANGE_SCALE}}
    pruned.load_state_dict(smaller, assign=True)
    return pruned.train(generator.training)


def _choose(
    convolutions: list[_Convolution], widths: _Widths, importance: Mapping[str, Tensor], share: float
) -> dict[str, set[int]]:
    """Choose the channels to take out of each group."""
    widths = dict(widths)
    whole = left = sum(convolution.macs(widths) for convolution in convolutions)
    readers = {group: sum(convolution.reads == group for convolution in convolutions) for group in importance}
    queues = {  # of each group (importance, channel), the least important last
        group: sorted(((value, channel) for channel, value in enumerate(values.tolist())), reverse=True)
        for group, values in importance.items()
    }
    remaining = {group: float(values.sum()) for group, values in importance.items()}
    removed: dict[str, set[int]] = {group: set() for group in importance}

    def price(group: str) -> tuple[float, int]:
        """Importance lost for each multiply-accumulate saved; where nothing is lost, more saved comes first."""
        lost, saved = queues[group][-1][0], _saved(convolutions, widths, group)
        return (readers[group] * lost / remaining[group] / saved if lost > 0 else 0.0, -saved)

    while left > share * whole:
        candidates = [group for group in importance if widths[group] > SMALLEST_GROUP]
        if not candidates:
            raise ShapeError(
                f"the generator cannot be pruned to {share:.2%} of its multiply-accumulates: with {SMALLEST_GROUP} "
                f"channels everywhere, the fewest, {left / whole:.2%} are left"
            )
        group = min(candidates, key=price)
        left -= _saved(convolutions, widths, group)
        value, channel = queues[group].pop()
        removed[group].add(channel)
        remaining[group] -= value
        widths[group] -= 1
    return removed


def _saved(convolutions: list[_Convolution], widths: _Widths, group: str) -> int:
    """Count the multiply-accumulates that go with one channel of a group."""
    fewer = {**widths, group: widths[group] - 1}
    return sum(c.macs(widths) - c.macs(fewer) for c in convolutions if group in (c.reads, c.writes))


def _importance(generator: ResnetGenerator, convolutions: Iterable[_Convolution], group: str) -> Tensor:
    """Importance of each channel of a group (C,), float64 on the CPU; together as many as the group has readers."""
    shares = []
    for convolution in convolutions:
        if convolution.reads == group:
            weight = generator.get_parameter(f"{convolution.reading_path}.weight").detach().cpu().double()
            by_output = weight.transpose(0, 1) if convolution.transposed else weight
            energy = by_output.square().sum(dim=(2, 3))  # (out, C)
            whole = energy.sum(dim=1, keepdim=True) if convolution.norm_path else energy.sum() / len(energy)
            shares.append((energy / whole.clamp(min=torch.finfo(energy.dtype).tiny)).mean(dim=0))
    return torch.stack(shares).sum(dim=0)


def _groups(generator: ResnetGenerator) -> list[str]:
    return [group for group in _widths(generator) if group not in (_PICTURE_IN, _PICTURE_OUT)]


def _widths(generator: ResnetGenerator) -> dict[str, int]:
    channels = generator.channels
    return {
        _PICTURE_IN: generator.in_channels,
        "stem": channels.stem,
        "down": channels.down,
        "hidden": channels.hidden,
        **{_middle(block): width for block, width in enumerate(channels.middle)},
        "up": channels.up,
        "head": channels.head,
        _PICTURE_OUT: generator.out_channels,
    }


def _middle(block: int) -> str:
    return f"middle of block {block}"


def _convolutions(generator: ResnetGenerator, size: tuple[int, int]) -> list[_Convolution]:
    """List every convolution of the generator in order, for pictures of `size` (height, width)."""
    full = size[0] * size[1]
    half, quarter = full // 4, full // 16
    transposed = generator.upsampling == "deconvolution"
    # A transposed convolution applies its kernel once for each position of its input.
    up_positions = (quarter, half) if transposed else (half, full)
    second = 5 if generator.dropout is None else 6
    separable = generator.separable
    blocks = []
    for index, path in enumerate(generator.block_paths):
        inside, middle = f"{path}.conv_block", _middle(index)
        blocks += [
            _Convolution(f"{inside}.1", f"{inside}.2", "hidden", middle, 3, quarter, separable),
            _Convolution(f"{inside}.{second}", f"{inside}.{second + 1}", middle, "hidden", 3, quarter, separable),
        ]
    after = FIRST_BLOCK + len(generator.block_paths)
    up, last = f"model.{after}", f"model.{after + 3}"
    return [
        _Convolution("model.1", "model.2", _PICTURE_IN, "stem", 7, full),
        _Convolution("model.4", "model.5", "stem", "down", 3, half),
        _Convolution("model.7", "model.8", "down", "hidden", 3, quarter),
        *blocks,
        _Convolution(up, f"model.{after + 1}", "hidden", "up", 3, up_positions[0], transposed=transposed),
        _Convolution(last, f"model.{after + 4}", "up", "head", 3, up_positions[1], transposed=transposed),
        _Convolution(f"model.{after + 7}", None, "head", _PICTURE_OUT, 7, full),
    ]


def _like(generator: ResnetGenerator, widths: _Widths) -> ResnetGenerator:
    """Build a generator of the same kind with other channels, on the meta device."""
    middle = tuple(widths[_middle(block)] for block in range(len(generator.channels.middle)))
    with torch.device("meta"):
        return ResnetGenerator(
            GeneratorChannels(widths["stem"], widths["down"], widths["hidden"], middle, widths["up"], widths["head"]),
            in_channels=generator.in_channels,
            out_channels=generator.out_channels,
            upsampling=generator.upsampling,
            norm=generator.norm,
            separable=generator.separable,
            dropout=generator.dropout,
            bias=generator.bias,
            predicts=generator.predicts,
        )


def _slices(
    convolution: _Convolution, state: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> Iterable[tuple[str, Tensor]]:
    """Give the kept part of each tensor of a convolution and of its normalisations."""
    written, read = kept[convolution.writes], kept[convolution.reads]
    by_read = (f"{convolution.path}.conv.0.", f"{convolution.path}.conv.1.") if convolution.separable else ()
    by_written = f"{convolution.norm_path}."
    for name, tensor in state.items():
        if name.startswith(by_read):
            yield name, _selected(tensor, 0, read)
        elif name.startswith(by_written) or name == f"{convolution.reading_path}.bias":
            yield name, _selected(tensor, 0, written)
        elif name == f"{convolution.reading_path}.weight":
            first, second = (read, written) if convolution.transposed else (written, read)
            yield name, _selected(_selected(tensor, 0, first), 1, second)


def _selected(tensor: Tensor, dimension: int, channels: Tensor) -> Tensor:
    """Copy the chosen channels; a count of batches has none."""
    return tensor.clone() if tensor.ndim == 0 else tensor.index_select(dimension, channels.to(tensor.device))
