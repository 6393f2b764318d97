"""Pickles of StyleGAN2's TensorFlow time: three networks as lists of named variables.

Layouts differ: TensorFlow has convolutions (kernel, kernel, in, out) and matrices (in, out), keeps a style's offset of
1 apart from its bias, and applies the kernel of an up-sampling convolution mirrored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gdp import Converted, Converter, CorruptFileError, Progress
from gdp.plugins.stylegan2.conversion import generator, metadata_of, with_discriminator
from gdp.toolbox import ForeignFile, ForeignObject, as_tensor, printable

NETWORK = "dnnlib.tflib.network.Network"
_OLDEST = 4
_DEEPEST = 4
_MOST = 5000
_SUPPORTED = {"architecture": ("skip", "resnet"), "nonlinearity": ("lrelu",), "mapping_nonlinearity": ("lrelu",)}
_IGNORED = ("lod",)

Change = Callable[[Tensor], Tensor]


class TensorFlowConverter(Converter):
    """The three networks (G, D, Gs) of StyleGAN2 or StyleGAN2-ADA in TensorFlow, or Gs alone; unconditional."""

    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether it holds networks of NVIDIA's TensorFlow library."""
        return _networks(file.content) is not None

    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Take Gs, the averaged generator, and the discriminator where there is one.

        Raises:
            CorruptFileError: it is older than StyleGAN2, conditional or of another architecture.
        """
        networks = _networks(file.content)
        if networks is None:
            raise CorruptFileError(f"there is no object of the class {NETWORK} in it")
        averaged, judge = networks[-1], networks[1] if len(networks) == 3 else None
        arguments = _arguments(averaged)
        state = convert_generator(collect_variables(averaged))
        converted = generator(
            state,
            metadata_of(arguments.get("conv_clamp"), arguments.get("mapping_lrmul")),
            dropped=["G, whose weights are not averaged", "the source code of the networks, which was not looked at"],
        )
        if judge is None:
            return converted
        clamp = metadata_of(_arguments(judge).get("conv_clamp"))
        return with_discriminator(converted, convert_discriminator(collect_variables(judge)), clamp)


def convert_generator(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the ada-pytorch state dict of a generator's variables; unknown names are kept, to be refused later."""
    return _converted(variables, _GENERATOR)


def convert_discriminator(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the ada-pytorch state dict of a discriminator's variables; unknown names are kept, to be refused later."""
    return _converted(variables, _DISCRIMINATOR)


def collect_variables(network: ForeignObject) -> dict[str, Tensor]:
    """Return the variables of a network and its components by name, such as `synthesis/4x4/Conv/weight`.

    Raises:
        CorruptFileError: they are told in an unknown way.
    """
    found: dict[str, Tensor] = {}
    waiting = [("", network, 0)]
    while waiting:
        prefix, part, depth = waiting.pop()
        variables, components = part.state.get("variables"), part.state.get("components", {})
        if not isinstance(variables, list) or not isinstance(components, dict) or depth > _DEEPEST:
            raise CorruptFileError("it is damaged: a network has no list of variables")
        for pair in variables[:_MOST]:
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise CorruptFileError("it is damaged: a variable has no name")
            found[f"{prefix}{pair[0]}"] = _value(pair[1])
        for name, component in components.items():
            if isinstance(component, ForeignObject):
                waiting.append((f"{prefix}{name}/", component, depth + 1))
    return found


def _networks(content: object) -> list[ForeignObject] | None:
    parts = list(content) if isinstance(content, tuple | list) and len(content) == 3 else [content]
    networks = [part for part in parts if isinstance(part, ForeignObject) and part.name == NETWORK]
    return networks if len(networks) == len(parts) else None


def _arguments(network: ForeignObject) -> Mapping[object, object]:
    """Return the arguments that a network was made with, checked."""
    version, arguments = network.state.get("version"), network.state.get("static_kwargs", {})
    if not isinstance(version, int) or version < _OLDEST:
        raise CorruptFileError(f"its networks have version {printable(str(version))}: they are older than StyleGAN2")
    if not isinstance(arguments, dict):
        raise CorruptFileError("it is damaged: a network has no arguments")
    if arguments.get("label_size"):
        raise CorruptFileError("it is class-conditional, which is not supported")
    for name, supported in _SUPPORTED.items():
        if (value := arguments.get(name)) is not None and value not in supported:
            raise CorruptFileError(f"its {name} is {printable(str(value))}, which is not supported")
    if (kernel := arguments.get("resample_kernel")) not in (None, [1, 3, 3, 1], (1, 3, 3, 1)):
        raise CorruptFileError(f"its low-pass filter is {printable(str(kernel)[:40])}, which is not supported")
    return arguments


def _value(told: object) -> Tensor:
    tensor = as_tensor(told)
    if tensor is None and isinstance(told, int | float):
        tensor = torch.tensor(float(told))
    if tensor is None:
        raise CorruptFileError("it is damaged: a variable has no numbers")
    return tensor


def _convolution(weight: Tensor) -> Tensor:
    return weight.permute(3, 2, 0, 1)


def _mirrored(weight: Tensor) -> Tensor:
    return weight.flip(0, 1).permute(3, 2, 0, 1)


def _matrix(weight: Tensor) -> Tensor:
    return weight.t()


def _offset(bias: Tensor) -> Tensor:
    return bias + 1


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


def _picture(tensor: Tensor) -> Tensor:
    return tensor[0, 0]


def _same(tensor: Tensor) -> Tensor:
    return tensor


_LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb"}
_PARTS: Mapping[str, tuple[str, Change]] = {
    "weight": ("weight", _convolution),
    "bias": ("bias", _same),
    "noise_strength": ("noise_strength", _same),
    "mod_weight": ("affine.weight", _matrix),
    "mod_bias": ("affine.bias", _offset),
}


def _noise(found: re.Match[str]) -> tuple[str, Change]:
    """noise0 is of 4 px; then two follow for each resolution."""
    number = int(found[1])
    size = 2 ** ((number + 1) // 2 + 2)
    return f"synthesis.b{size}.conv{0 if number % 2 else 1}.noise_const", _picture


def _style_layer(found: re.Match[str]) -> tuple[str, Change]:
    name, change = _PARTS[found[3]]
    if found[2] == "Conv0_up" and name == "weight":
        change = _mirrored
    return f"synthesis.b{found[1]}.{_LAYERS[found[2]]}.{name}", change


def _dense(found: re.Match[str]) -> tuple[str, Change]:
    return f"mapping.fc{found[1]}.{found[2]}", _matrix if found[2] == "weight" else _same


_JUDGING = {"FromRGB": "fromrgb", "Conv0": "conv0", "Conv1_down": "conv1", "Skip": "skip", "Conv": "conv"}


def _judging_layer(found: re.Match[str]) -> tuple[str, Change]:
    return f"b{found[1]}.{_JUDGING[found[2]]}.{found[3]}", _convolution if found[3] == "weight" else _same


def _judging_end(found: re.Match[str]) -> tuple[str, Change]:
    layer = "out" if found[1] == "Output" else "fc"
    return f"b4.{layer}.{found[2]}", _matrix if found[2] == "weight" else _same


Rules = tuple[tuple[str, Callable[[re.Match[str]], tuple[str, Change]]], ...]

_GENERATOR: Rules = (
    (r"dlatent_avg", lambda found: ("mapping.w_avg", _same)),
    (r"mapping/Dense(\d+)/(weight|bias)", _dense),
    (r"synthesis/4x4/Const/const", lambda found: ("synthesis.b4.const", _first)),
    (r"synthesis/noise(\d+)", _noise),
    (rf"synthesis/(\d+)x\1/({'|'.join(_LAYERS)})/({'|'.join(_PARTS)})", _style_layer),
)
_DISCRIMINATOR: Rules = (
    (rf"(\d+)x\1/({'|'.join(_JUDGING)})/(weight|bias)", _judging_layer),
    (r"(4x4/Dense0|Output)/(weight|bias)", _judging_end),
)


def _converted(variables: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in variables.items():
        if name in _IGNORED:
            continue
        new, change = next(
            (make(found) for pattern, make in rules if (found := re.fullmatch(pattern, name))), (name, _same)
        )
        try:
            state[new] = change(tensor)
        except (RuntimeError, IndexError) as error:
            shape = tuple(tensor.shape)
            raise CorruptFileError(f"{printable(name)} has shape {shape}, which is no StyleGAN2's") from error
    return state
