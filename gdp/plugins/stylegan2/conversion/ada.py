"""Pickles of stylegan2-ada-pytorch: whole networks with their source, of which only the attributes are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gdp import Converted, Converter, CorruptFileError, Progress
from gdp.plugins.stylegan2.conversion import generator, metadata_of, with_discriminator
from gdp.plugins.stylegan2.low_pass import low_pass_filter
from gdp.toolbox import ForeignFile, ForeignObject, module_state, printable, walk_modules

_GENERATORS = ("G_ema", "G")
_PLAIN = (bool, int, float, str, type(None))
_DEEPEST = 4
_MOST = 200


class AdaConverter(Converter):
    """A dictionary with the networks `G_ema` (or `G`) and `D`; unconditional, of the architecture skip."""

    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether there is a generator with a constant input, as StyleGAN2's is."""
        found = _network(file.content, _GENERATORS)
        if found is None:
            return False
        return any(path == "synthesis.b4." for path, _ in walk_modules(found[1]))

    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Take the averaged generator, and the discriminator where there is one.

        Raises:
            CorruptFileError: there is no generator, or it is conditional or of another architecture.
        """
        found = _network(file.content, _GENERATORS)
        if found is None:
            raise CorruptFileError("there is no network G_ema in it")
        name, network = found
        recorded = _plain(network.state.get("_init_kwargs"), _DEEPEST)
        _check_recorded(recorded)
        state = module_state(network)
        _check_filters(state)
        remarks = [] if name == "G_ema" else ["There is no G_ema in it: this is G, whose weights are not averaged."]
        converted = generator(
            state,
            metadata_of(_attribute(network, "conv_clamp"), _attribute(network, "bias_gain", "mapping.fc0.")),
            dropped=_dropped(file.content, name),
            remarks=remarks,
            recorded=recorded if isinstance(recorded, dict) else None,
        )
        judge = _network(file.content, ("D",))
        if judge is None:
            return converted
        return with_discriminator(converted, module_state(judge[1]), metadata_of(_attribute(judge[1], "conv_clamp")))


def _network(content: object, names: tuple[str, ...]) -> tuple[str, ForeignObject] | None:
    networks = content if isinstance(content, dict) else {"G_ema": content}
    for name in names:
        network = networks.get(name)
        if isinstance(network, ForeignObject) and "_modules" in network.state:
            return name, network
    return None


def _attribute(network: ForeignObject, name: str, below: str = "") -> object:
    """Return the first number that a layer has as an attribute of that name; None if none has."""
    for path, module in walk_modules(network):
        value = module.state.get(name)
        if path.startswith(below) and value is not None:
            return value
    return None


def _check_recorded(recorded: Any) -> None:
    """Refuse what the recorded arguments tell and the names of the tensors do not."""
    for place in _dictionaries(recorded):
        activation, architecture = place.get("activation", "lrelu"), place.get("architecture", "skip")
        if activation not in ("lrelu", "linear"):
            raise CorruptFileError(f"its activation is {printable(str(activation))}, and only lrelu is supported")
        if architecture != "skip":
            raise CorruptFileError(f"its architecture is {printable(str(architecture))}, and only skip is supported")


def _dictionaries(recorded: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(recorded, dict):
        yield recorded
        for value in recorded.values():
            yield from _dictionaries(value)


def _check_filters(state: Mapping[str, Tensor]) -> None:
    usual = low_pass_filter()
    for name, tensor in state.items():
        same = tensor.shape == usual.shape and torch.allclose(tensor.float(), usual, atol=1e-6)
        if name.endswith("resample_filter") and not same:
            raise CorruptFileError(
                f"{printable(name)} is another low-pass filter than StyleGAN2's, which is not supported"
            )


def _plain(value: object, depth: int) -> Any:
    """Return plain JSON values of what a file recorded; anything else as None, and nothing too deep or too long."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float) and value - value != 0:
        return repr(value)
    if isinstance(value, _PLAIN):
        return value
    if depth and isinstance(value, dict):
        items = list(value.items())[:_MOST]
        return {printable(name): _plain(item, depth - 1) for name, item in items if isinstance(name, str)}
    if depth and isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value[:_MOST]]
    return None


def _dropped(content: object, taken: str) -> list[str]:
    dropped = ["the source code of the networks, which was not looked at"]
    if isinstance(content, dict):
        others = [printable(str(name)) for name in content if name not in (taken, "D")][:_MOST]
        dropped += [f"{name}: not needed" for name in others]
    return dropped
