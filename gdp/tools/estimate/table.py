"""An estimate as JSON and as tables."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gdp.tools.estimate.arithmetic import DAY, HOUR, Duration, dollars
from gdp.tools.estimate.instances import Offer, Prices
from gdp.tools.estimate.probing import Estimate

PART_COLUMNS = ("stage", "time", "from", "to", "how it is known")
OFFER_COLUMNS = ("machine", "$/h", "x this one", "time", "from", "to", "$")


def offers(estimate: Estimate, prices: Prices) -> list[Offer]:
    """Return what the run would take on every machine for rent."""
    return [
        instance.offer(estimate.duration, estimate.reference_seconds, estimate.calls_dollars)
        for instance in prices.instances
    ]


def part_rows(estimate: Estimate) -> list[list[str]]:
    """Return the cells of the stages, by `PART_COLUMNS`, the whole last."""
    rows = [[part.stage, *_times(part.duration), part.how] for part in estimate.parts]
    return [*rows, ["the whole run", *_times(estimate.duration), ""]]


def offer_rows(estimate: Estimate, prices: Prices) -> list[list[str]]:
    """Return the cells of the machines for rent, by `OFFER_COLUMNS`."""
    return [
        [
            offer.instance.name,
            f"{offer.instance.dollars_per_hour:g}",
            f"{offer.times_as_fast:.2g}",
            *_times(offer.duration),
            f"{offer.dollars:.2f}",
        ]
        for offer in offers(estimate, prices)
    ]


def notes(estimate: Estimate, prices: Prices, dollars_per_hour: float | None) -> list[str]:
    """Return what is to be said beside the tables."""
    counts, machine = estimate.counts, estimate.about["machine"]
    memory = "unknown" if estimate.memory_bytes is None else f"{estimate.memory_bytes / 1e6:,.0f} MB"
    lines = [
        f"{counts.made} pairs, of which about {counts.kept} are kept ({counts.kept_low} to {counts.kept_high}): "
        f"{counts.train} to train on, {counts.held_out} held out",
        f"memory {memory} at its peak; {estimate.disk_bytes / 1e6:,.0f} MB of disk",
    ]
    for calls in estimate.calls:
        lines.append(f"{calls.filter}: {calls.calls:,} calls, {calls.dollars:.2f} $; none was made")
    if dollars_per_hour is not None:
        cost = dollars(estimate.duration.seconds, dollars_per_hour) + estimate.calls_dollars
        lines.append(f"this machine at {dollars_per_hour:g} $/h: {cost:.2f} $")
    lines.append(
        f"measured on {machine['processor']}, {machine['cores']} cores, {machine['device']}; from and to are 95 % "
        f"bounds from the variance of the probe, for a machine as busy as it was"
    )
    lines.append(
        f"machines for rent: prices of {prices.date} ({prices.source}); their speed beside this one by the full-width "
        f"pix2pixHD generator at 512 px, which takes {estimate.reference_seconds:.2f} s here: a rough guide for "
        f"networks of other sizes"
    )
    return lines


def to_data(estimate: Estimate, prices: Prices, dollars_per_hour: float | None) -> dict[str, Any]:
    """Return everything as JSON."""
    whole = estimate.duration
    return {
        "recipe": estimate.recipe,
        **estimate.about,
        "stages": [{"stage": part.stage, **asdict(part.duration), "how": part.how} for part in estimate.parts],
        "total": asdict(whole),
        "pairs": asdict(estimate.counts),
        "peak_memory_bytes": estimate.memory_bytes,
        "disk_bytes": estimate.disk_bytes,
        "calls": [asdict(calls) for calls in estimate.calls],
        "calls_dollars": estimate.calls_dollars,
        "dollars_here": (
            None if dollars_per_hour is None else dollars(whole.seconds, dollars_per_hour) + estimate.calls_dollars
        ),
        "reference_seconds": estimate.reference_seconds,
        "prices": {"date": prices.date, "source": prices.source},
        "machines_for_rent": [
            {
                "name": offer.instance.name,
                "dollars_per_hour": offer.instance.dollars_per_hour,
                "times_as_fast": offer.times_as_fast,
                **asdict(offer.duration),
                "dollars": offer.dollars,
            }
            for offer in offers(estimate, prices)
        ],
    }


def _times(duration: Duration) -> list[str]:
    return [words(value) for value in (duration.seconds, duration.low, duration.high)]


def words(seconds: float) -> str:
    """Return a time for people: `35 s`, `4.2 min`, `3.1 h`, `22.0 days`."""
    for unit, name, least in ((DAY, "days", 2 * DAY), (HOUR, "h", 2 * HOUR), (60.0, "min", 120.0)):
        if seconds >= least:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.3g} s"
