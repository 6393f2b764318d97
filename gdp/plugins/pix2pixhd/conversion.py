"""pix2pixHD's published checkpoints (.pth): global generators, local enhancers and multi-scale discriminators.

Read the weights of a pix2pixHD generator from a safetensors file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gdp import Converted, Converter, CorruptFileError, Progress
from gdp.plugins.pix2pixhd.networks import GlobalGenerator, LocalEnhancer, MultiscaleDiscriminator
from gdp.toolbox import ForeignFile, NormalisationName, count_parameters, plain_state, printable

_HEAD = "coarse_head."


def load_generator_state(generator: nn.Module, path: Path) -> None:
    """Load a generator's weights, published or trained here; any float type is accepted.

    The head of the global part alone is in no published file: it keeps its fresh weights where it is missing.

    Raises:
        CorruptFileError: the file is damaged, or holds another network's weights.
    """
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptFileError(f"{path}: this is no whole safetensors file ({error}). Copy it again.") from error
    own = generator.state_dict()
    fresh = {name: tensor for name, tensor in own.items() if name.startswith(_HEAD) and name not in state}
    try:
        generator.load_state_dict({**fresh, **{name: tensor.to(own[name].dtype) for name, tensor in state.items()}})
    except (RuntimeError, KeyError) as error:
        reason = f"{error} is not known" if isinstance(error, KeyError) else str(error)
        raise CorruptFileError(
            f"{path}: these weights are another network's ({' '.join(reason.split())}). The student's settings must "
            f"be those of the network: gdp convert tells them."
        ) from error
    if broken := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise CorruptFileError(f"{path}: {broken[0]} holds NaN or infinite values.")


CYCLEGAN_DOWNSAMPLINGS = 2
"""With so many, a global generator has the layers and names of CycleGAN's, whose converter then takes the file."""

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_FIRST_DOWN = 4  # padding, 7x7 convolution, norm and activation come before
_LAYERS_A_LEVEL = 3  # convolution, norm, activation
_SAID = "It was trained on pictures (label_nc 0, no instance maps), or the student cannot be given what it wants."


class Pix2PixHDConverter(Converter):
    """The state dict of one network: `latest_net_G.pth` or `latest_net_D.pth`; label maps are not supported."""

    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether it is one of these networks, and no CycleGAN generator."""
        state = _state(file)
        if state is None:
            return False
        if _is_discriminator(state) or "model1_1.1.weight" in state:
            return True
        return "model.1.weight" in state and _downsamplings(state) not in (None, CYCLEGAN_DOWNSAMPLINGS)

    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Take the network; `module.` prefixes and the statistics of instance norms go.

        Raises:
            CorruptFileError: it is none of these networks.
        """
        state = _state(file)
        if state is None:
            raise CorruptFileError("it is no state dict (names and tensors)")
        kept, dropped = _cleaned(state)
        try:
            return _discriminator(kept, dropped) if _is_discriminator(kept) else _generator(kept, dropped)
        except (KeyError, ValueError, IndexError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise CorruptFileError(f"it is no network of pix2pixHD: {reason}") from error


def _state(file: ForeignFile) -> dict[str, Tensor] | None:
    state = plain_state(file.content)
    if not state:
        return None
    return {re.sub(r"^(module\.)+", "", name): tensor for name, tensor in state.items()}


def _cleaned(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Leave out the running statistics of normalisations without weights, as instance norms had until 2018."""

    def of_instance_norm(name: str) -> bool:
        module, _, kind = name.rpartition(".")
        return kind in _STATISTICS and f"{module}.weight" not in state

    kept = {name: tensor for name, tensor in state.items() if not of_instance_norm(name)}
    count = len(state) - len(kept)
    return kept, [f"{count} running statistics of instance norms, which are not used"] if count else []


def _is_discriminator(state: Mapping[str, Tensor]) -> bool:
    return "scale0_layer0.0.weight" in state or "layer0.0.weight" in state


def _downsamplings(state: Mapping[str, Tensor]) -> int | None:
    """Count the downsamplings before the first residual block of `model`; None where there is no such block."""
    blocks = _blocks(state, "model")
    if not blocks:
        return None
    count, rest = divmod(min(blocks) - _FIRST_DOWN, _LAYERS_A_LEVEL)
    return count if count >= 0 and rest == 0 else None


def _blocks(state: Mapping[str, Tensor], module: str) -> set[int]:
    pattern = re.compile(rf"{module}\.(\d{{1,4}})\.conv_block\.")
    return {int(found[1]) for name in state if (found := pattern.match(name))}


def _norm(state: Mapping[str, Tensor], layer: str) -> NormalisationName:
    return "batch" if f"{layer}.weight" in state else "instance"


def _generator(state: Mapping[str, Tensor], dropped: list[str]) -> Converted:
    downsamplings, blocks = _downsamplings(state), len(_blocks(state, "model"))
    if downsamplings is None:
        raise ValueError("it has no residual blocks model.N.conv_block after its downsamplings")
    enhancers = len({name.partition("_")[0] for name in state if re.match(r"model\d_1\.", name)})
    width, in_channels = _convolution(state, f"model{enhancers}_1.1" if enhancers else "model.1")[:2]
    last = f"model{enhancers}_2" if enhancers else "model"
    head = max(int(found[1]) for name in state if (found := re.fullmatch(rf"{last}\.(\d{{1,4}})\.weight", name)))
    architecture: dict[str, Any] = {
        "width": width,
        "downsamplings": downsamplings,
        "blocks": blocks,
        "norm": _norm(state, "model.2"),
    }
    layout = {**architecture, "in_channels": in_channels, "out_channels": _convolution(state, f"{last}.{head}")[0]}
    if enhancers:
        architecture |= {"local_enhancers": enhancers, "enhancer_blocks": len(_blocks(state, "model1_2"))}
        layout |= {"enhancers": enhancers, "enhancer_blocks": architecture["enhancer_blocks"]}
    with torch.device("meta"):
        network: nn.Module = LocalEnhancer(**layout) if enhancers else GlobalGenerator(**layout)
    _compare(network, state)
    settings = "\n".join(f"{name} = {_toml(value)}" for name, value in architecture.items())
    return Converted(
        what=f"pix2pixHD {'local enhancer' if enhancers else 'global generator'}, {blocks} blocks, width {width}",
        tensors=state,
        use=f'[student]\nplugin = "pix2pixhd"\nweights = "{{file}}"\npredicts = "image"\n{settings}',
        architecture={
            **architecture,
            "input_channels": in_channels,
            "output_channels": layout["out_channels"],
            "parameters": count_parameters(network),
        },
        dropped=dropped,
        remarks=[_SAID] if in_channels % 3 else [],
    )


def _discriminator(state: Mapping[str, Tensor], dropped: list[str]) -> Converted:
    features = "scale0_layer0.0.weight" in state
    first = "scale0_layer0.0" if features else "layer0.0"
    width, in_channels = _convolution(state, first)[:2]
    pattern = r"scale(\d{1,2})_layer(\d{1,2})\.0\.weight" if features else r"layer(\d{1,2})\.(\d{1,2})\.weight"
    places = [(int(found[1]), name) for name in state if (found := re.fullmatch(pattern, name))]
    scales = 1 + max(scale for scale, _ in places)
    convolutions = [name for scale, name in places if scale == 0 and state[name].ndim == 4]
    layout: dict[str, Any] = {
        "in_channels": in_channels,
        "width": width,
        "layers": len(convolutions) - 2,
        "scales": scales,
        "norm": _norm(state, "scale0_layer1.1" if features else "layer0.3"),
    }
    with torch.device("meta"):
        network = MultiscaleDiscriminator(**layout, features=features)
    _compare(network, state)
    return Converted(
        what=f"pix2pixHD discriminator, {scales} scales, width {width}",
        tensors=state,
        use="# No plugin loads a pix2pixHD discriminator: a student brings a fresh one.",
        architecture={**layout, "parameters": count_parameters(network)},
        dropped=dropped,
    )


def _convolution(state: Mapping[str, Tensor], layer: str) -> tuple[int, ...]:
    shape = tuple(state[f"{layer}.weight"].shape)
    if len(shape) != 4 or 0 in shape:
        raise ValueError(f"{layer}.weight has shape {shape}, which is no convolution's")
    return shape


def _compare(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare names and shapes with those of a network.

    Raises:
        ValueError: naming what is missing, not known or of another shape.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    foreign = [name for name in state if name not in wanted]
    wrong = [name for name, tensor in wanted.items() if name in state and state[name].shape != tensor.shape]
    for what, names in (("missing", missing), ("not known", foreign), ("of another shape", wrong)):
        if names:
            shown = ", ".join(printable(name) for name in names[:3])
            raise ValueError(f"{len(names)} tensors are {what}: {shown}{', ...' if names[3:] else ''}")


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
