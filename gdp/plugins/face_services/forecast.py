"""What a filter's calls will come to, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping

from gdp.core.answers import AnswerBook
from gdp.core.interfaces.filters import Forecast
from gdp.core.pairs.records import Json
from gdp.plugins.face_services.config import ServiceConfig


def forecast(settings: ServiceConfig, pairs: int, sources: int) -> Forecast:
    """Return what showing so many pairs takes, each with so many source pictures, if no answer is known already."""
    pictures = {"source": sources, "target": 1, "both": sources + 1}[settings.of]
    calls, rate = pairs * pictures, _rate(settings)
    return Forecast(calls, 1 / rate if rate else 0.0, settings.cost(calls))


def outlook(settings: ServiceConfig, pairs: int | None, book: AnswerBook, service: str) -> str:
    """Return the expected calls, their cost and time, and how the budget compares, in words for the pre-flight."""
    known = pairs is not None
    expected = forecast(settings, pairs or 1000, sources=1)
    calls, rate = expected.calls, _rate(settings)
    time = f", {_duration(calls / rate)} or more at {rate:g} calls a second" if rate else ""
    budget, spent = settings.budget, book.tally(service).counted
    what = f"up to {calls:,} calls" if known else f"{calls:,} calls for each 1000 pairs"
    parts = [f"{what}, {expected.dollars:.2f} ${time}"]
    if spent:
        parts.append(f"{spent:,} calls of this run count already")
    if budget is None:
        parts.append("no budget is set (max_calls, max_cost)")
    elif known and calls > budget:
        parts.append(f"the budget of {budget:,} calls may be spent before all are asked; the run then stops")
    else:
        parts.append(f"the budget allows {budget:,} calls")
    return "; ".join(parts)


def account(settings: ServiceConfig, book: AnswerBook, service: str) -> Mapping[str, Json]:
    """Return what the run's calls to a service came to, for the report."""
    tally = book.tally(service)
    return {
        "calls": tally.counted,
        "cost_dollars": round(settings.cost(tally.counted), 6),
        "answers": tally.answered,
        "answers_from_the_book": tally.reused,
        "retries": tally.given_back + tally.unusable + tally.lost,
        "not_charged": tally.given_back,
        "unusable_answers": tally.unusable,
        "outcome_unknown": tally.lost + tally.open,
        "budget_calls": settings.budget,
    }


def _rate(settings: ServiceConfig) -> float:
    rates = [settings.calls_per_second] if settings.calls_per_second else []
    return min([*rates, *([settings.calls_per_minute / 60] if settings.calls_per_minute else [])], default=0)


def _duration(seconds: float) -> str:
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
