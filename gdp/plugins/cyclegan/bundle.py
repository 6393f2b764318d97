"""The networks of a CycleGAN on disk: one safetensors file, a folder of published checkpoints, or one checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gdp import CorruptFileError, MissingResourceError, Progress
from gdp.plugins.cyclegan import CycleGANConfig, CycleGANTraining, weights_path
from gdp.plugins.cyclegan.conversion import clean_state, discriminator_from_state, generator_from_state
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.toolbox import read_state, widened


@dataclass(frozen=True)
class Networks:
    """A CycleGAN as seen from one direction, in evaluation mode and without gradient."""

    generator: ResnetGenerator
    opposite: ResnetGenerator | None
    discriminator: PatchDiscriminator | None
    """Judges what the generator makes."""
    opposite_discriminator: PatchDiscriminator | None


def files(config: CycleGANConfig) -> Sequence[Path]:
    """Return the files that the settings name; those of a folder that are there.

    Raises:
        MissingResourceError: the file or folder is not there.
    """
    path = weights_path(config.weights)
    if not path.is_dir():
        return (path,)
    named = [path / f"{config.epoch}_net_{network}.pth" for network in NETWORKS]
    return [file for file in named if file.is_file()]


def fingerprint(config: CycleGANConfig) -> str:
    """Return the sha256 over all files and what is made of them."""
    digest = hashlib.sha256(f"{config.direction} {config.running_statistics}".encode())
    for path in files(config):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def load_networks(config: CycleGANConfig) -> Networks:
    """Read the networks.

    Raises:
        MissingResourceError: the generator that is to teach is not there.
        CorruptFileError: a file is damaged or holds other networks.
    """
    states = {name: clean_state(state, config.running_statistics) for name, state in _read_states(config).items()}
    ours, theirs = ("A", "B") if config.direction == "AtoB" else ("B", "A")
    if f"G_{ours}" not in states:
        there = ", ".join(states) or "nothing"
        raise MissingResourceError(
            f"{weights_path(config.weights)}: there is no generator G_{ours} ({config.direction}) among what is there "
            f"({there}). Mend teacher.weights, teacher.epoch or teacher.direction."
        )
    place = weights_path(config.weights)
    try:
        networks = Networks(
            generator_from_state(states[f"G_{ours}"]),
            generator_from_state(states[f"G_{theirs}"]) if f"G_{theirs}" in states else None,
            discriminator_from_state(states[f"D_{ours}"]) if f"D_{ours}" in states else None,
            discriminator_from_state(states[f"D_{theirs}"]) if f"D_{theirs}" in states else None,
        )
    except CorruptFileError as error:
        raise CorruptFileError(f"{place}: {error}") from error
    for name, network in ((f"G_{ours}", networks.generator), (f"G_{theirs}", networks.opposite)):
        if network is not None and (network.in_channels, network.out_channels) != (_CHANNELS, _CHANNELS):
            raise CorruptFileError(
                f"{place}: {name} makes pictures of {network.out_channels} channels from pictures of "
                f"{network.in_channels}, and gdp's have {_CHANNELS}: this generator cannot teach here"
            )
    return _frozen(networks)


def load_states(config: CycleGANConfig, setting: str) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of every network that there is, by the names of `NETWORKS`.

    Raises:
        MissingResourceError: the file or folder that `setting` names is not there.
        CorruptFileError: a file is damaged.
    """
    weights_path(config.weights, setting=setting)
    return {name: clean_state(state, config.running_statistics) for name, state in _read_states(config).items()}


def fill(
    networks: Mapping[str, nn.Module], given: Mapping[str, Mapping[str, Tensor]], place: str, progress: Progress
) -> None:
    """Begin with given networks: both generators, and the discriminators that are among them.

    A wider generator draws the same pictures at first: what is new in it is not listened to yet.

    Args:
        networks: to be filled, by the names of `NETWORKS`.
        given: tensors by the same names.
        place: where they come from, for messages.
        progress: told which discriminators begin with random weights.

    Raises:
        MissingResourceError: a generator is not among them.
        CorruptFileError: they do not fit: other layers, or more channels.
    """
    if lacking := [name for name in NETWORKS[:2] if name not in given]:
        raise MissingResourceError(
            f"{place}: a training needs both generators to go on from, and {', '.join(lacking)} is not there. Name a "
            "file of gdp train-teacher, or a folder with latest_net_G_A.pth and latest_net_G_B.pth."
        )
    for name, network in networks.items():
        if name not in given:
            progress.message(f"{place}: there is no discriminator {name}; it begins with random weights")
            continue
        try:
            _fill(network, given[name])
        except ValueError as error:
            raise CorruptFileError(
                f"{place}: {name} does not fit the recipe's network: {error}. Set blocks, upsampling and predicts in "
                "[train] as they were there, and width, discriminator_width and discriminator_layers to no less."
            ) from error


def _fill(network: nn.Module, given: Mapping[str, Tensor]) -> None:
    fresh = network.state_dict()
    if other := sorted(fresh.keys() ^ given.keys()):
        raise ValueError(f"{len(other)} tensors are in one of both only: {', '.join(other[:3])}")
    for path, module in network.named_modules():
        name = f"{path}.weight"
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            inputs = 0 if isinstance(module, nn.ConvTranspose2d) else 1
            fresh[name] = widened(fresh[name], given[name], inputs=inputs)
    for name in fresh:
        if not name.endswith(".weight"):
            fresh[name] = widened(fresh[name], given[name])
    network.load_state_dict(fresh)


def untrained_networks(training: CycleGANTraining) -> Networks:
    """Return networks as a training with these settings begins: the same for either direction."""
    channels = GeneratorChannels.uniform(training.width, training.blocks)
    judge, layers = training.discriminator_width, training.discriminator_layers
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        return _frozen(
            Networks(
                ResnetGenerator(channels, upsampling=training.upsampling, predicts=training.predicts),
                ResnetGenerator(channels, upsampling=training.upsampling, predicts=training.predicts),
                PatchDiscriminator(width=judge, layers=layers),
                PatchDiscriminator(width=judge, layers=layers),
            )
        )


def _frozen(networks: Networks) -> Networks:
    for network in (networks.generator, networks.opposite, networks.discriminator, networks.opposite_discriminator):
        if network is not None:
            network.eval().requires_grad_(False)
    return networks


def _read_states(config: CycleGANConfig) -> dict[str, Mapping[str, Tensor]]:
    path = weights_path(config.weights)
    if path.is_dir():
        found = files(config)
        if not found:
            raise MissingResourceError(
                f"{path}: there is no {config.epoch}_net_G_A.pth or the like in this folder. Mend teacher.weights or "
                f"teacher.epoch."
            )
        return {file.stem.rpartition("_net_")[2]: read_state(file) for file in found}
    state = read_state(path)
    bundled: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        network, _, rest = name.partition(".")
        if network in NETWORKS:
            bundled.setdefault(network, {})[rest] = tensor
    # A file of one network is the generator that is to teach, whatever its name.
    return dict(bundled) if bundled else {"G_A" if config.direction == "AtoB" else "G_B": state}


def bundle(networks: Mapping[str, nn.Module], half: bool) -> dict[str, Tensor]:
    """Return the tensors of several networks under the names that `load_networks` reads.

    Args:
        networks: by their name, of `NETWORKS`.
        half: whether to store float16.
    """
    return {
        f"{name}.{key}": tensor.half() if half and tensor.is_floating_point() else tensor
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }


_CHANNELS = 3
"""Of pictures."""
NETWORKS = ("G_A", "G_B", "D_A", "D_B")
"""As published: G_A translates A to B and D_A judges its pictures, G_B translates B to A and D_B judges those."""
