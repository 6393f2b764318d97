"""A run on machines for rent: each kind of work by its own ratio, or why the machine is none for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gdp.tools.estimate.arithmetic import HOUR, NOTHING, Duration, dollars, total
from gdp.tools.estimate.instances import Gpu, Instance, Prices
from gdp.tools.estimate.probing import Estimate
from gdp.tools.estimate.works import Kind, Memory, Speeds, Work

OLDEST_CAPABILITY = 7.5
"""Of the GPUs that torch's CUDA wheel runs on (13.2): Turing, and what came later."""
ON_DEVICE = 0.7e9
"""Bytes of a GPU's memory that CUDA and its libraries take beside what is counted."""
SPARE = 0.95
"""Share of a machine's memory that a run may take."""
CREDIT_HOURS = 0.5
"""Hours of full speed that a new burstable machine has credits for."""

Basis = Literal["measured", "from here", "reckoned", "as here"]
"""Whence a time is known: what was measured there, of work of this kind, scaled by what is counted; the time here times
the ratio of what both machines are reckoned to take; counted work and data sheets alone; the same as here."""
FACTORS: Mapping[Basis, tuple[float, float]] = {
    "measured": (0.9, 1.2),
    "from here": (0.6, 1.7),
    "reckoned": (0.5, 2.0),
    "as here": (0.6, 1.6),
}
"""By which a time of each basis may be off."""


@dataclass(frozen=True)
class Offer:
    """A run on a machine for rent.

    Attributes:
        instance: The machine.
        why_not: Why the run cannot be done there, in a sentence; empty where it can.
        short: The same in two or three words.
        kinds: The time of each kind of work, and whence it is known.
        duration: Of the whole run; None where it cannot be done there.
        dollars: Of the machine and of the calls; None where the price is not known, or it cannot be done.
        priced_at: When the price was known to hold.
    """

    instance: Instance
    why_not: str
    short: str
    kinds: Mapping[Kind, tuple[Duration, Basis]]
    duration: Duration | None
    dollars: float | None
    priced_at: str

    @property
    def basis(self) -> Basis:
        """Whence most of the time is known."""
        known = max(self.kinds.values(), key=lambda each: each[0].seconds, default=(NOTHING, "as here"))
        return known[1]


def offers(estimate: Estimate, prices: Prices) -> list[Offer]:
    """Return what a run would take on every machine for rent: those that can do it first, the cheapest first."""
    found = [_offer(estimate, prices, instance) for instance in prices.instances]
    return sorted(found, key=lambda each: (bool(each.why_not), each.dollars is None, each.dollars or 0.0))


def _offer(estimate: Estimate, prices: Prices, instance: Instance) -> Offer:
    date = instance.date or prices.date
    short, why_not = _ruled_out(estimate.memory, estimate.needs_gpu, instance, prices.gpu_of(instance))
    if why_not:
        return Offer(instance, why_not, short, {}, None, None, date)
    speeds = prices.speeds(instance)
    slower = _slower(instance, speeds)
    works: dict[Kind, list[tuple[Duration, Basis]]] = {}
    for part in estimate.parts:
        for work in part.works:
            works.setdefault(work.kind, []).append(_there(work, instance, speeds, slower, estimate))
    kinds = {kind: (total(each for each, _ in found), _main(found)) for kind, found in works.items()}
    duration = _sustained(total(each for each, _ in kinds.values()), instance.sustained)
    price = instance.share_dollars_per_hour
    cost = None if price is None else dollars(duration.seconds, price) + estimate.calls_dollars
    return Offer(instance, "", "", kinds, duration, cost, date)


def _ruled_out(memory: Memory, needs_gpu: str, instance: Instance, gpu: Gpu | None) -> tuple[str, str]:
    """Return in a few words and in a sentence why a run cannot be done on a machine; empty where it can."""
    if gpu is None and needs_gpu:
        return "no GPU", f"it has no GPU, and this recipe needs one: {needs_gpu}"
    if gpu is not None and gpu.capability < OLDEST_CAPABILITY:
        return "GPU too old", (
            f"its GPU, {instance.gpu}, has compute capability {gpu.capability:g}, and torch's wheel runs on "
            f"{OLDEST_CAPABILITY:g} (Turing) and newer"
        )
    on_device = None if memory.device is None else memory.device + ON_DEVICE
    if gpu is not None and on_device is not None and on_device > SPARE * gpu.memory_gb * 1e9:
        return f"{gpu.memory_gb:g} GB on its GPU", (
            f"a training step needs about {on_device / 1e9:.1f} GB on the GPU, and {instance.gpu} has "
            f"{gpu.memory_gb:g} GB: lower train.batch"
        )
    # With a GPU, what is counted for the device lies there and not in main memory.
    needed = memory.host
    if needed is not None and gpu is not None and memory.device is not None:
        needed = max(needed - memory.device, 2_000_000_000)
    if needed is not None and instance.memory_gb is not None and needed > SPARE * instance.memory_gb * 1e9:
        return f"{instance.memory_gb:g} GB of memory", (
            f"the run needs about {needed / 1e9:.1f} GB of memory, and it has {instance.memory_gb:g} GB"
        )
    return "", ""


def _slower(instance: Instance, speeds: Speeds) -> Mapping[Kind | None, float]:
    """Return how much slower than reckoned each measured kind of work is there; under None, for all other kinds.

    What was measured is matched but for launching, which does not depend on the size of the work.
    """
    found: dict[Kind | None, float] = {}
    for kind, (work, seconds) in instance.measured.items():
        computing = speeds.seconds(work) if speeds.overlaps else speeds.seconds(work) - work.kernels * speeds.kernel
        found[kind] = seconds / computing
    found[None] = sum(found.values()) / len(found) if found else 1.0
    return found


def _there(
    work: Work, instance: Instance, speeds: Speeds, slower: Mapping[Kind | None, float], estimate: Estimate
) -> tuple[Duration, Basis]:
    """Return the time of one work on another machine, which nobody else uses."""
    if work.kind == "network":
        return work.here, "as here"  # a service waits for nobody's processor
    if work.arithmetic is None:
        alone = work.seen.times(estimate.alone)
        return alone.within(*work.amount).within(*FACTORS["as here"]), "as here"
    seconds = speeds.seconds(work.arithmetic, slower.get(work.kind, slower[None]))
    if work.kind in instance.measured:
        return Duration.about(seconds, *FACTORS["measured"]).within(*work.amount), "measured"
    if estimate.speeds.overlaps == speeds.overlaps:
        ratio = seconds / max(estimate.speeds.seconds(work.arithmetic), 1e-12)
        return work.seen.times(ratio).within(*work.amount).within(*FACTORS["from here"]), "from here"
    return Duration.about(seconds, *FACTORS["reckoned"]).within(*work.amount), "reckoned"


def _main(found: list[tuple[Duration, Basis]]) -> Basis:
    return max(found, key=lambda each: each[0].seconds)[1]


def _sustained(duration: Duration, share: float) -> Duration:
    """Return a time on a machine whose speed falls to a share when its credits are spent."""
    fast = CREDIT_HOURS * HOUR

    def lasting(seconds: float) -> float:
        return seconds if seconds <= fast else fast + (seconds - fast) / share

    return Duration(lasting(duration.seconds), lasting(duration.low), lasting(duration.high))
