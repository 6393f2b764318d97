"""Measurements of a trained student: quality, the truth, speed, the slow route, and what a judge of faces says.

Settings of the evaluators.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gdp import Config, Register, hookimpl
from gdp.plugins.losses import PERCEPTUAL, ST_LPIPS_LICENCE, STNetwork

FaceAttribute = Literal["glasses", "smile", "hair_length", "skin"]
"""Attributes of a face, other than its age, that the built-in judge tells."""

ColourName = Annotated[str, Field(pattern="^[a-z0-9_]+$")]
Level = Annotated[int, Field(ge=0, le=255)]

ALL_ATTRIBUTES: tuple[FaceAttribute, ...] = ("glasses", "smile", "hair_length", "skin")


class HeldOutConfig(Config):
    """Quality on held-out pairs."""

    count: int | None = Field(default=None, ge=1)
    """Largest number of held-out pairs to measure on; left out, all of them."""
    batch: int = Field(default=16, ge=1)
    """Pairs that are loaded at once, fewer where the memory asks for it; changes no number."""
    pictures: int = Field(default=8, ge=0)
    """Rows of pictures for the report."""
    inception_weights: Path | None = None
    """FID and KID: a local copy of torch-fidelity's pt_inception-2015-12-05-6726825d.pth (needs torch-fidelity)."""
    lpips_network: Literal["vgg", "alex"] = "vgg"
    """LPIPS: the image network that its weights belong to (VGG16 or AlexNet)."""
    lpips_trunk: Path | None = None
    """LPIPS: a local copy of torchvision's ImageNet weights of that network (.pth or .safetensors)."""
    lpips_heads: Path | None = None
    """LPIPS: the linear heads; left out, version 0.1 as torchmetrics carries them."""


class STLPIPSConfig(Config):
    """ST-LPIPS on held-out pairs."""

    network: STNetwork = "alex"
    """The network whose activations are compared: `alex` (AlexNet) or `vgg` (VGG16, four times slower)."""
    resolution: int | None = Field(default=256, ge=32)
    """Pixels of the shorter side to which larger pictures are reduced (bicubic, antialiased) before they are compared,
    so that numbers of runs of different size compare; none to compare at the pictures' own size."""
    count: int | None = Field(default=None, ge=1)
    """Largest number of held-out pairs to measure on; left out, all of them."""
    batch: int = Field(default=16, ge=1)
    """Pairs that go through the student at once, fewer where they are large; changes no number."""


class SpeedConfig(Config):
    """Time and size of student and teacher."""

    repeats: int = Field(default=30, ge=3)
    """Measured runs of each network, interleaved."""
    warmup: int = Field(default=5, ge=0)
    """Runs of each network before measuring."""


class SlowRouteConfig(Config):
    """The slow route: projection by backpropagation, edit, synthesis."""

    pictures: int = Field(default=4, ge=1)
    """Held-out pictures that go the slow route."""
    steps: int | None = Field(default=None, ge=1)
    """Optimisation steps of a projection; left out, the teacher's published default."""
    student_repeats: int = Field(default=10, ge=1)
    """Runs of the student that are timed before each of the pictures and after the last."""
    st_lpips: STNetwork | Literal["none"] = "alex"
    """The network of these pictures' ST-LPIPS at 256 px, which is measured where gdp-distill[perceptual] is installed;
    none to leave it out."""


class FaceAttributesConfig(Config):
    """What the judge of faces sees on held-out pairs."""

    count: int | None = Field(default=None, ge=1)
    """Largest number of held-out pairs to judge; left out, all of them."""
    batch: int = Field(default=16, ge=1)
    """Pairs that are loaded at once, fewer where the memory asks for it; changes no number."""
    attributes: tuple[FaceAttribute, ...] = ALL_ATTRIBUTES
    """Attributes that must not change."""
    min_shift_years: float = Field(default=1.0, gt=0)
    """Mean age shift of the teacher below which no ratio is stated, in years."""


class RenderedFacesConfig(Config):
    """Rendered faces that no training saw, against the true older face."""

    count: int = Field(default=200, ge=1)
    """Rendered faces."""
    seed: int = Field(default=770_077, ge=0)
    """Seed of the faces; use none that a dataset or a judge was trained on."""
    years: float | None = None
    """How much older the true face is, in years; left out, the teacher's mean judged shift on held-out pairs."""
    min_age: float = Field(default=18.0, ge=0)
    """Age of the youngest face, in years: as young as the pairs' filter let through."""
    max_age: float | None = Field(default=None, gt=0)
    """Age of the oldest face, in years; left out, as old as the renderer can still make older."""
    batch: int = Field(default=16, ge=1)
    """Faces that are drawn at once, fewer where the memory asks for it; changes no number."""
    pictures: int = Field(default=8, ge=0)
    """Rows of pictures for the report."""
    attributes: tuple[FaceAttribute, ...] = ALL_ATTRIBUTES
    """Attributes that must not change."""
    min_shift_years: float = Field(default=1.0, gt=0)
    """Mean judged shift of the true older faces below which no ratio is stated, in years."""


class FlatFramesConfig(Config):
    """Frames of one colour, in which a student should draw nothing."""

    colours: dict[ColourName, tuple[Level, Level, Level]] = Field(
        default={"black": (0, 0, 0), "grey": (128, 128, 128), "skin": (224, 172, 138)}, min_length=1
    )
    """A name to red, green and blue, 0 to 255 each."""


class UnpairedTruthConfig(Config):
    """Student and teacher against the true counterparts that the dataset knows."""

    count: int | None = Field(default=None, ge=1)
    """Largest number of held-out pairs to measure on; left out, all of them."""
    batch: int = Field(default=16, ge=1)
    """Pairs that are loaded at once, fewer where the memory asks for it; changes no number."""
    pictures: int = Field(default=8, ge=0)
    """Rows of pictures for the report."""


class CycleConfig(Config):
    """There and back through the teacher's generator of the way back."""

    count: int | None = Field(default=None, ge=1)
    """Largest number of held-out pairs to measure on; left out, all of them."""
    batch: int = Field(default=16, ge=1)
    """Pairs that are loaded at once, fewer where the memory asks for it; changes no number."""
    pictures: int = Field(default=4, ge=0)
    """Rows of pictures for the report."""


class ResnetBlocksConfig(Config):
    """Time and size of CycleGAN's generator with several numbers of residual blocks."""

    blocks: tuple[int, ...] = Field(default=(9, 6, 3), min_length=1, max_length=8)
    """Numbers of residual blocks, each at least 1."""
    width: int = Field(default=64, ge=1)
    """Channels at full resolution; 64 as published."""
    resolution: int = Field(default=256, ge=8, multiple_of=4)
    """Height and width of the picture in pixels; 256 as published."""
    repeats: int = Field(default=3, ge=3)
    """Measured runs of each network, interleaved."""
    warmup: int = Field(default=1, ge=0)
    """Runs of each network before measuring."""

    @field_validator("blocks")
    @classmethod
    def _some_blocks(cls, blocks: tuple[int, ...]) -> tuple[int, ...]:
        if min(blocks) < 1:
            raise ValueError("each number of blocks must be at least 1")
        return blocks


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
        "st-lpips",
        config=STLPIPSConfig,
        implementation="gdp.plugins.evaluators.perceptual:STLPIPSEvaluator",
        summary="Shift-tolerant perceptual distance (ST-LPIPS, not LPIPS) to the teacher's target on held-out pairs",
        licence=ST_LPIPS_LICENCE,
        needs=PERCEPTUAL,
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
        implementation="gdp.plugins.evaluators.slow_route:SlowRouteEvaluator",
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
        "flat-frames",
        config=FlatFramesConfig,
        implementation="gdp.plugins.evaluators.flat:FlatFramesEvaluator",
        summary="What the student draws into black, grey and skin-coloured frames, where there is nothing to draw",
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
