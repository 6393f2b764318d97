"""Machines for rent: their prices, and how fast they are beside this one. Imports no torch."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from gdp.core.config import Config
from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.tools.estimate.arithmetic import Duration, dollars

TRAINING_FORWARDS = 5.4
"""A training step's time in forwards of the generator: 4.2 s and 0.771 s at 256 px in plain float32, one machine."""


class Instance(Config):
    """One machine for rent."""

    name: str
    dollars_per_hour: float = Field(ge=0)
    """Price on demand."""
    student_seconds: float | None = Field(default=None, gt=0)
    """Seconds of the full-width pix2pixHD generator for a picture of 512 px."""
    training_seconds: float | None = Field(default=None, gt=0)
    """Seconds of its training for a picture."""

    @model_validator(mode="after")
    def _some_speed(self) -> Instance:
        if self.student_seconds is None and self.training_seconds is None:
            raise ValueError("give student_seconds or training_seconds, or nobody knows how fast it is")
        return self

    def seconds(self) -> float:
        """Return the seconds of a picture, taken from the training's where they are not known."""
        if self.student_seconds is not None:
            return self.student_seconds
        assert self.training_seconds is not None
        return self.training_seconds / TRAINING_FORWARDS

    def offer(self, here: Duration, reference_seconds: float, calls_dollars: float) -> Offer:
        """Return what a run would take there.

        Args:
            here: what it takes on this machine.
            reference_seconds: what the picture of `seconds` takes on this machine.
            calls_dollars: price of the calls, which cost the same everywhere.
        """
        factor = self.seconds() / reference_seconds
        there = here.times(factor)
        return Offer(self, 1 / factor, there, dollars(there.seconds, self.dollars_per_hour) + calls_dollars)


@dataclass(frozen=True)
class Offer:
    """A run on a machine for rent."""

    instance: Instance
    times_as_fast: float
    """Beside this machine."""
    duration: Duration
    dollars: float
    """Of the machine and of the calls."""


class Prices(Config):
    """A file of prices."""

    date: str
    """When they held."""
    source: str = ""
    """Where they are from."""
    instances: tuple[Instance, ...]


def read_prices(path: Path | None = None) -> Prices:
    """Read a file of prices; None for the one that comes with gdp.

    Raises:
        MissingResourceError: it is not there.
        CorruptFileError: it is no such file; the message says what is wrong.
    """
    try:
        text = (
            resources.files("gdp.tools.estimate").joinpath("instances.toml").read_text(encoding="utf-8")
            if path is None
            else path.read_text(encoding="utf-8")
        )
    except OSError as error:
        raise MissingResourceError(f"{path}: the prices cannot be read ({error.strerror or error})") from error
    try:
        return Prices.model_validate(tomllib.loads(text))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise CorruptFileError(f"{path}: these are no prices: {wrong}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"{path}: this is no TOML file ({error})") from error
