"""Plugins that exist only as records: what the recipe's tests need of a registry."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from gdp.core.config import Config
from gdp.core.errors import PluginNotFoundError
from gdp.core.records import Kind, PluginRecord


class StyleTeacher(Config):
    weights: str | Path
    """Weights: `builtin:` or a file."""
    api_key: str | None = Field(default=None, json_schema_extra={"environment": True})
    """Variable that holds the key."""


class TeacherTraining(Config):
    images: int = Field(default=1000, ge=1)
    """Pictures to see."""


class Direction(Config):
    direction: str
    """Which edit."""
    strength: float = 1.0
    layers: list[int] | None = None


class FaceFilter(Config):
    min_age: float = Field(default=0, ge=0, le=120)
    """Smallest age in years."""
    max_age: float = Field(default=120, ge=0, le=120)
    mode: Literal["strict", "loose"] = "loose"
    references: tuple[Path, ...] = ()


class Band(Config):
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> "Band":
        if self.low > self.high:
            raise ValueError("low must not exceed high")
        return self


class BandFilter(Config):
    band: Band = Band()
    bands: dict[str, Band] = Field(default_factory=dict)


class HostileFilter(Config):
    value: int = 0

    @field_validator("value")
    @classmethod
    def _explode(cls, value: int) -> int:
        match value:
            case 1:
                raise RuntimeError("boom\nwith \x1b[31mcolour")
            case 2:
                raise SystemExit(3)
            case 3:
                raise UnprintableError
        return value


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class AnythingFilter(Config):
    anything: Any = None


class Net(Config):
    width: int = Field(default=32, ge=1)
    """Channels of the first layer."""
    predicts: Literal["image", "change"] = "change"


class Nothing(Config):
    pass


class Pictures(Config):
    folder: Path = Path("pictures")
    """Where they are."""


def _record(kind: Kind, name: str, config: type[Config], training: type[Config] | None = None) -> PluginRecord:
    return PluginRecord(kind, name, f"The {name}", config, "nowhere:Nothing", training=training, package="test-package")


class FixedPlugins:
    """A lookup over the records above."""

    records = (
        _record("teacher", "stylegan", StyleTeacher, TeacherTraining),
        _record("teacher", "untrainable", Nothing),
        _record("pair-source", "latent-direction", Direction),
        _record("filter", "face-attributes", FaceFilter),
        _record("filter", "band", BandFilter),
        _record("filter", "hostile", HostileFilter),
        _record("filter", "anything", AnythingFilter),
        _record("student", "pix2pixhd", Net),
        _record("loss", "l1", Nothing),
        _record("loss", "feature-matching", Nothing),
        _record("evaluator", "held-out", Nothing),
        _record("dataset", "image-folder", Pictures),
        _record("stage", "archive", Net),
        replace(_record("stage", "report", Nothing), every_run=True),
    )

    def get(self, kind: Kind, name: str) -> PluginRecord:
        for record in self.records:
            if (record.kind, record.name) == (kind, name):
                return record
        raise PluginNotFoundError(f"no {kind} plugin is called {name}")

    def names(self, kind: Kind) -> list[str]:
        return sorted(record.name for record in self.records if record.kind == kind)


VALID = """\
# a comment
name = "age"
seed = 7

[teacher]
plugin = "stylegan"
weights = "builtin:faces64"

[pairs]
plugin = "latent-direction"
count = 20
direction = "builtin:age"

[[filters]]
plugin = "face-attributes"
min_age = 18

[[filters]]
plugin = "band"
band.low = 0.25

[student]
plugin = "pix2pixhd"
width = 8

[[losses]]
plugin = "l1"
weight = 20

[[losses]]
plugin = "feature-matching"

[train]
steps = 15
betas = [
    0.5, # momentum
    0.9,
]
batch = 4

[[evaluators]]
plugin = "held-out"
"""

VALID_STAGE = (
    VALID
    + """
[[stages]]
plugin = "archive"
width = 4
"""
)

VALID_TEACHER = """\
name = "faces"

[teacher]
plugin = "stylegan"

[dataset]
plugin = "image-folder"
folder = "faces"

[train]
images = 500
"""

VALID_COMPARE = (
    VALID
    + """
[compare]
seeds = 3
metrics = ["quality.held_out.psnr_db"]

[[compare.variants]]
name = "without l1"
without = ["l1"]

[[compare.variants]]
name = "narrow"
change = { student = { width = 4 }, train = { batch = 2 } }

[[compare.variants]]
name = "other filters"

[compare.variants.change]
teacher = { plugin = "untrainable" }
filters = [{ plugin = "band", band = { high = 0.75 } }]
"""
)
