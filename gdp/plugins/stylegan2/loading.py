"""Read a generator or discriminator from a safetensors file; its architecture is told by the tensors' shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gdp import CorruptFileError, GdpError
from gdp.plugins.stylegan2.networks import Discriminator, Generator, MappingNetwork, block_resolutions
from gdp.toolbox import count_parameters

Network = TypeVar("Network", Generator, Discriminator)


def load_generator(path: Path) -> Generator:
    """Read a generator in the ada-pytorch layout, float32, in evaluation mode, without gradients.

    Any float type is accepted. Two numbers are in no tensor and come from the file's metadata where it has them:
    `conv_clamp` (default: no clamp) and `mapping_learning_rate_multiplier` (default 0.01).

    Raises:
        CorruptFileError: the file is truncated, no safetensors, or not such a generator.
    """
    return _load(path, "generator", _build)


def load_discriminator(path: Path) -> Discriminator:
    """Read a discriminator in the ada-pytorch layout, float32, in evaluation mode, without gradients.

    Any float type is accepted; `conv_clamp` comes from the file's metadata (default: no clamp).

    Raises:
        CorruptFileError: the file is truncated, no safetensors, or not such a discriminator.
    """
    return _load(path, "discriminator", _build_discriminator)


def describe_generator(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the tensors of a generator in the ada-pytorch layout tell of its architecture, plain JSON values.

    Raises:
        CorruptFileError: it is no generator that `load_generator` would load from a file.
    """
    generator = _described(state, metadata, "generator", _build)
    layers = generator.mapping.layers
    return {
        "resolution": generator.resolution,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "num_ws": generator.num_ws,
        "mapping_layers": layers,
        "mapping_width": state["mapping.fc0.weight"].shape[0],
        "channels": {
            str(size): state[f"synthesis.b{size}.conv1.weight"].shape[0] for size in generator.synthesis.resolutions
        },
        "conv_clamp": _conv_clamp(metadata),
        "parameters": count_parameters(generator),
    }


def describe_discriminator(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the tensors of a discriminator in the ada-pytorch layout tell, as `describe_generator`.

    Raises:
        CorruptFileError: it is no discriminator that `load_discriminator` would load from a file.
    """
    discriminator = _described(state, metadata, "discriminator", _build_discriminator)
    sizes = discriminator.resolutions
    channels = {str(size): state[f"b{size}.conv0.weight"].shape[0] for size in sizes}
    return {
        "resolution": discriminator.resolution,
        "channels": {**channels, "4": state["b4.conv.weight"].shape[0]},
        "conv_clamp": _conv_clamp(metadata),
        "parameters": count_parameters(discriminator),
    }


def mapping_from_state(state: Mapping[str, Tensor]) -> MappingNetwork:
    """Build the mapping network of a generator's tensors; its mean w is 0 where it is not among them.

    Raises:
        CorruptFileError: it has no mapping network.
    """
    own = {name.removeprefix("mapping."): tensor for name, tensor in state.items() if name.startswith("mapping.")}
    count = _count_mapping_layers(state)
    try:
        widths = [_shape(state, f"mapping.fc{index}.weight", 2) for index in range(max(1, count))]
        mapping = MappingNetwork(widths[0][1], widths[-1][0], 1, layers=count, width=widths[0][0])
        mapping.load_state_dict({**mapping.state_dict(), **{name: tensor.float() for name, tensor in own.items()}})
    except (ValueError, RuntimeError) as error:
        raise CorruptFileError(f"not the mapping network of a StyleGAN2 generator: {error}") from error
    return mapping.eval().requires_grad_(False)


def _described(
    state: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    what: str,
    build: Callable[[Mapping[str, Tensor], Mapping[str, str]], Network],
) -> Network:
    """Build a network without memory for its numbers, and compare."""
    try:
        with torch.device("meta"):
            network = build(state, metadata)
        _compare(network, state)
    except (KeyError, ValueError, IndexError, GdpError) as error:
        raise CorruptFileError(f"not the weights of a StyleGAN2 {what} that is supported: {error}") from error
    return network


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a safetensors file, by name, and its metadata.

    Raises:
        CorruptFileError: it is none, or not whole.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # the file is no mapping
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CorruptFileError(f"{path}: this is no whole safetensors file ({error}). Copy it again.") from error


def _load(path: Path, what: str, build: Callable[[Mapping[str, Tensor], Mapping[str, str]], Network]) -> Network:
    state, metadata = read_tensors(path)
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn is overwritten: the global random state is to stay
            network = build(state, metadata)
        _fill(network, state)
    except (KeyError, ValueError, IndexError, GdpError) as error:
        raise CorruptFileError(
            f"{path}: not the weights of a StyleGAN2 {what} in the layout of stylegan2-ada-pytorch: {error}"
        ) from error
    return network.eval().requires_grad_(False)


def _build(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Generator:
    if any(name.startswith("mapping.embed.") for name in state):
        raise ValueError("it is class-conditional, which is not supported")
    mapping = [_shape(state, f"mapping.fc{index}.weight", 2) for index in range(_count_mapping_layers(state))]
    sizes = [int(match[1]) for name in state if (match := re.fullmatch(r"synthesis\.b(\d+)\.conv1\.weight", name))]
    if not mapping or not sizes:
        raise ValueError("tensors such as mapping.fc0.weight and synthesis.b4.conv1.weight are missing")
    channels = {size: _shape(state, f"synthesis.b{size}.conv1.weight", 4)[0] for size in block_resolutions(max(sizes))}
    image_channels = _shape(state, f"synthesis.b{max(sizes)}.torgb.weight", 4)[0]
    if image_channels != 3:
        raise ValueError(f"it makes pictures of {image_channels} channels, not RGB")
    return Generator(
        z_dim=mapping[0][1],
        w_dim=mapping[-1][0],
        resolution=max(sizes),
        channels=channels,
        mapping_layers=len(mapping),
        mapping_width=mapping[0][0],
        mapping_learning_rate_multiplier=float(metadata.get("mapping_learning_rate_multiplier", 0.01)),
        conv_clamp=_conv_clamp(metadata),
    )


def _build_discriminator(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Discriminator:
    if any(name.startswith("mapping.") for name in state):
        raise ValueError("it is class-conditional, which is not supported")
    sizes = [int(match[1]) for name in state if (match := re.fullmatch(r"b(\d+)\.fromrgb\.weight", name))]
    if len(sizes) != 1 or sizes[0] < 8:
        raise ValueError("one tensor such as b64.fromrgb.weight is expected (the residual architecture)")
    channels = {size: _shape(state, f"b{size}.conv0.weight", 4)[0] for size in block_resolutions(sizes[0])[1:]}
    image_channels = _shape(state, f"b{sizes[0]}.fromrgb.weight", 4)[1]
    if image_channels != 3:
        raise ValueError(f"it judges pictures of {image_channels} channels, not RGB")
    channels[4], epilogue_inputs = _shape(state, "b4.conv.weight", 4)[:2]
    if epilogue_inputs <= channels[4]:
        raise ValueError("it has no standard deviation over samples")
    return Discriminator(
        sizes[0],
        channels=channels,
        deviation_channels=epilogue_inputs - channels[4],
        conv_clamp=_conv_clamp(metadata),
    )


def _conv_clamp(metadata: Mapping[str, str]) -> float | None:
    clamp = metadata.get("conv_clamp", "")
    return None if clamp in ("", "None", "null") else float(clamp)


def _count_mapping_layers(state: Mapping[str, Tensor]) -> int:
    count = 0
    while f"mapping.fc{count}.weight" in state:
        count += 1
    return count


def _shape(state: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    if name not in state:
        raise ValueError(f"{name} is missing")
    if state[name].ndim != dimensions or 0 in state[name].shape:
        raise ValueError(f"{name} has shape {tuple(state[name].shape)}")
    return tuple(state[name].shape)


def _fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    _compare(network, state)
    wanted = network.state_dict()
    network.load_state_dict({**wanted, **{name: tensor.float() for name, tensor in state.items()}})


def _compare(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    wanted = network.state_dict()
    # The low-pass filter is the same in every StyleGAN2; files that leave it out are whole.
    missing = [name for name in wanted if name not in state and not name.endswith("resample_filter")]
    foreign = [name for name in state if name not in wanted]
    wrong = [
        f"{name} has shape {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    for what, names in (("missing", missing), ("not known", foreign), ("of the wrong shape", wrong)):
        if names:
            raise ValueError(f"{len(names)} tensors are {what}: {', '.join(names[:3])}{', ...' if names[3:] else ''}")
    if broken := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise ValueError(f"{broken[0]} holds NaN or infinite values")
