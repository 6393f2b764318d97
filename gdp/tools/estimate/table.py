"""An estimate as JSON, and as tables that fit into 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gdp.tools.estimate.arithmetic import DAY, HOUR, Duration, dollars
from gdp.tools.estimate.instances import Prices
from gdp.tools.estimate.offers import FACTORS, Offer
from gdp.tools.estimate.probing import Estimate
from gdp.tools.estimate.works import Calls, Part, by_kind

PART_COLUMNS = ("stage", "time", "range", "how it is known")
OFFER_COLUMNS = ("machine", "$/h", "time", "range", "$", "how")
_WIDTHS = (22, 31)
"""Of a stage's name, and of how its time is known."""
UNKNOWN = "?"


def part_rows(estimate: Estimate) -> list[list[str]]:
    """Return the cells of the stages, by `PART_COLUMNS`, the whole last; what is long goes on in the next row."""
    rows = [row for part in estimate.parts for row in _part_rows(part)]
    more = " and what cannot be said" if estimate.unknown else ""
    return [*rows, ["the whole run", words(estimate.duration.seconds), span(estimate.duration), more.strip()]]


def _part_rows(part: Part) -> list[list[str]]:
    names = textwrap.wrap(part.stage, _WIDTHS[0], subsequent_indent="  ")
    lines = textwrap.wrap(textwrap.shorten(part.how, 3 * _WIDTHS[1], placeholder=" ..."), _WIDTHS[1])
    times = [words(part.duration.seconds), span(part.duration)] if part.known else [UNKNOWN, "cannot say"]
    rows = []
    for number in range(max(len(names), len(lines))):
        name = names[number] if number < len(names) else ""
        line = lines[number] if number < len(lines) else ""
        rows.append([name, *(times if number == 0 else ["", ""]), line])
    return rows


def kind_line(estimate: Estimate) -> str:
    """Return how the time here is made up, in a line."""
    return "here: " + ", ".join(f"{kind} {words(time.seconds)}" for kind, time in by_kind(estimate.parts).items())


def offer_rows(found: Sequence[Offer]) -> list[list[str]]:
    """Return the cells of the machines for rent, by `OFFER_COLUMNS`."""
    return [_offer_row(offer) for offer in found]


def _offer_row(offer: Offer) -> list[str]:
    price = offer.instance.share_dollars_per_hour
    row = [offer.instance.title, UNKNOWN if price is None else f"{price:.3g}"]
    if offer.duration is None:
        return [*row, "no", "", "", offer.short]
    cost = UNKNOWN if offer.dollars is None else _money(offer.dollars)
    return [*row, words(offer.duration.seconds), span(offer.duration), cost, offer.basis]


def notes(estimate: Estimate, prices: Prices, found: Sequence[Offer], dollars_per_hour: float | None) -> list[str]:
    """Return what is to be said beside the tables."""
    return [
        *_about_run(estimate, dollars_per_hour),
        *_about_machine(estimate),
        *_about_offers(prices, found),
    ]


def _about_run(estimate: Estimate, dollars_per_hour: float | None) -> list[str]:
    counts, memory = estimate.counts, estimate.memory
    host = "unknown" if memory.host is None else _gigabytes(memory.host)
    device = "" if memory.device is None else f"; a training step holds {_gigabytes(memory.device)} on its device"
    lines = [
        f"{counts.made} pairs, of which about {counts.kept} are kept ({counts.kept_low} to {counts.kept_high}): "
        f"{counts.train} to train on, {counts.held_out} held out",
        f"memory {host} at its peak{device}; {_gigabytes(estimate.disk_bytes)} of disk",
        *(_about_calls(calls) for calls in estimate.calls),
    ]
    if dollars_per_hour is not None:
        cost = dollars(estimate.duration.seconds, dollars_per_hour) + estimate.calls_dollars
        lines.append(f"this machine at {dollars_per_hour:g} $/h: {cost:.2f} $")
    return lines


def _about_calls(calls: Calls) -> str:
    return f"{calls.plugin}: {calls.calls:,} calls, {calls.dollars:.2f} $; none was made"


def _about_machine(estimate: Estimate) -> list[str]:
    machine, noise = estimate.about["machine"], estimate.about["noise"]
    return [
        kind_line(estimate),
        f"measured on {machine['processor']}, {machine['cores']} cores, {machine['device']}, in "
        f"{estimate.about['probe_seconds']:.0f} s ({estimate.about['opening_seconds']:.0f} s of them loading); waiting "
        f"for a processor {noise['waited']:.0%} of the time, so times may be {noise['low']:.2g} to {noise['high']:.2g} "
        f"times what was measured; ranges tell of that, and of how few units were measured",
    ]


def _about_offers(prices: Prices, found: Sequence[Offer]) -> list[str]:
    lines = [f"{offer.instance.name} cannot do it: {offer.why_not}" for offer in found if offer.why_not]
    shared = [offer.instance for offer in found if offer.instance.gpus > 1 and not offer.why_not]
    if shared:
        lines.append(
            f"a run uses one GPU: {', '.join(each.title for each in shared)} stand with that share of the price"
        )
    if any(offer.priced_at != prices.date for offer in found):
        old = ", ".join(f"{offer.instance.name} {offer.priced_at}" for offer in found if offer.priced_at != prices.date)
        lines.append(f"prices of {prices.date}, but: {old}; {prices.source}")
    else:
        lines.append(f"prices of {prices.date}; {prices.source}")
    lines.append(
        "measured: by a published time of this kind of work there, scaled by counted arithmetic; from here: the time "
        "here by the ratio of both machines; reckoned: by counted operators and data sheets, nothing was measured "
        "there; as here: mostly files or network waits, which take (about) as long as here"
    )
    return lines


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _money(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2f}"


def to_data(
    estimate: Estimate, prices: Prices, found: Sequence[Offer], dollars_per_hour: float | None
) -> dict[str, Any]:
    """Return everything as JSON."""
    whole = estimate.duration
    return {
        "recipe": estimate.recipe,
        **estimate.about,
        "stages": [_part_data(part) for part in estimate.parts],
        "kinds": {kind: asdict(time) for kind, time in by_kind(estimate.parts).items()},
        "total": {**asdict(whole), "complete": not estimate.unknown},
        "pairs": asdict(estimate.counts),
        "peak_memory_bytes": estimate.memory.host,
        "device_memory_bytes": estimate.memory.device,
        "disk_bytes": estimate.disk_bytes,
        "calls": [{"filter": calls.plugin, **asdict(calls)} for calls in estimate.calls],
        "calls_dollars": estimate.calls_dollars,
        "dollars_here": (
            None if dollars_per_hour is None else dollars(whole.seconds, dollars_per_hour) + estimate.calls_dollars
        ),
        "speeds": asdict(estimate.speeds),
        "prices": {"date": prices.date, "source": prices.source},
        "machines_for_rent": [_offer_data(offer) for offer in found],
        "spread_of_basis": {basis: list(factors) for basis, factors in FACTORS.items()},
    }


def _part_data(part: Part) -> dict[str, Any]:
    works = [
        {
            "kind": work.kind,
            **asdict(work.here),
            "counted": None if work.arithmetic is None else asdict(work.arithmetic),
        }
        for work in part.works
    ]
    return {"stage": part.stage, **asdict(part.duration), "known": part.known, "how": part.how, "works": works}


def _offer_data(offer: Offer) -> dict[str, Any]:
    instance, time = offer.instance, offer.duration
    return {
        "name": instance.name,
        "gpu": instance.gpu,
        "dollars_per_hour": instance.dollars_per_hour,
        "share_of_machine": 1 / instance.gpus,
        "priced_at": offer.priced_at,
        "possible": not offer.why_not,
        "why_not": offer.why_not,
        **({"seconds": None, "low": None, "high": None} if time is None else asdict(time)),
        "dollars": offer.dollars,
        "basis": None if time is None else offer.basis,
        "kinds": {kind: {**asdict(each), "basis": basis} for kind, (each, basis) in offer.kinds.items()},
    }


_UNITS = ((DAY, "days", 2 * DAY), (HOUR, "h", 2 * HOUR), (60.0, "min", 120.0))


def _unit(seconds: float) -> tuple[float, str]:
    return next(((unit, name) for unit, name, least in _UNITS if seconds >= least), (1.0, "s"))


def words(seconds: float) -> str:
    """Return a time for people: `35 s`, `4.2 min`, `3.1 h`, `22.0 days`."""
    unit, name = _unit(seconds)
    if unit == 1.0 and seconds < 1:
        return f"{seconds:.1g} s" if seconds >= 0.01 else "0 s"
    return f"{seconds / unit:,.0f} {name}" if seconds / unit >= 100 else f"{seconds / unit:.3g} {name}"


def span(duration: Duration) -> str:
    """Return between which times it lies, in one unit where they have it in common: `19-27 days`, `40 s-3 min`."""
    if duration.high < 0.01:
        return ""
    (unit, name), (other, smaller) = _unit(duration.high), _unit(duration.low)
    if name == smaller or duration.low == 0:
        return f"{_short(duration.low / unit)}-{_short(duration.high / unit)} {name}"
    return f"{_short(duration.low / other)} {smaller}-{_short(duration.high / unit)} {name}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
