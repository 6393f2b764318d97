"""Start a student from its teacher's down- and upsampling layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gdp.plugins.losses.translation import block_paths, evenly_spread
from gdp.plugins.resnet.networks import CHANGE_SCALE

Shape = tuple[int, ...]

_STEM, _DOWN, _UP, _HEAD, _BLOCK = "stem", "downsampling", "upsampling", "head", "residual block"


@dataclass(frozen=True)
class TransferRow:
    """What became of one tensor of the student."""

    student: str
    """Name of the tensor in the student's state dict."""
    teacher: str | None
    """Name of the tensor in the teacher's that plays the same part; None where there is none."""
    student_shape: Shape
    teacher_shape: Shape | None
    copied: bool
    reason: str
    """Why it was not copied; empty where it was."""


@dataclass(frozen=True)
class _Layer:
    """A convolution outside the residual blocks with the normalisation after it, or a whole residual block."""

    role: tuple[str, int]
    """What it does; for down- and upsampling, how many of its kind lie between it and the picture; for a block, which
    of the student's it is."""
    tensors: Mapping[str, str]
    """From "convolution.weight", "normalisation.running_mean" ... to the name in the state dict."""
    transposed: bool


def transfer(teacher: nn.Module, student: nn.Module, everything: bool = False) -> list[TransferRow]:
    """Copy the teacher's down- and upsampling layers, normalisations with them, into the student, in place.

    That is the weight transfer of the published CycleGAN distillation: residual blocks, whose number differs, stay
    as they are, and so do the stem and the head. With `everything` those two are copied as well, and into each
    residual block of the student the one of the teacher whose hidden state it is to have (`evenly_spread`). Both
    networks have the published names `model.N...`; layers after the blocks have other numbers in a network of other
    depth, so layers are matched by what they do. A layer is copied as a whole or, where one of its tensors has
    another shape or is missing, not at all.

    Returns:
        One row for each of the student's tensors outside the residual blocks (with `everything`, for each of all), in
        the order of its state dict.
    """
    theirs, ours = _layers(teacher), _layers(student)
    if everything:
        theirs, ours = theirs + _chosen_blocks(teacher, student), ours + _blocks(student)
    roles = {layer.role: layer for layer in theirs}
    given, wanted = teacher.state_dict(), student.state_dict()
    rows = []
    for layer in ours:
        match = roles.get(layer.role)
        reason = "nothing in common: no layers of CycleGAN's names"
        if roles:
            left = layer.role[0] in (_STEM, _HEAD) and not everything
            reason = f"the {layer.role[0]} is learnt anew" if left else _why_not(layer, match, given, wanted)
            if layer.role[0] == _HEAD and not reason:
                reason = _other_prediction(teacher, student)
        for part, name in layer.tensors.items():
            source = None if match is None else match.tensors.get(part)
            if source is not None and not reason:
                with torch.no_grad():
                    wanted[name].copy_(given[source])
            source_shape = None if source is None else tuple(given[source].shape)
            rows.append(TransferRow(name, source, tuple(wanted[name].shape), source_shape, not reason, reason))
    order = {name: index for index, name in enumerate(wanted)}
    return sorted(rows, key=lambda row: order[row.student])


def _why_not(layer: _Layer, match: _Layer | None, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Say what speaks against copying a layer; nothing if it fits."""
    if match is None:
        return "the teacher has no such layer"
    if match.transposed != layer.transposed:
        return "one of the two is a transposed convolution, the other is not"
    for part, name in layer.tensors.items():
        if part not in match.tensors:
            return f"the teacher's layer has no {part}"
        if wanted[name].shape != given[match.tensors[part]].shape:
            return f"another shape of {part}"
    return ""


def _other_prediction(teacher: nn.Module, student: nn.Module) -> str:
    """Say whether the two heads compute different things; nothing if they do not."""
    theirs, ours = (CHANGE_SCALE in network.state_dict() for network in (teacher, student))
    if theirs == ours:
        return ""
    of_teacher, of_student = ("the change" if change else "the picture" for change in (theirs, ours))
    return f"the teacher's computes {of_teacher}, the student's {of_student} (student.predicts)"


def _layers(network: nn.Module) -> list[_Layer]:
    """Find the layers outside the residual blocks; none in a network that is not built as CycleGAN's."""
    state = network.state_dict()
    matches = [re.fullmatch(r"model\.(\d+)\.(\w+)", name) for name in state]
    parts = {(int(match[1]), match[2]): match[0] for match in matches if match}
    convolutions = sorted(
        number for (number, kind), name in parts.items() if kind == "weight" and state[name].ndim == 4
    )
    if len(convolutions) < 2 or len(convolutions) % 2:
        return []
    depth = len(convolutions) // 2 - 1  # the residual blocks' convolutions have longer names
    down = [(_DOWN, index) for index in range(depth)]
    up = [(_UP, index) for index in reversed(range(depth))]
    layers = []
    for number, role in zip(convolutions, [(_STEM, 0), *down, *up, (_HEAD, 0)], strict=True):
        tensors = {f"convolution.{kind}": name for (where, kind), name in parts.items() if where == number}
        tensors |= {f"normalisation.{kind}": name for (where, kind), name in parts.items() if where == number + 1}
        layers.append(_Layer(role, tensors, isinstance(network.get_submodule(f"model.{number}"), nn.ConvTranspose2d)))
    return layers


def _blocks(network: nn.Module) -> list[_Layer]:
    """Find the residual blocks in order; none in a network that does not tell them."""
    names = list(network.state_dict())
    return [
        _Layer((_BLOCK, index), _parts([name for name in names if name.startswith(f"{path}.")]), transposed=False)
        for index, path in enumerate(block_paths(network))
    ]


def _parts(names: Sequence[str]) -> dict[str, str]:
    """Name a block's tensors by which of its layers they are, counted from 0: a dropout in between shifts the names."""
    matches = [re.fullmatch(r".*\.conv_block\.(\d+)\.(.+)", name) for name in names]
    found = [(int(match[1]), match[2], match[0]) for match in matches if match]
    ranks = {number: rank for rank, number in enumerate(sorted({number for number, _, _ in found}))}
    return {f"layer {ranks[number]} {rest}": name for number, rest, name in found}


def _chosen_blocks(teacher: nn.Module, student: nn.Module) -> list[_Layer]:
    """Find the teacher's block for each block of the student."""
    theirs, ours = _blocks(teacher), _blocks(student)
    if not theirs or not ours:
        return []
    chosen = evenly_spread(len(theirs), len(ours))
    return [replace(theirs[block], role=(_BLOCK, index)) for index, block in enumerate(chosen)]
