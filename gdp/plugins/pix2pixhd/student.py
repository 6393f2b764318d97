"""The pix2pixHD student: its networks, its conditional discriminator and its coarse-to-fine schedule.

Which parameters of a local enhancer train when (Wang et al., CVPR 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gdp import BuildContext, Discrimination, ShapeError, Student, Teacher, TrainingPhase
from gdp.plugins.pix2pixhd import Pix2PixHDConfig
from gdp.plugins.pix2pixhd.conversion import load_generator_state
from gdp.plugins.pix2pixhd.networks import GlobalGenerator, LocalEnhancer, MultiscaleDiscriminator
from gdp.toolbox import weights_file

COARSE_PHASE = "global"
ENHANCER_PHASE = "enhancer"
JOINT_PHASE = "both"

_COARSE_PREFIXES = ("model.", "coarse_head.")


def enhancer_phases(
    generator: LocalEnhancer, coarse_fraction: float = 0.5, enhancer_fraction: float = 0.05
) -> tuple[TrainingPhase, ...]:
    """Plan the coarse-to-fine schedule: the coarse part alone, the enhancers around it frozen, then both.

    The fractions are shares of all steps; what remains trains both. The defaults are the published recipe's: 200
    epochs of each network, of which the second freezes the coarse part for the first 20. A phase of fraction 0 is
    left out (weights loaded from a trained `GlobalGenerator` need no first phase). The first phase goes through
    `LocalEnhancer.generate_coarse`, so it needs `coarse_head`. Raises ValueError for shares that are not a plan.
    """
    joint_fraction = 1.0 - coarse_fraction - enhancer_fraction
    if min(coarse_fraction, enhancer_fraction, joint_fraction) < 0:
        raise ValueError(
            f"the phases' shares {coarse_fraction} ({COARSE_PHASE}) and {enhancer_fraction} ({ENHANCER_PHASE}) "
            f"must be 0 or more and together 1 or less"
        )
    if coarse_fraction > 0 and generator.coarse_head is None:
        raise ValueError(f"the phase {COARSE_PHASE!r} needs a LocalEnhancer with coarse_head")
    names = frozenset(name for name, _ in generator.named_parameters())
    coarse = frozenset(name for name in names if name.startswith(_COARSE_PREFIXES))
    head = frozenset(name for name in coarse if name.startswith("coarse_head."))
    phases = (
        TrainingPhase(COARSE_PHASE, coarse_fraction, coarse),
        TrainingPhase(ENHANCER_PHASE, enhancer_fraction, names - coarse),
        TrainingPhase(JOINT_PHASE, joint_fraction, names - head),
    )
    return tuple(phase for phase in phases if phase.fraction > 0)


class Pix2PixHDStudent(Student):
    """pix2pixHD without label maps, instance maps and encoder (Wang et al., CVPR 2018, section 3).

    Raises:
        ShapeError: the resolution is no multiple of what the downsamplings divide by.
    """

    config: Pix2PixHDConfig

    def __init__(self, config: Pix2PixHDConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        multiple: int = 2 ** (config.downsamplings + config.local_enhancers)
        if context.resolution % multiple:
            raise ShapeError(
                f"pix2pixhd with {config.downsamplings} downsamplings and {config.local_enhancers} local enhancers "
                f"needs pictures whose size is a multiple of {multiple}; the pairs have {context.resolution} pixels"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            self._generator = _generator(config, context.input_channels)
            self._discriminator = MultiscaleDiscriminator(
                in_channels=context.input_channels + 3,
                width=config.discriminator_width,
                layers=config.discriminator_layers,
                scales=config.num_discriminators,
                norm=config.norm,
            )

    @property
    def generator(self) -> nn.Module:
        """The network that is shipped: (N, C, H, W) in [-1, 1] -> (N, 3, H, W) in [-1, 1]."""
        return self._generator

    @property
    def discriminator(self) -> nn.Module:
        """The multi-scale patch discriminator."""
        return self._discriminator

    def discriminate(self, source: Tensor, image: Tensor) -> Discrimination:
        """Run the discriminator on source and picture joined: (N, C + 3, H, W)."""
        judgements: Discrimination = self._discriminator(torch.cat([source, image], dim=1))
        return judgements

    def initialise(self, teacher: Teacher | None) -> Mapping[str, Any]:
        """Take over the weights that the settings name.

        Raises:
            MissingResourceError: they are not there.
            CorruptFileError: they are another network's.
        """
        if self.config.weights is None:
            return {}
        path = weights_file(self.config.weights, self.context.progress, setting="student.weights")
        load_generator_state(self._generator, path)
        return {"weights": path.name}

    @property
    def phases(self) -> Sequence[TrainingPhase]:
        """One phase; with local enhancers the global part, then the enhancers, then both."""
        if isinstance(self._generator, GlobalGenerator):
            return super().phases
        return enhancer_phases(self._generator, self.config.global_fraction, self.config.enhancer_fraction)

    def generate_in_phase(self, phase: TrainingPhase, source: Tensor) -> Tensor:
        """Run the whole generator, or in the first of several phases its global part."""
        if isinstance(self._generator, LocalEnhancer) and phase.name == COARSE_PHASE:
            return self._generator.generate_coarse(source)
        image: Tensor = self._generator(source)
        return image

    def phase_downscale(self, phase: TrainingPhase) -> int:
        """Return 1, or in the global part's phase what the enhancers enlarge by."""
        return 2**self.config.local_enhancers if phase.name == COARSE_PHASE else 1


def _generator(config: Pix2PixHDConfig, input_channels: int) -> GlobalGenerator | LocalEnhancer:
    if config.local_enhancers == 0:
        return GlobalGenerator(
            in_channels=input_channels,
            width=config.width,
            downsamplings=config.downsamplings,
            blocks=config.blocks,
            norm=config.norm,
            padding=config.padding,
            upsample=config.upsampling,
            predicts=config.predicts,
        )
    return LocalEnhancer(
        in_channels=input_channels,
        width=config.width,
        downsamplings=config.downsamplings,
        blocks=config.blocks,
        enhancers=config.local_enhancers,
        enhancer_blocks=config.enhancer_blocks,
        norm=config.norm,
        padding=config.padding,
        upsample=config.upsampling,
        predicts=config.predicts,
        coarse_head=config.global_fraction > 0,
    )
