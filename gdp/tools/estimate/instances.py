"""Machines for rent: what they cost, what they are, and what was measured on them. Imports no torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from gdp.core.config import Config
from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.tools.estimate.works import Arithmetic, Kind, Speeds

TRAINING_STEP = Arithmetic(kernels=722, macs=1056.6e9, bytes=17.05e9)
"""What `training_seconds` is the time of: lsgan, feature matching and VGG, as `count_training` counts it."""
FORWARD = Arithmetic(kernels=104, macs=217.5e9, bytes=1.68e9)
"""What `student_seconds` is the time of: the generator of 182,443,267 parameters at 512 px."""
PROJECTION = Arithmetic(kernels=3723, macs=151e9, bytes=20e9).times(1000)
"""What `projection_seconds` is the time of."""
SHARE_OF_PEAK = 0.45
"""Of a GPU's peak arithmetic that convolutions are taken to reach where nothing was measured."""
SHARE_OF_BANDWIDTH = 0.75
LAUNCH = 10e-6
"""Seconds of processor that eager torch needs to launch an operator on a GPU: 6 to 15 microseconds."""
ON_PROCESSOR = 5e-6
"""The same for an operator that a processor computes itself."""
GUESSED_BYTES = 0.1
"""Bytes a second for each multiply-accumulate a second, of a machine of which only a measured time is known."""


class Gpu(Config):
    """One kind of GPU."""

    memory_gb: float = Field(gt=0)
    capability: float = Field(gt=0)
    tflops_float32: float = Field(gt=0)
    tflops_half: float | None = Field(default=None, gt=0)
    gb_per_s: float = Field(gt=0)

    @property
    def speeds(self) -> Speeds:
        """What it is taken to reach; a multiply-accumulate is two operations."""
        macs = self.tflops_float32 * 1e12 / 2 * SHARE_OF_PEAK
        half = macs if self.tflops_half is None else self.tflops_half * 1e12 / 2 * SHARE_OF_PEAK
        return Speeds(macs, half, self.gb_per_s * 1e9 * SHARE_OF_BANDWIDTH, LAUNCH, overlaps=True)


class Instance(Config):
    """One machine for rent."""

    name: str = Field(min_length=1)
    date: str | None = None
    """When the price held, where that is not the file's date."""
    dollars_per_hour: float | None = Field(default=None, ge=0)
    """Price on demand; None where it is not known."""
    memory_gb: float | None = Field(default=None, gt=0)
    """Main memory; None where it is not known, and rules nothing out."""
    gpu: str | None = None
    gpus: int = Field(default=1, ge=1)
    gflops_float32: float | None = Field(default=None, gt=0)
    gflops_half: float | None = Field(default=None, gt=0)
    gb_per_s: float | None = Field(default=None, gt=0)
    sustained: float = Field(default=1.0, gt=0, le=1)
    training_seconds: float | None = Field(default=None, gt=0)
    student_seconds: float | None = Field(default=None, gt=0)
    projection_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _some_speed(self) -> Instance:
        if self.gpu is None and self.gflops_float32 is None and not self.measured:
            raise ValueError(
                "nobody knows how fast it is: give gpu, gflops_float32, or a measured student_seconds or "
                "training_seconds"
            )
        if self.gpu is None and self.gpus > 1:
            raise ValueError("gpus counts GPUs, and no gpu is named")
        return self

    @property
    def measured(self) -> Mapping[Kind, tuple[Arithmetic, float]]:
        """What was measured on it: kind of work to what was done and its seconds."""
        known: dict[Kind, tuple[Arithmetic, float | None]] = {
            "training": (TRAINING_STEP, self.training_seconds),
            "forward": (FORWARD, self.student_seconds),
            "projection": (PROJECTION, self.projection_seconds),
        }
        return {kind: (work, seconds) for kind, (work, seconds) in known.items() if seconds is not None}

    @property
    def share_dollars_per_hour(self) -> float | None:
        """Price of the part of the machine that a run uses."""
        return None if self.dollars_per_hour is None else self.dollars_per_hour / self.gpus

    @property
    def title(self) -> str:
        """Its name, with the share of it that a run uses."""
        return self.name if self.gpus == 1 else f"{self.name} /{self.gpus}"


class Prices(Config):
    """A file of prices."""

    date: str
    """When they held."""
    source: str = ""
    """Where they are from."""
    gpus: dict[str, Gpu] = Field(default_factory=dict)
    instances: tuple[Instance, ...] = Field(min_length=1)

    @field_validator("date", mode="before")
    @classmethod
    def _as_text(cls, date: Any) -> Any:
        return date if isinstance(date, str) else str(date)  # TOML has dates of its own

    @model_validator(mode="after")
    def _known_gpus(self) -> Prices:
        for instance in self.instances:
            if instance.gpu is not None and instance.gpu not in self.gpus:
                close = get_close_matches(instance.gpu, self.gpus, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(sorted(self.gpus))}"
                raise ValueError(f"{instance.name}: no GPU is called {instance.gpu!r}; {hint}, or add [gpus.NAME]")
        return self

    def gpu_of(self, instance: Instance) -> Gpu | None:
        """Return the GPU of a machine; None where it has none."""
        return None if instance.gpu is None else self.gpus[instance.gpu]

    def speeds(self, instance: Instance) -> Speeds:
        """Return how fast a machine is taken to be, before what was measured on it corrects that."""
        gpu = self.gpu_of(instance)
        if gpu is not None:
            return gpu.speeds
        if instance.gflops_float32 is not None:
            macs = instance.gflops_float32 * 1e9 / 2
        else:
            macs = max(work.macs / seconds for work, seconds in instance.measured.values())
        half = macs if instance.gflops_half is None else instance.gflops_half * 1e9 / 2
        moved = macs * GUESSED_BYTES if instance.gb_per_s is None else instance.gb_per_s * 1e9
        return Speeds(macs, half, moved, ON_PROCESSOR, overlaps=False)


def read_prices(path: Path | None = None) -> Prices:
    """Read a file of prices; None for the one that comes with gdp, whose GPUs every file may name.

    Raises:
        MissingResourceError: it is not there.
        CorruptFileError: it is no such file; the message says what is wrong, and where.
    """
    own = _parse(_own_text(), "the prices that come with gdp")
    if path is None:
        return _validate(own, "the prices that come with gdp")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MissingResourceError(f"{path}: the prices cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path}: this is no TOML file ({error})") from error
    content = _parse(text, str(path))
    gpus = content.get("gpus", {})
    if isinstance(gpus, dict):
        content["gpus"] = {**own["gpus"], **gpus}
    return _validate(content, str(path))


def _own_text() -> str:
    return resources.files("gdp.tools.estimate").joinpath("instances.toml").read_text(encoding="utf-8")


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CorruptFileError(f"{name}: this is no TOML file ({error})") from error


def _validate(content: dict[str, Any], name: str) -> Prices:
    try:
        return Prices.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(f"{_place(each['loc'], content)}: {each['msg']}" for each in error.errors())
        raise CorruptFileError(f"{name}: these are no prices: {wrong}") from error


def _place(location: tuple[int | str, ...], content: dict[str, Any]) -> str:
    """Return where something is wrong, with the machine's name beside its number."""
    words = []
    for depth, part in enumerate(location):
        words.append(str(part))
        if location[0] == "instances" and depth == 1 and isinstance(part, int):
            name = content["instances"][part].get("name") if isinstance(content["instances"][part], dict) else None
            words[-1] += f" ({name})" if name else ""
    return ".".join(words) or "the file"
