"""The ResNet student: a small translator, its adversaries, and the way back that closes the cycle."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gdp import (
    BuildContext,
    CorruptFileError,
    Discrimination,
    MissingResourceError,
    Opposite,
    PluginError,
    PrunedStudent,
    ShapeError,
    Student,
    Teacher,
    TranslatorTeacher,
)
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.plugins.resnet.pruning import prune_generator
from gdp.plugins.resnet.transfer import TransferRow, transfer
from gdp.toolbox import read_state, weights_file

_MULTIPLE = 4
_OUTPUT_CHANNELS = 3


class ResnetStudent(Student):
    """CycleGAN's generator (Zhu et al., ICCV 2017) with fewer blocks, trained against unconditional discriminators.

    Raises:
        ShapeError: the resolution is no multiple of 4.
    """

    config: ResnetConfig
    conditional: ClassVar[bool] = False

    def __init__(self, config: ResnetConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        if context.resolution % _MULTIPLE:
            raise ShapeError(
                f"resnet needs pictures whose size is a multiple of {_MULTIPLE}; the pairs have {context.resolution} "
                f"pixels"
            )
        self._generator = self._seeded(0, lambda: self._new_generator(config, context.input_channels))
        self._opposite: Opposite | None = None
        self._discriminator: nn.Module | None = None

    def _seeded(self, stream: int, build: Any) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.context.seed + stream)
            return build()

    @staticmethod
    def _new_generator(config: ResnetConfig, in_channels: int) -> ResnetGenerator:
        channels = GeneratorChannels.uniform(config.width, config.blocks)
        if config.channels is not None:
            channels = GeneratorChannels(**config.channels.model_dump())
        return ResnetGenerator(
            channels,
            in_channels=in_channels,
            upsampling=config.upsampling,
            separable=config.separable,
            predicts=config.predicts,
        )

    @property
    def generator(self) -> nn.Module:
        """The translator: (N, C, H, W) in [-1, 1] -> (N, 3, H, W) in [-1, 1]."""
        generator: nn.Module = self._generator
        return generator

    @property
    def discriminator(self) -> nn.Module | None:
        """The patch discriminator of the target's domain; there from `initialise` on."""
        return self._discriminator

    @property
    def discriminator_trains(self) -> bool:
        """Whether the settings let the discriminators train."""
        return self.config.discriminators == "trained"

    @property
    def opposite(self) -> Opposite | None:
        """The way back; there from `initialise` on, unless the settings leave it out."""
        return self._opposite

    def discriminate(self, source: Tensor, image: Tensor) -> Discrimination:
        """Judge pictures (N, 3, H, W) by themselves."""
        assert self._discriminator is not None
        judged: Discrimination = self._discriminator(image)
        return judged

    def discriminate_opposite(self, image: Tensor) -> Discrimination:
        """Judge pictures (N, 3, H, W) of the source's domain."""
        assert self._opposite is not None
        assert self._opposite.discriminator is not None
        judged: Discrimination = self._opposite.discriminator(image)
        return judged

    def initialise(self, teacher: Teacher | None) -> Mapping[str, Any]:
        """Take over from the teacher what the settings ask for.

        Returns:
            `layers`: what was copied and what was not, and why; `opposite` and `discriminators`: where they come from;
            `warning`: that nothing was copied although it was asked for.

        Raises:
            MissingResourceError: the way back is to stay as it is, and the teacher has none; or weights are missing.
            CorruptFileError: the weights that the settings name are another network's.
        """
        translator = teacher if isinstance(teacher, TranslatorTeacher) else None
        facts: dict[str, Any] = {}
        if self.config.weights is not None:
            path = weights_file(self.config.weights, self.context.progress, setting="student.weights")
            self._load(path)
            facts["weights"] = path.name
        elif self.config.transfer != "none" and translator is not None:
            everything = self.config.transfer == "everything"
            rows = transfer(translator.module, self._generator, everything)
            facts["layers"] = [asdict(row) for row in rows]
            if rows and not any(row.copied for row in rows):
                facts["warning"] = f'student.transfer = "{self.config.transfer}" copies {_nothing(rows)}'
        judges = translator.discriminators if translator is not None else (None, None)
        self._discriminator = self._adversary(judges[0], 1)
        facts["discriminator"] = _origin(judges[0])
        if self.config.opposite != "none":
            back = translator.opposite if translator is not None else None
            self._opposite = self._way_back(back, judges[1])
            facts |= {"opposite": _origin(back), "opposite_discriminator": _origin(judges[1])}
        return facts

    def _load(self, path: Path) -> None:
        weights = read_state(path)
        try:
            self._generator.load_state_dict(weights)
        except RuntimeError as error:
            raise CorruptFileError(f"{path}: these weights are another network's: {error}") from error

    def _adversary(self, teachers: nn.Module | None, stream: int) -> nn.Module:
        if teachers is not None:
            return copy.deepcopy(teachers)
        width, layers = self.config.discriminator_width, self.config.discriminator_layers
        adversary: nn.Module = self._seeded(stream, lambda: PatchDiscriminator(width=width, layers=layers))
        return adversary

    def _way_back(self, teachers: nn.Module | None, judge: nn.Module | None) -> Opposite:
        trains = self.config.opposite == "trained"
        if teachers is None and not trains:
            raise MissingResourceError(
                'the teacher has no generator of the way back that could stay frozen: set student.opposite = "none" '
                'and take cycle-l1 out of the recipe, or train one with student.opposite = "trained"'
            )
        generator = copy.deepcopy(teachers)
        if generator is None:
            generator = self._seeded(2, lambda: self._new_generator(self.config, 3))
        return Opposite(generator, self._adversary(judge, 3) if trains else None, trains)

    def pruned(self, macs: float, example: Tensor) -> PrunedStudent:
        """Take out the channels that matter least until at most the share `macs` of the arithmetic is left.

        Raises:
            ShapeError: so small a network cannot be made.
        """
        smaller = prune_generator(self._generator, macs, example)
        parts = dict(_parts(smaller.channels))
        channels = {part: (width, parts[part]) for part, width in _parts(self._generator.channels)}
        return PrunedStudent({"channels": _settings(smaller.channels)}, smaller.state_dict(), channels)

    def adopt(self, teacher: Teacher) -> PrunedStudent:
        """Become the teacher's generator: its blocks, channels, upsampling and weights.

        Raises:
            PluginError: the teacher is no CycleGAN generator, or has what this student has not.
        """
        network = teacher.module
        if not isinstance(network, ResnetGenerator):
            raise PluginError(
                f"the student resnet can hold CycleGAN's ResNet generator, and the teacher is a "
                f"{type(network).__name__}: prune the student instead, with --of student"
            )
        if foreign := _foreign(network, self.context.input_channels):
            raise PluginError(
                f"the student resnet cannot hold this teacher's network, which has {' and '.join(foreign)}: prune the "
                f"student instead, with --of student"
            )
        settings = {
            "blocks": len(network.channels.middle),
            "width": network.channels.stem,
            "channels": _settings(network.channels),
            "upsampling": network.upsampling,
            "separable": network.separable,
            "predicts": network.predicts,
        }
        weights = network.state_dict()
        if network.dropout is not None:  # it does nothing in a teacher, but the published names count it
            weights = {name.replace(".conv_block.6.", ".conv_block.5."): tensor for name, tensor in weights.items()}
        return PrunedStudent(settings, weights)


def _foreign(network: ResnetGenerator, input_channels: int) -> list[str]:
    """Say what a generator has that the student's cannot have."""
    differences = {
        f"normalisation of the kind {network.norm!r}": network.norm != "instance",
        "convolutions without biases": not network.bias,
        f"{network.in_channels} input channels": network.in_channels != input_channels,
        f"{network.out_channels} output channels": network.out_channels != _OUTPUT_CHANNELS,
    }
    return [words for words, differs in differences.items() if differs]


def _settings(channels: GeneratorChannels) -> dict[str, Any]:
    """Return channels as the setting of that name."""
    return {**asdict(channels), "middle": list(channels.middle)}


def _parts(channels: GeneratorChannels) -> list[tuple[str, int]]:
    """Return the channels of every part, in the order of the forward pass."""
    blocks = [(f"middle of block {block}", width) for block, width in enumerate(channels.middle)]
    outside = [(part, getattr(channels, part)) for part in ("stem", "down", "hidden", "up", "head")]
    return [*outside[:3], *blocks, *outside[3:]]


def _origin(teachers: nn.Module | None) -> str:
    return "the teacher's" if teachers is not None else "fresh"


def _nothing(rows: Sequence[TransferRow]) -> str:
    """Say that nothing is copied, why, and what to do."""
    reason = Counter(row.reason for row in rows).most_common(1)[0][0]
    theirs, ours = rows[0].teacher_shape, rows[0].student_shape
    mend = "take a teacher whose network is built as this student's is"
    if theirs is not None and theirs[0] != ours[0]:
        mend = f"set student.width = {theirs[0]}, as the teacher has; this student has {ours[0]}"
    return (
        f'nothing of this teacher, of {len(rows)} tensors: {reason}. To copy, {mend}; else student.transfer = "none".'
    )
