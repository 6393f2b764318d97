"""The emulator as tests and the command line use it: in a thread of this process, or in a process of its own."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from gdp.core.errors import GdpError, MissingResourceError
from gdp.testing.azure_face.settings import Settings

_PATIENCE = 60.0


class Emulator:
    """An emulator in a thread of this process; a context manager.

    Supports several at a time, each with its own settings and counts. Port 0 takes a free one.

    Raises:
        MissingResourceError: aiohttp, of the extra `emulator`, is not installed.
        GdpError: the port is in use.
    """

    def __init__(self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.settings = settings or Settings()
        self._host, self._port = host, port
        self._endpoint = ""
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="azure-face-emulator", daemon=True)

    @property
    def endpoint(self) -> str:
        """The address that a recipe's `endpoint` takes."""
        return self._endpoint

    @property
    def key(self) -> str:
        """What $AZURE_FACE_KEY has to hold."""
        return self.settings.key

    def statistics(self, details: str = "") -> dict[str, Any]:
        """Return what the emulator counted: see `statistics`."""
        return statistics(self._endpoint, details)

    def reset(self) -> None:
        """Forget all counts."""
        reset(self._endpoint)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # handed to the thread that waits  # noqa: BLE001
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

        def ready(endpoint: str) -> None:
            self._endpoint = endpoint
            self._ready.set()

        await serve(self.settings, self._host, self._port, self._stop, ready)


class EmulatorProcess:
    """An emulator in a process of its own, which shares no interpreter with what is measured; a context manager.

    Raises:
        GdpError: the emulator did not start; the message holds what it said.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.endpoint = ""

    @property
    def key(self) -> str:
        """What $AZURE_FACE_KEY has to hold."""
        return self.settings.key

    def statistics(self, details: str = "") -> dict[str, Any]:
        """Return what the emulator counted: see `statistics`."""
        return statistics(self.endpoint, details)

    def reset(self) -> None:
        """Forget all counts."""
        reset(self.endpoint)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "gdp", "azure-face-emulator", "--json", "--port", "0", *options(self.settings)]
        self._said = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, stderr=self._said, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            self._said.seek(0)
            with self._said:
                raise GdpError(f"azure-face-emulator: the process did not start: {self._said.read().strip()}")
        self.endpoint = json.loads(line)["endpoint"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()
        self._said.close()


def options(settings: Settings) -> list[str]:
    """Return the options of `gdp azure-face-emulator` that make these settings."""
    wrong = settings.misbehaviour
    values: dict[str, Any] = {
        "key": settings.key,
        "tier": "unlimited",
        "per-second": settings.limit.per_second,
        "per-minute": settings.limit.per_minute,
        "latency": settings.latency,
        "judge": settings.judge,
        **{name.replace("_", "-"): share for name, share in wrong.shares().items()},
        "slow-seconds": wrong.slow_seconds,
        "throttle-seconds": wrong.throttle_seconds,
        "storm": wrong.storm,
        "seed": wrong.seed,
    }
    flags = {
        "--no-retry-after": not settings.retry_after,
        "--limited-access-age": settings.limited_access_age,
        "--limited-access-identification": settings.limited_access_identification,
    }
    pairs = [text for name, value in values.items() if value is not None for text in (f"--{name}", str(value))]
    return [*pairs, *(flag for flag, wanted in flags.items() if wanted)]


def statistics(endpoint: str, details: str = "") -> dict[str, Any]:
    """Ask an emulator what it counted.

    Args:
        endpoint: the emulator's address.
        details: `pictures` adds `successes_of_picture`, whole right answers by the sha256 of the bytes; `times` adds
            `accepted_at`, in seconds on the emulator's clock; `pictures,times` adds both; `progress` leaves all out but
            the numbers of requests and successes, for asking often.
    """
    with urllib.request.urlopen(f"{endpoint}/emulator/statistics?with={details}", timeout=_PATIENCE) as answer:  # noqa: S310 - our own server
        report: dict[str, Any] = json.load(answer)
    return report


def reset(endpoint: str) -> None:
    """Make an emulator forget all counts; rate limits and the numbers of requests go on."""
    request = urllib.request.Request(f"{endpoint}/emulator/reset", method="POST")  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310 - the same
        pass


async def serve(settings: Settings, host: str, port: int, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop` is set; `ready` is called with the endpoint once connections are taken.

    Raises:
        MissingResourceError: aiohttp, of the extra `emulator`, is not installed.
        GdpError: the port is in use, or may not be used.
    """
    try:
        from aiohttp import web

        from gdp.testing.azure_face.server import Server
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise MissingResourceError(
            "azure-face-emulator needs aiohttp: pip install 'gdp-distill[emulator]', then give the command again."
        ) from error
    runner = web.AppRunner(Server(settings).application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        ready(f"http://{host}:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await runner.cleanup()


async def serve_until_signal(settings: Settings, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; raises as `serve`."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, host, port, stop, ready)


def _cannot_listen(host: str, port: int, error: OSError) -> GdpError:
    if error.errno == errno.EADDRINUSE:
        return GdpError(
            f"azure-face-emulator: port {port} of {host} is in use, maybe by another emulator; stop that one, or "
            "choose another port with --port (0 takes a free one)."
        )
    return GdpError(
        f"azure-face-emulator: cannot listen at {host}, port {port} ({error.strerror}); choose others with --host "
        "and --port."
    )
