"""CycleGAN's published checkpoints (.pth): the state dict of one generator or discriminator.

Read CycleGAN's networks from state dicts of any age; their architecture is told by the tensors alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from gdp import Converted, Converter, CorruptFileError, Progress
from gdp.plugins.resnet.networks import (
    CHANGE_SCALE,
    FIRST_BLOCK,
    GeneratorChannels,
    NormName,
    PatchDiscriminator,
    ResnetGenerator,
)
from gdp.toolbox import ForeignFile, UpsamplingName, count_parameters, plain_state, without_wrappers

RunningStatistics = Literal["drop", "use"]

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_Network = TypeVar("_Network", bound=nn.Module)


class _Numbers(NamedTuple):
    """Where in `model` of a generator with so many blocks the layers after them stand."""

    first_up: int
    second_up: int
    head: int


def clean_state(state: Mapping[str, Tensor], running_statistics: RunningStatistics = "drop") -> dict[str, Tensor]:
    """Take out of a state dict what today's networks do not have.

    Prefixes of wrappers (`module.` of DataParallel, `_orig_mod.`) go. So do running statistics of normalisations
    without weights, which instance norms had until 2018: today's CycleGAN normalises every picture by itself.
    `running_statistics="use"` keeps them, and the network then evaluates with them, as the program of that time did.
    """
    stripped = without_wrappers(state)
    if running_statistics == "use":
        return stripped

    def of_instance_norm(name: str) -> bool:
        module, _, kind = name.rpartition(".")
        return kind in _STATISTICS and f"{module}.weight" not in stripped

    return {name: tensor for name, tensor in stripped.items() if not of_instance_norm(name)}


def generator_from_state(state: Mapping[str, Tensor]) -> ResnetGenerator:
    """Build the `ResnetGenerator` whose tensors these are, float32, on the CPU and in evaluation mode.

    Blocks, all channels, separable convolutions, the dropout's place, the kind of upsampling, biases and the
    normalisation are inferred. Two things are in no tensor: the dropout's probability (0 is taken) and, where
    all channels after the blocks are equal, the kind of upsampling (the published deconvolution is taken).

    Args:
        state: from `clean_state`; running statistics that it kept are used.

    Raises:
        CorruptFileError: naming the tensors that are missing, not known or of the wrong shape.
    """
    blocks = len({match[1] for name in state if (match := re.match(r"model\.(\d+)\.conv_block\.", name))})
    first_up = FIRST_BLOCK + blocks
    numbers = _Numbers(first_up, first_up + 3, first_up + 7)
    separable = f"model.{FIRST_BLOCK}.conv_block.1.conv.0.weight" in state
    first, late = ("1.conv.2", "6.conv.2") if separable else ("1", "6")
    second = state.get(f"model.{FIRST_BLOCK}.conv_block.{late}.weight")
    try:
        middle = [_shape(state, f"model.{FIRST_BLOCK + block}.conv_block.{first}.weight")[0] for block in range(blocks)]
        stem, in_channels = _shape(state, "model.1.weight")[:2]
        out_channels, head = _shape(state, f"model.{numbers.head}.weight")[:2]
        hidden = _shape(state, "model.7.weight")[0]
        upsampling = _upsampling(state, numbers, hidden, head)
        up = _shape(state, f"model.{numbers.first_up}.weight")[1 if upsampling == "deconvolution" else 0]
        with torch.device("meta"):  # draws no weights, so leaves the global random state alone
            generator = ResnetGenerator(
                GeneratorChannels(stem, _shape(state, "model.4.weight")[0], hidden, tuple(middle), up, head),
                in_channels=in_channels,
                out_channels=out_channels,
                upsampling=upsampling,
                norm=_norm(state, "model.2"),
                separable=separable,
                # A convolution's weight in the seventh place, not a norm's, means that a dropout shifted it there.
                dropout=0.0 if second is not None and second.ndim == 4 else None,
                bias="model.1.bias" in state,
                predicts="change" if CHANGE_SCALE in state else "image",
            )
        return _filled(generator, state)
    except ValueError as error:
        raise CorruptFileError(f"not the weights of CycleGAN's ResNet generator: {error}") from error


def discriminator_from_state(state: Mapping[str, Tensor]) -> PatchDiscriminator:
    """Build the `PatchDiscriminator` whose tensors these are, as `generator_from_state` does."""
    convolutions = [
        name for name, tensor in state.items() if re.fullmatch(r"model\.\d+\.weight", name) and tensor.ndim == 4
    ]
    try:
        width, in_channels = _shape(state, "model.0.weight")[:2]
        with torch.device("meta"):
            discriminator = PatchDiscriminator(
                in_channels=in_channels,
                width=width,
                layers=max(1, len(convolutions) - 2),
                norm=_norm(state, "model.3"),
                bias="model.2.bias" in state,
            )
        return _filled(discriminator, state)
    except ValueError as error:
        raise CorruptFileError(f"not the weights of CycleGAN's patch discriminator: {error}") from error


def _shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    """Shape of a convolution's weight (out, in, k, k), all numbers above zero."""
    if name not in state:
        raise ValueError(f"{name} is missing")
    shape = tuple(state[name].shape)
    if len(shape) != 4 or 0 in shape:
        raise ValueError(f"{name} has shape {shape}, which is no convolution's")
    return shape


def _norm(state: Mapping[str, Tensor], module: str) -> NormName:
    affine, statistics = f"{module}.weight" in state, f"{module}.running_mean" in state
    if affine and not statistics:
        raise ValueError(f"{module} has weights but no running statistics: affine instance norm is not supported")
    if affine:
        return "batch"
    return "instance-tracked" if statistics else "instance"


def _upsampling(state: Mapping[str, Tensor], numbers: _Numbers, hidden: int, head: int) -> UpsamplingName:
    """Transposed convolutions keep their weights as (in, out, 3, 3), others as (out, in, 3, 3)."""
    first, second = (_shape(state, f"model.{number}.weight") for number in (numbers.first_up, numbers.second_up))
    transposed = first[0] == hidden and first[1] == second[0] and second[1] == head
    plain = first[1] == hidden and first[0] == second[1] and second[0] == head
    return "resize" if plain and not transposed else "deconvolution"


def _filled(network: _Network, state: Mapping[str, Tensor]) -> _Network:
    """Give a network on the meta device the tensors of `state`, every one of which must be its own."""
    wanted = network.state_dict()
    # Files of before PyTorch 0.4.1 do not count batches, and nothing here looks at the count.
    missing = [name for name in wanted if name not in state and not name.endswith(".num_batches_tracked")]
    foreign = [name for name in state if name not in wanted]
    wrong = [
        f"{name} has shape {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems = [
        f"{len(names)} tensors are {what}: {', '.join(names[:3])}{', ...' if names[3:] else ''}"
        for what, names in (("missing", missing), ("not known", foreign), ("of the wrong shape", wrong))
        if names
    ]
    if problems:
        raise ValueError("; ".join(problems))
    if broken := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise ValueError(f"{broken[0]} holds NaN or infinite values")
    values = {name: _own(state[name]) if name in state else torch.tensor(0) for name in wanted}
    network.load_state_dict(values, assign=True)
    return network.eval()


def _own(tensor: Tensor) -> Tensor:
    """Copy, because tensors of a file may share memory with each other."""
    return tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True).contiguous()


_DISCRIMINATOR = "model.0.weight"
_PUBLISHED_STATISTICS = (
    "Its instance norms carry statistics of 2017 or 2018. They were left out, as today's CycleGAN does; to use them, "
    'name the .pth file itself in the recipe, with running_statistics = "use".'
)
_TWIN = "A pix2pixHD generator of 2 downsamplings has the same layers: if it is one, convert it with --as pix2pixhd."


class CycleGANConverter(Converter):
    """A ResNet generator of any width and number of blocks, or a patch discriminator."""

    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether it is one of these networks."""
        state = plain_state(file.content)
        if not state or any(tensor.is_sparse for tensor in state.values()):
            return False
        try:
            _network(clean_state(state))
        except CorruptFileError:
            return False
        return True

    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Take the network; `module.` prefixes and the statistics of instance norms go.

        Raises:
            CorruptFileError: it is none of these networks.
        """
        state = plain_state(file.content)
        if not state:
            raise CorruptFileError("it is no state dict (names and tensors)")
        cleaned = clean_state(state)
        what, architecture = _network(cleaned)
        count = len(state) - len(cleaned)
        remarks = [_PUBLISHED_STATISTICS] if count else []
        judge = _DISCRIMINATOR in cleaned
        if not judge and (architecture["input_channels"], architecture["output_channels"]) != (3, 3):
            remarks.append(
                "Pictures have 3 channels, and this generator has others: the teacher cyclegan does not take it."
            )
        return Converted(
            what=what,
            tensors=cleaned,
            use=_USE_DISCRIMINATOR if judge else _USE,
            architecture=architecture,
            dropped=[f"{count} running statistics of instance norms"] if count else [],
            remarks=remarks if judge else [*remarks, _TWIN],
        )


_USE = '[teacher]\nplugin = "cyclegan"\nweights = "{file}"'
_USE_DISCRIMINATOR = (
    "# The teacher cyclegan takes discriminators from a folder of published checkpoints (latest_net_D_A.pth, ...):\n"
    '# name that folder as its weights, {file} is not needed then.\n[teacher]\nplugin = "cyclegan"'
)


def _network(state: dict[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """Say what network these tensors are, and its architecture as plain JSON values."""
    if _DISCRIMINATOR in state:
        judge = discriminator_from_state(state)
        width, in_channels = state[_DISCRIMINATOR].shape[:2]
        facts: dict[str, Any] = {"width": width, "input_channels": in_channels, "parameters": count_parameters(judge)}
        return f"CycleGAN patch discriminator, width {width}", facts
    generator = generator_from_state(state)
    channels = generator.channels
    facts = {
        "width": channels.stem,
        "blocks": len(channels.middle),
        "middle": list(channels.middle),
        "norm": generator.norm,
        "upsampling": generator.upsampling,
        "separable": generator.separable,
        "input_channels": generator.in_channels,
        "output_channels": generator.out_channels,
        "parameters": count_parameters(generator),
    }
    odd = (generator.in_channels, generator.out_channels) != (3, 3)
    said = f", from {generator.in_channels} to {generator.out_channels} channels" if odd else ""
    return f"CycleGAN generator, {len(channels.middle)} blocks, width {channels.stem}{said}", facts
