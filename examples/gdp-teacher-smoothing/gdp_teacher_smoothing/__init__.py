"""A gdp teacher that is no GAN: edge-preserving smoothing, step by step, and a measure of the edges that are left.

Every gdp command imports this module to know what there is, so it must import no torch.
"""

import gdp

from gdp_teacher_smoothing.config import EdgesConfig, SmoothingConfig

GDP_API = 1


@gdp.hookimpl
def gdp_register_teachers(register: gdp.Register) -> None:
    """Register the teacher."""
    register(
        "smoothing",
        config=SmoothingConfig,
        implementation="gdp_teacher_smoothing.teacher:SmoothingTeacher",
        summary="Smooths surfaces and keeps edges, by many steps of anisotropic diffusion",
    )


@gdp.hookimpl
def gdp_register_evaluators(register: gdp.Register) -> None:
    """Register the evaluator."""
    register(
        "edges",
        config=EdgesConfig,
        implementation="gdp_teacher_smoothing.edges:EdgesEvaluator",
        summary="How much of their gradients, strong and weak, the student's pictures keep beside the teacher's",
    )
