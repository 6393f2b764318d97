"""Begin a training with given networks: read them, see whether they fit, and fill wider ones with the same function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gdp import CorruptFileError, Progress, ShapeError, TrainingError
from gdp.plugins.stylegan2 import StyleGAN2Config, TrainingSettings, discriminator_path, weights_path
from gdp.plugins.stylegan2.loading import describe_discriminator, describe_generator, read_tensors
from gdp.plugins.stylegan2.networks import Discriminator, Generator, channels_by_resolution
from gdp.toolbox import read_checkpoint_state, widened

_DEFAULT_MULTIPLIER = "0.01"
"""Of the mapping network's learning rate, where a file does not tell: the published one."""


@dataclass(frozen=True)
class GivenNetworks:
    """Networks to go on from."""

    path: Path
    """Of the generator."""
    generator: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    discriminator: Mapping[str, Tensor] | None
    discriminator_metadata: Mapping[str, str] = field(default_factory=dict)

    def require_fit(self, settings: TrainingSettings, resolution: int) -> None:
        """Make sure that networks of these settings can begin as these.

        Raises:
            CorruptFileError: they are no StyleGAN2's.
            ShapeError: they are of another resolution than the pictures.
            TrainingError: the settings ask for other sizes; the message has the lines that fit.
        """
        try:
            found = describe_generator(self.generator, self.metadata)
            judge = {} if self.discriminator is None else self._described_discriminator(self.discriminator)
        except CorruptFileError as error:
            raise CorruptFileError(f"{self.path}: {error}") from error
        for what in (found, *([judge] if judge else [])):
            if what["resolution"] != resolution:
                raise ShapeError(
                    f"{self.path}: these networks are for pictures of {what['resolution']} px, and the dataset's have "
                    f"{resolution} px. Set dataset.resolution = {what['resolution']}, or train without them."
                )
        if found["mapping_width"] != found["w_dim"]:
            raise TrainingError(f"{self.path}: its mapping network is not as wide as its w, which cannot be trained.")
        wanted = {
            "z_dim": found["z_dim"],
            "w_dim": found["w_dim"],
            "mapping_layers": found["mapping_layers"],
            "mapping_learning_rate_multiplier": float(
                self.metadata.get("mapping_learning_rate_multiplier", _DEFAULT_MULTIPLIER)
            ),
            "conv_clamp": found["conv_clamp"],
        }
        wrong = {name: value for name, value in wanted.items() if getattr(settings, name) != value}
        base = channels_by_resolution(resolution, settings.channel_base, settings.channel_max)
        for name, facts, own in (
            ("generator_channels", found, settings.generator_channels),
            ("discriminator_channels", judge, settings.discriminator_channels),
        ):
            given = {int(size): count for size, count in facts.get("channels", {}).items()}
            if any(count > {**base, **own}[size] for size, count in given.items()):
                wrong[name] = given
        if wrong:
            raise TrainingError(_misfit(self.path, wrong, settings))

    def _described_discriminator(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        return describe_discriminator(state, self.discriminator_metadata)

    def fill(self, generator: Generator, discriminator: Discriminator) -> None:
        """Give both networks these weights; a wider generator draws the same pictures at first.

        So does a wider discriminator judge, but where it is wider at 4 px, over whose features it takes a deviation.
        """
        _fill(generator, self.generator, _shares_of_generator)
        if self.discriminator is not None:
            _fill(discriminator, self.discriminator, _shares_of_discriminator)


def read_given(weights: str | Path, progress: Progress) -> GivenNetworks:
    """Read the networks that `train.from_weights` names.

    Raises:
        MissingResourceError: they are not there.
        CorruptFileError: a file is damaged.
    """
    path = weights_path(weights, progress, setting="train.from_weights (--from)")
    state, metadata = read_tensors(path)
    if any(name.startswith("generator.mapping.") for name in state):
        return _of_checkpoint(path, state)
    judge = discriminator_path(StyleGAN2Config(weights=weights), progress)
    if judge is None:
        progress.message(f"{path}: there is no discriminator beside this generator; it begins with random weights")
        return GivenNetworks(path, state, metadata, None)
    return GivenNetworks(path, state, metadata, *read_tensors(judge))


def _of_checkpoint(path: Path, state: Mapping[str, Tensor]) -> GivenNetworks:
    """Take the averaged generator and the discriminator out of a training's checkpoint."""
    kind = "average" if any(name.startswith("average.") for name in state) else "generator"
    try:
        content = read_checkpoint_state(path.parent)["state"]["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{path}: this checkpoint is not whole ({error}).") from error
    names = ("mapping_learning_rate_multiplier", "conv_clamp")
    metadata = {name: str(content[name]) for name in names if content.get(name) is not None}
    discriminator = with_prefix(state, "discriminator.")
    return GivenNetworks(path, with_prefix(state, f"{kind}."), metadata, discriminator, metadata)


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}


def _misfit(path: Path, wrong: Mapping[str, Any], settings: TrainingSettings) -> str:
    told = ", ".join(name for name in wrong if not name.endswith("channels"))
    narrow = " and ".join(name.partition("_")[0] for name in wrong if name.endswith("channels"))
    reasons = [f"they have another {told}"] if told else []
    reasons += [f"the {narrow} of the recipe would be narrower than theirs"] if narrow else []
    lines = "\n".join(f"  {name} = {_toml(value)}" for name, value in wrong.items() if value is not None)
    left_out = [name for name, value in wrong.items() if value is None]
    lines += f"\n  (and no {', '.join(left_out)})" if left_out else ""
    return f"{path}: the recipe's networks cannot begin as these: {'; '.join(reasons)}. Into [train] belong:\n{lines}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{size} = {count}" for size, count in sorted(value.items())) + " }"
    return str(value)


def _shares_of_generator(name: str) -> tuple[int | None, bool]:
    """Return the dimension that a weight reads with, and whether its layer divides by the root of its inputs."""
    if ".affine." in name or not name.endswith(".weight"):
        return None, False
    return 1, ".torgb." in name  # demodulation divides by the weights themselves, and zeros weigh nothing


def _shares_of_discriminator(name: str) -> tuple[int | None, bool]:
    return (1, True) if name.endswith(".weight") else (None, False)


def _fill(network: nn.Module, given: Mapping[str, Tensor], shares: Callable[[str], tuple[int | None, bool]]) -> None:
    filled = network.state_dict()
    for name, stored in given.items():
        fresh, (inputs, divides) = filled[name], shares(name)
        tensor = stored.to(fresh.dtype)
        scale = 1.0 if inputs is None or not divides else (fresh.shape[1] / tensor.shape[1]) ** 0.5
        if name == _EPILOGUE and fresh.shape[1] > tensor.shape[1]:
            # Its last inputs are the deviation, which stays the last when features come before it.
            features = fresh.shape[1] - _DEVIATION_CHANNELS
            whole = fresh.clone()
            old = tensor.shape[1] - _DEVIATION_CHANNELS
            whole[:, :features] = widened(fresh[:, :features], tensor[:, :old], inputs=1, scale=scale)
            whole[: len(tensor), features:] = tensor[:, old:] * scale
            filled[name] = whole
        else:
            filled[name] = widened(fresh, tensor, inputs=inputs, scale=scale)
    network.load_state_dict(filled)


_EPILOGUE = "b4.conv.weight"
_DEVIATION_CHANNELS = 1
