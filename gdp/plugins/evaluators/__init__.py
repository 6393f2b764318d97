"""Measurements of a trained student: quality, the truth, speed, the slow route, and what a judge of faces says."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.evaluators.config import (
    CycleConfig,
    FaceAttributesConfig,
    HeldOutConfig,
    RenderedFacesConfig,
    ResnetBlocksConfig,
    SlowRouteConfig,
    SpeedConfig,
    UnpairedTruthConfig,
)


@hookimpl
def gdp_register_evaluators(register: Register) -> None:
    """Register the built-in evaluators."""
    register(
        "held-out",
        config=HeldOutConfig,
        implementation="gdp.plugins.evaluators.held_out:HeldOutEvaluator",
        summary="PSNR, SSIM and sharpness against the teacher's target on pairs never trained on",
    )
    register(
        "speed",
        config=SpeedConfig,
        implementation="gdp.plugins.evaluators.speed:SpeedEvaluator",
        summary="Time, parameters and MACs of the student beside the teacher's",
    )
    register(
        "slow-route",
        config=SlowRouteConfig,
        implementation="gdp.plugins.evaluators.speed:SlowRouteEvaluator",
        summary="What the student replaces: projection by backpropagation, edit, synthesis; its time and quality",
    )
    register(
        "face-attributes",
        config=FaceAttributesConfig,
        implementation="gdp.plugins.evaluators.judged:FaceAttributesEvaluator",
        summary="Judged age shift of student and teacher, and attributes that must not change",
    )
    register(
        "rendered-faces",
        config=RenderedFacesConfig,
        implementation="gdp.plugins.evaluators.judged:RenderedFacesEvaluator",
        summary="The student on rendered faces that no training saw, against the true older face",
    )
    register(
        "unpaired-truth",
        config=UnpairedTruthConfig,
        implementation="gdp.plugins.evaluators.translation:UnpairedTruthEvaluator",
        summary="Student and teacher against the true counterpart, where the dataset of two domains knows it",
    )
    register(
        "cycle",
        config=CycleConfig,
        implementation="gdp.plugins.evaluators.translation:CycleEvaluator",
        summary="There and back: the source against its reconstruction by the teacher's way back",
    )
    register(
        "resnet-blocks",
        config=ResnetBlocksConfig,
        implementation="gdp.plugins.evaluators.resnet_blocks:ResnetBlocksEvaluator",
        summary="Time, parameters and MACs of CycleGAN's generator with 9, 6 and 3 residual blocks",
    )
