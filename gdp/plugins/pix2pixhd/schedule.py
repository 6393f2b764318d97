"""Which parameters of a local enhancer train when (Wang et al., CVPR 2018, section 3.2)."""

from __future__ import annotations

from gdp.core.interfaces.students import TrainingPhase
from gdp.plugins.pix2pixhd.generators import LocalEnhancer

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
