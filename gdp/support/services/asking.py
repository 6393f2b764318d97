"""Asks a service about one picture after another, from many threads, until there is an answer to each.

What a filter's calls will come to, and what they came to.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from gdp.core.answers import AnswerBook
from gdp.core.errors import BudgetError, GdpError, ServiceError
from gdp.core.interfaces.forecasts import Forecast
from gdp.core.ledger import Ledger, Outcome
from gdp.core.pairs.records import Json
from gdp.core.progress import Stopped
from gdp.support.services.pictures import Picture
from gdp.support.services.service import Health, Kind, RateLimiter, Reply, Service, Slot, backoff
from gdp.support.services.settings import ServiceConfig

ATTEMPTS = 8
"""Calls about one picture, 429 not counted, after which it is left without a verdict."""
_LONGEST_WINDOW, _ON_ITS_WAY = 60.0, 1.0

_OUTCOMES: Mapping[Kind, Outcome] = {
    "answered": "answered",
    "unusable": "unusable",
    "unknown": "unknown",
    "busy": "given back",
    "failed": "given back",
}


@dataclass(frozen=True)
class _Call:
    number: int
    """In the ledger."""
    started: float
    """When it was noted there, by `time.monotonic`."""


class HaltedError(Exception):
    """Nothing more is to be sent."""


class SpentError(Exception):
    """The budget allows no further call."""


class Asker:
    """Gets the answer to one picture at a time for each thread that calls `answer`.

    Every call is noted in the ledger before it is sent; the rate limits, the pauses, the budget and the count of
    failures in a row are common to all threads.
    """

    def __init__(self, service: Service, settings: ServiceConfig, ledger: Ledger) -> None:
        self.questions = _questions(service, ledger)
        self._service = service
        self._settings = settings
        self._ledger = ledger
        self._health = Health()
        # A call is noted before it goes out, and how long before is not known of other processes' calls.
        past = [max(0.0, age - _ON_ITS_WAY) for age in ledger.recent(service.scope, _LONGEST_WINDOW + _ON_ITS_WAY)]
        self._limiter = RateLimiter(
            settings.calls_per_second, settings.calls_per_minute, past, pause=self._health.pause
        )
        self._halted = threading.Event()
        self._connections = threading.Semaphore(settings.connections)

    def halt(self) -> None:
        """Send nothing more; what is under way still arrives."""
        self._halted.set()

    def answer(self, picture: Picture, sha256: str) -> Json:
        """Return what the service says of a picture; it is stored for good by then.

        Raises: as `answer_to` does.
        """
        if self._halted.is_set():
            raise HaltedError
        return self.answer_to(picture.encode(self._service.limits.least_bytes), sha256)

    def answer_to(self, encoded: bytes, sha256: str) -> Json:
        """Return what the service answers to a body; it is stored for good by then.

        Raises:
            HaltedError: `halt` was called before there was an answer.
            SpentError: the budget is spent; `budget_error` says so in words.
            ServiceError: the service refuses all such calls, or failed too often in a row.
            Stopped: the user asked to stop, or the call would cross the command's limit.
        """
        limits = self._service.limits
        if len(encoded) > limits.most_bytes:
            return {"problem": f"what is to be sent has more than {limits.most_bytes / 2**20:g} MiB"}
        failures = 0
        while True:
            reply = self._attempt(encoded, sha256)
            if reply.kind == "answered":
                return reply.answer
            if reply.kind != "busy":
                failures += 1
                if failures >= ATTEMPTS:
                    return {"problem": f"no answer in {ATTEMPTS} attempts: {reply.reason}"}
                self._halted.wait(backoff(failures))

    def _attempt(self, encoded: bytes, sha256: str) -> Reply:
        """Make one call and make what came of it durable.

        Raises:
            ServiceError: the service has failed too often in a row, or refuses all such calls.
        """
        with self._connections:
            # Whether to pause or to stop is known before the connection is free for the next call.
            try:
                reply, call = self._call(encoded, sha256)
            except BaseException:
                self.halt()
                raise
            given_up = call is not None and self._is_given_up(reply, call)
            # So is the answer: a kill loses what is on as many connections, and no answer more.
            if call is None:
                self._ledger.note_reused(self._service.name, 1)
            else:
                self._ledger.settle(call.number, _OUTCOMES[reply.kind], reply.answer)
        if given_up:
            raise ServiceError(
                f"{self._service.name}: {self._settings.max_failures} failures in a row, the last one: {reply.reason}. "
                f"Every verdict so far is stored; when the service works again, run the same command to go on."
            )
        return reply

    def _is_given_up(self, reply: Reply, call: _Call) -> bool:
        """See how the service is doing, and halt everybody if it has failed too often in a row."""
        if reply.kind == "answered":
            self._health.succeeded()
            return False
        rounds = self._health.failed(call.started, busy=reply.kind == "busy", wait=reply.wait)
        if rounds >= self._settings.max_failures:
            self.halt()
            return True
        return False

    def budget_error(self) -> BudgetError:
        """Return what to tell when the budget is spent, once all that was under way has arrived."""
        settings, tally = self._settings, self._ledger.tally(self._service.name)
        limits = [f"max_calls = {settings.max_calls}"] if settings.max_calls is not None else []
        limits += [f"max_cost = {settings.max_cost:g}"] if settings.max_cost is not None else []
        return BudgetError(
            f"{self._service.name}: the budget of this run ({', '.join(limits)}) is spent: {tally.counted} calls at "
            f"{settings.price_per_1000_calls:g} $ a 1000 calls are {settings.cost(tally.counted):.2f} $. "
            f"{tally.answered} answers are stored and never paid for again. To go on, raise the limit in the recipe "
            f"and run the same command; to go without more calls, lower pairs.count."
        )

    def _call(self, encoded: bytes, sha256: str) -> tuple[Reply, _Call | None]:
        """Make one call, unless the answer is known by now."""
        slot = self._limiter.acquire(lambda: not self._halted.is_set() and not self._ledger.stop_requested())
        if slot is None and self._halted.is_set():
            raise HaltedError
        if slot is None:
            raise Stopped
        name, scope = self._service.name, self._service.scope
        try:
            reservation = self._ledger.reserve(
                name, scope, self.questions, sha256, self._settings.budget, self._settings.cost(1)
            )
        except BaseException:
            self._limiter.cancel(slot)
            raise
        if reservation.kind == "call":
            call = _Call(reservation.call, time.monotonic())
            return self._send(encoded, slot, call), call
        self._limiter.cancel(slot)
        if reservation.kind == "spent":
            raise SpentError
        return Reply("answered", reservation.answer), None

    def _send(self, encoded: bytes, slot: Slot, call: _Call) -> Reply:
        answered = False
        try:
            reply = self._service.ask(encoded, lambda: self._limiter.sending(slot))
            answered = reply.kind == "answered"
        except GdpError:
            self._ledger.settle(call.number, "given back")
            raise
        finally:
            self._limiter.finish(slot, answered)
        return reply


def answers_to(service: Service, settings: ServiceConfig, book: AnswerBook, bodies: Sequence[bytes]) -> list[Json]:
    """Ask about some bodies, many at once, and return the answers in order; for teachers, sources and evaluators.

    An answer that is in the book is not paid for again. {"problem": words} stands for what got no answer in 8 attempts.

    Raises:
        BudgetError: the budget is spent; what was under way has arrived and is in the book.
        ServiceError: the service refuses all such calls, or failed too often in a row.
        Stopped: the user asked to stop, or a call would cross the command's limit.
    """
    with closing(service), book.opened() as ledger:
        asker = Asker(service, settings, ledger)
        by_hash = {hashlib.sha256(body).hexdigest(): body for body in bodies}
        found = ledger.find(asker.questions, list(by_hash))
        if found:
            ledger.note_reused(service.name, len(found))
        lacking = {sha256: body for sha256, body in by_hash.items() if sha256 not in found}
        with ThreadPoolExecutor(settings.connections, "paid-service") as pool:
            asked = {sha256: pool.submit(_or_halt, asker, body, sha256) for sha256, body in lacking.items()}
        troubles = [error for future in asked.values() if (error := future.exception()) is not None]
        told = [error for error in troubles if not isinstance(error, HaltedError)]
        if told and isinstance(told[0], SpentError):
            raise asker.budget_error()
        if told:
            raise told[0]
        found |= {sha256: future.result() for sha256, future in asked.items()}
    return [found[hashlib.sha256(body).hexdigest()] for body in bodies]


def _or_halt(asker: Asker, body: bytes, sha256: str) -> Json:
    try:
        return asker.answer_to(body, sha256)
    except BaseException:
        asker.halt()  # what is under way arrives, and nothing more is sent
        raise


def _questions(service: Service, ledger: Ledger) -> list[str]:
    """Return the question's hash, then those of earlier questions whose answers hold as much."""
    asked = ledger.add_question(service.name, service.question)
    earlier = ledger.questions(service.name)
    return [asked, *(other for other, content in earlier.items() if other != asked and service.covers(content))]


def forecast_calls(settings: ServiceConfig, pairs: int, sources: int) -> Forecast:
    """Return what showing so many pairs takes, each with so many source pictures, if no answer is known already."""
    pictures = {"source": sources, "target": 1, "both": sources + 1}[settings.of]
    calls, rate = pairs * pictures, _rate(settings)
    return Forecast(calls, 1 / rate if rate else 0.0, settings.cost(calls))


def outlook(settings: ServiceConfig, pairs: int | None, book: AnswerBook, service: str) -> str:
    """Return the expected calls, their cost and time, and how the budget compares, in words for the pre-flight."""
    known = pairs is not None
    expected = forecast_calls(settings, pairs or 1000, sources=1)
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
        "cost_dollars": round(tally.dollars, 6),
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
