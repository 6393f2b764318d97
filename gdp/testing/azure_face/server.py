"""The HTTP server: what happens to a request, from its key to the last byte of its answer.

What the emulator counts, so that tests can say what a client did.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from gdp.testing.azure_face.judging import PictureJudge, faces
from gdp.testing.azure_face.protocol import (
    API_VERSIONS,
    MOST_BYTES,
    RefusalError,
    read_question,
    too_many,
    wrong_key,
    wrong_media_type,
    wrong_size,
)
from gdp.testing.azure_face.settings import (
    GARBAGE,
    SERVER_ERRORS,
    Fate,
    RateLimiter,
    Settings,
    choice,
    fate,
    largest_in_window,
    whole_seconds,
)


class Counts:
    """Counts of one emulator, since its start or the last reset. Times are seconds on the emulator's own clock."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.arrivals: list[float] = []
        self.accepted: list[float] = []
        self.refused_by_limit = 0
        self.charged = 0
        self.unread = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.largest_stall = 0.0
        self.successes: Counter[str] = Counter()
        self.succeeded_requests = 0
        self._service_seconds: list[float] = []

    def arrived(self) -> None:
        """Count a request that is being answered."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def succeeded(self, sha256: str, seconds: float) -> None:
        """Count a whole, right answer on a picture, and the seconds from the request to its end."""
        self.successes[sha256] += 1
        self.succeeded_requests += 1
        self._service_seconds.append(seconds)

    def progress(self) -> dict[str, int]:
        """Return what changes with every request and costs nothing to tell."""
        return {
            "requests": len(self.arrivals),
            "accepted": len(self.accepted),
            "successes": self.succeeded_requests,
            "in_flight": self.in_flight,
        }

    def report(self) -> dict[str, Any]:
        """Return all counts as JSON; the pictures and times are left out, for they may be many."""
        first, last = (self.accepted[0], self.accepted[-1]) if self.accepted else (None, None)
        return {
            **self.progress(),
            "statuses": dict(self.statuses),
            "fates": dict(self.fates),
            "first_accepted": first,
            "last_accepted": last,
            "largest_in_a_second": largest_in_window(self.arrivals, 1.0),
            "largest_in_a_minute": largest_in_window(self.arrivals, 60.0),
            "refused_by_limit": self.refused_by_limit,
            "charged": self.charged,
            "pictures": len(self.successes),
            "answered_twice": sum(count > 1 for count in self.successes.values()),
            "unread": self.unread,
            "most_in_flight": self.most_in_flight,
            "median_service_seconds": statistics.median(self._service_seconds) if self._service_seconds else None,
            "largest_stall": self.largest_stall,
        }


KEY_HEADER = "Ocp-Apim-Subscription-Key"
_HEARTBEAT = 0.005


class Server:
    """One account of the service. Make it and use it in one event loop; pictures are judged in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts = Counts()
        self._number = 0
        self._limiter = RateLimiter(settings.limit)
        self._judge = PictureJudge(settings.judge)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="azure-face-judge")

    def application(self) -> web.Application:
        """Return the application, to be served by aiohttp."""
        application = web.Application(client_max_size=MOST_BYTES)
        for version in API_VERSIONS:
            application.router.add_post(f"/face/{version}/detect", self._detect)
        application.router.add_get("/emulator/statistics", self._statistics)
        application.router.add_post("/emulator/reset", self._reset)
        application.router.add_route("*", "/{path:.*}", _not_found)
        application.cleanup_ctx.append(self._alive)
        return application

    async def _alive(self, application: web.Application) -> AsyncIterator[None]:
        """Measure, while the application lives, how late the event loop wakes."""
        heart = asyncio.create_task(self._beat())
        yield
        heart.cancel()
        self._thread.shutdown()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            await asyncio.sleep(_HEARTBEAT)
            self.counts.largest_stall = max(self.counts.largest_stall, loop.time() - begin - _HEARTBEAT)

    async def _statistics(self, request: web.Request) -> web.Response:
        details = request.query.get("with", "")
        if details == "progress":
            return web.json_response(self.counts.progress())
        report = self.counts.report()
        if "pictures" in details:
            report["successes_of_picture"] = dict(self.counts.successes)
        if "times" in details:
            report["accepted_at"] = self.counts.accepted
        return web.json_response(report)

    async def _reset(self, request: web.Request) -> web.Response:
        """Forget all counts but what is in flight; rate limits and the numbers of requests go on."""
        in_flight = self.counts.in_flight
        self.counts = Counts()
        self.counts.in_flight = in_flight
        return web.json_response({})

    async def _detect(self, request: web.Request) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        version = request.path.split("/")[2]
        self.counts.arrived()
        try:
            given = request.headers.get(KEY_HEADER, "").encode(errors="surrogateescape")
            if not hmac.compare_digest(given, self.settings.key.encode()):
                return await self._refuse(request, wrong_key())
            self.counts.arrivals.append(now)
            wait = self._limiter.wait(now)
            if wait > 0.0:
                self.counts.refused_by_limit += 1
                return await self._refuse(request, too_many(version, whole_seconds(wait)))
            self.counts.accepted.append(now)
            number, self._number = self._number, self._number + 1
            outcome = fate(number, self.settings.misbehaviour)
            self.counts.fates[outcome] += 1
            try:
                return await self._answer(request, version, now, number, outcome)
            except RefusalError as refusal:
                return await self._refuse(request, refusal)
        except ConnectionError:
            self.counts.unread += 1  # whoever asked has left; a call that was judged is charged all the same
            return web.Response()
        finally:
            self.counts.in_flight -= 1

    async def _answer(
        self, request: web.Request, version: str, begin: float, number: int, outcome: Fate
    ) -> web.StreamResponse:
        seed = self.settings.misbehaviour.seed
        data = await _read(request)
        if outcome == "drop_before":
            return self._drop(request)
        if outcome in ("throttle", "server_error"):
            await asyncio.sleep(self.settings.latency)
        if outcome == "throttle":
            raise too_many(version, self.settings.misbehaviour.throttle_seconds)
        if outcome == "server_error":
            status = SERVER_ERRORS[choice(number, seed, "status", len(SERVER_ERRORS))]
            raise RefusalError(status, str(status), "The service is unavailable for the moment.")
        question = read_question(version, request.query, self.settings)
        if refusal := wrong_media_type(request.content_type) or wrong_size(len(data)):
            raise refusal
        loop, sha256 = asyncio.get_running_loop(), hashlib.sha256(data).hexdigest()
        judgement = await loop.run_in_executor(self._thread, self._judge.judge, sha256, data)
        self.counts.charged += 1
        slowest = self.settings.misbehaviour.slow_seconds if outcome == "slow" else 0.0
        await asyncio.sleep(max(0.0, begin + max(self.settings.latency, slowest) - loop.time()))
        if outcome == "drop_after":
            return self._drop(request)
        if outcome == "garbage":
            body, content_type = GARBAGE[choice(number, seed, "garbage", len(GARBAGE))]
            return await self._send(request, 200, body, content_type)
        body = json.dumps(faces(question, judgement)).encode()
        if outcome == "half_answer":
            return await self._send_half(request, body)
        response = await self._send(request, 200, body)
        self.counts.succeeded(sha256, loop.time() - begin)
        return response

    async def _refuse(self, request: web.Request, refusal: RefusalError) -> web.StreamResponse:
        headers = {}
        if refusal.retry_after is not None and self.settings.retry_after:
            headers["Retry-After"] = str(refusal.retry_after)
        return await self._send(request, refusal.status, json.dumps(refusal.body()).encode(), headers=headers)

    async def _send(
        self,
        request: web.Request,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> web.StreamResponse:
        response = web.Response(status=status, body=body, content_type=content_type, headers=headers)
        await response.prepare(request)
        await response.write_eof()
        self.counts.statuses[str(status)] += 1
        return response

    async def _send_half(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Promise the whole body, send its first half, and hang up."""
        self.counts.statuses["half"] += 1
        response = web.StreamResponse(headers={"Content-Length": str(len(body)), "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    def _drop(self, request: web.Request) -> web.StreamResponse:
        """Reset the connection."""
        self.counts.statuses["dropped"] += 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # goes nowhere


async def _read(request: web.Request) -> bytes:
    """Read a request's body.

    Raises:
        RefusalError: it is larger than the service takes.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        refusal = wrong_size(MOST_BYTES + 1)
        assert refusal is not None
        raise refusal from None


async def _not_found(request: web.Request) -> web.Response:
    error: dict[str, Any] = {"error": {"code": "404", "message": "Resource not found"}}
    return web.json_response(error, status=404)
