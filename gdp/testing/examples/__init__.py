"""Example inputs for tests of plugins: the same on every machine, made in milliseconds, moving no global state."""

from gdp.testing.examples.pictures import (
    RESOLUTION,
    TinyDataset,
    TinyUnpairedDataset,
    as_uint8,
    pairs,
    part_of,
    pictures,
)
from gdp.testing.examples.runs import RECIPE, TinyRun, perform_stage, tiny_run
from gdp.testing.examples.students import (
    AbsoluteDifference,
    LeastSquares,
    TinyPairSource,
    TinyStudent,
    World,
    latent_world,
    translation_world,
)
from gdp.testing.examples.teachers import TinyLatentTeacher, TinyTranslatorTeacher
from gdp.testing.tiny_work import TinyWork

__all__ = [
    "RECIPE",
    "RESOLUTION",
    "AbsoluteDifference",
    "LeastSquares",
    "TinyDataset",
    "TinyLatentTeacher",
    "TinyPairSource",
    "TinyRun",
    "TinyStudent",
    "TinyTranslatorTeacher",
    "TinyUnpairedDataset",
    "TinyWork",
    "World",
    "as_uint8",
    "latent_world",
    "pairs",
    "part_of",
    "perform_stage",
    "pictures",
    "tiny_run",
    "translation_world",
]
