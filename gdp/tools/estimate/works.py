"""What an estimate consists of: kinds of work, what each asks of a machine, and how long it takes here.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from gdp.tools.estimate.arithmetic import NOTHING, Duration, independent, total

Kind = Literal["synthesis", "forward", "training", "projection", "files", "network"]
"""What work is: pictures made by the teacher; networks without gradients (filters, measurements, sample grids); steps
of a training; backpropagation outside of trainings (the slow route); reading, writing, encoding and whatever else the
processor does alone; waiting for a service."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Arithmetic:
    """What work asks of the device that networks run on, counted operator by operator."""

    kernels: float = 0.0
    """Operators that compute something; each has to be launched."""
    macs: float = 0.0
    """Multiply-accumulates in float32."""
    half_macs: float = 0.0
    """Multiply-accumulates that may be done in 16 bits, where the device has such."""
    bytes: float = 0.0
    """Read and written by operators that multiply nothing (normalisations, activations, the optimizer)."""

    def __add__(self, other: Arithmetic) -> Arithmetic:
        return Arithmetic(
            self.kernels + other.kernels,
            self.macs + other.macs,
            self.half_macs + other.half_macs,
            self.bytes + other.bytes,
        )

    def times(self, factor: float) -> Arithmetic:
        """Return it so many times over."""
        return Arithmetic(self.kernels * factor, self.macs * factor, self.half_macs * factor, self.bytes * factor)

    @property
    def multiplied(self) -> float:
        """All multiply-accumulates, of whatever precision."""
        return self.macs + self.half_macs

    def in_half(self) -> Arithmetic:
        """Return the same with all multiply-accumulates in 16 bits, as under autocast."""
        return Arithmetic(self.kernels, 0.0, self.macs + self.half_macs, self.bytes)


@dataclass(frozen=True)
class Speeds:
    """How fast a device does what `Arithmetic` counts."""

    macs: float
    """Multiply-accumulates a second in float32, as reached, not as advertised."""
    half_macs: float
    """The same in 16 bits; those of float32 where the device has no such."""
    bytes: float
    """Bytes a second, read and written."""
    kernel: float
    """Seconds that the processor needs to launch one operator."""
    overlaps: bool
    """Whether launching goes on while the device computes, as with a GPU."""

    def scaled(self, factor: float) -> Speeds:
        """Return those of the same device when all it does goes so many times as fast."""
        return Speeds(
            self.macs * factor, self.half_macs * factor, self.bytes * factor, self.kernel / factor, self.overlaps
        )

    def seconds(self, work: Arithmetic, slower: float = 1.0) -> float:
        """Return the time that work takes: of a GPU the longer of launching and computing, else their sum.

        Args:
            work: what is asked.
            slower: how much slower than `Speeds` this kind of work was measured to be.
        """
        launching = work.kernels * self.kernel
        computing = work.macs / self.macs + work.half_macs / self.half_macs + work.bytes / self.bytes
        return max(launching, computing * slower) if self.overlaps else launching + computing * slower


@dataclass(frozen=True)
class Work:
    """Work of one kind."""

    kind: Kind
    seen: Duration
    """How long it takes on this machine, as busy as it was when it was watched."""
    arithmetic: Arithmetic | None = None
    """What it asks of the device; None where the processor does it alone, or it could not be counted."""
    amount: tuple[float, float] = (1.0, 1.0)
    """Between which multiples of what is reckoned its amount lies, where it depends on how many pairs are kept."""
    noise: tuple[float, float] = (1.0, 1.0)
    """Between which multiples of `seen` its time lies, for all that is not known of how busy the machine will be."""

    @property
    def here(self) -> Duration:
        """How long it takes on this machine; who waits for a service does not wait for a processor."""
        return self.seen if self.kind == "network" else self.seen.within(*self.amount).within(*self.noise)

    def times(self, factor: float) -> Work:
        """Return it so many times over."""
        arithmetic = None if self.arithmetic is None else self.arithmetic.times(factor)
        return replace(self, seen=self.seen.times(factor), arithmetic=arithmetic)


@dataclass(frozen=True)
class Part:
    """One line of an estimate."""

    stage: str
    """`opening`, or the stage's name; parts of it behind a colon: `filter: sharpness`."""
    works: tuple[Work, ...]
    how: str
    """What was measured, or why it takes no time."""
    known: bool = True
    """Whether anything can be said of it; if not, it stands with no time, and the whole run takes longer."""
    again: tuple[Work, ...] | None = None
    """What it takes for each further training of a comparison, once everything is loaded; None for as much."""

    @property
    def duration(self) -> Duration:
        """How long it takes here."""
        return total(work.here for work in self.works)

    def under(self, noise: tuple[float, float]) -> Part:
        """Return it with what is known of how busy the machine was."""
        return replace(self, works=tuple(replace(work, noise=noise) for work in self.works))

    @property
    def repeated(self) -> tuple[Work, ...]:
        """What it takes for each further training of a comparison."""
        return self.works if self.again is None else self.again

    @classmethod
    def done(cls, stage: str, how: str) -> Part:
        """Return a line of what takes no time."""
        return cls(stage, (), how)

    @classmethod
    def on_processor(cls, stage: str, duration: Duration, how: str) -> Part:
        """Return a line of what the processor does alone."""
        return cls(stage, (Work("files", duration),) if duration != NOTHING else (), how)

    @classmethod
    def unknown(cls, stage: str, why: str) -> Part:
        """Return a line of what cannot be reckoned."""
        return cls(stage, (), why, known=False)


def whole(parts: Iterable[Part]) -> Duration:
    """Return the time of many lines: what was measured of each is off by itself, but a busy machine slows all of them.

    So do the pairs: were more kept than thought, all that is done for each takes longer.
    """
    works = [work for part in parts for work in part.works]
    waits = total(work.here for work in works if work.kind == "network")
    own = [work for work in works if work.kind != "network"]
    noise = own[0].noise if own else (1.0, 1.0)
    kept = total(work.seen.within(*work.amount) for work in own)
    unsure = independent(work.seen for work in own)
    plain = total(work.seen for work in own)
    low = max(0.0, unsure.low - (plain.low - kept.low))
    high = unsure.high + (kept.high - plain.high)
    return total([waits, Duration(unsure.seconds, low, high).within(*noise)])


def by_kind(parts: Iterable[Part]) -> dict[Kind, Duration]:
    """Return the time of each kind of work here, of those that there are."""
    works = [work for part in parts for work in part.works]
    return {
        kind: total(work.here for work in works if work.kind == kind)
        for kind in KINDS
        if any(work.kind == kind for work in works)
    }


@dataclass(frozen=True)
class Calls:
    """What a pair source or a filter asks of a paid service."""

    plugin: str
    """The filter's name, or that of the pair source."""
    calls: int
    """As it foretells for the pairs that it makes or that reach it, less those that are done already."""
    dollars: float
    seconds: float
    """The least time that the service's rate allows."""


@dataclass(frozen=True)
class Counts:
    """How many pairs there will be."""

    made: int
    kept: int
    kept_low: int
    kept_high: int
    train: int
    held_out: int

    @property
    def amount(self) -> tuple[float, float]:
        """Between which multiples of `kept` the true number of kept pairs lies."""
        return (self.kept_low / self.kept, self.kept_high / self.kept) if self.kept else (1.0, 1.0)


@dataclass(frozen=True)
class Memory:
    """What a run holds at once, in bytes; None where it could not be told."""

    host: int | None
    """Of this process: measured, and reckoned for what was not tried at full size."""
    device: int | None
    """Of the device that networks run on: weights, gradients, the optimizer's moments, the average, activations."""
