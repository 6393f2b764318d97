"""Asking a service over HTTP: connections that many threads share, what a status means, how long to wait."""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from gdp.core.errors import ServiceError
from gdp.core.pairs.records import Json
from gdp.support.services.service import PictureLimits, Reply, Secret
from gdp.support.services.settings import ServiceConfig

LONGEST_WAIT = 600.0
"""Seconds; a service that asks for more is not waited for in one go."""
_SECONDS = re.compile(r"(?:after|in)\s+(\d+(?:\.\d+)?)\s+second", re.IGNORECASE)

_NOT_SENT = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)  # fmt: skip
"""Errors of a call that reached nobody, and so was not charged."""


class HttpClients:
    """A client for each connection: one client's pool of many looks all of them over several times a call.

    Last in, first out, so that a few busy connections stay open rather than all of them now and then.
    """

    def __init__(self, address: str, settings: ServiceConfig) -> None:
        local = urlsplit(address).scheme == "http"
        certificates = httpx.create_ssl_context()
        self._clients: queue.LifoQueue[httpx.Client] = queue.LifoQueue()
        for _ in range(settings.connections):
            self._clients.put(
                httpx.Client(
                    timeout=settings.timeout_seconds,
                    headers={"User-Agent": "gdp-distill"},
                    trust_env=not local,
                    verify=certificates,
                )
            )

    def post(
        self, url: str | httpx.URL, headers: Mapping[str, str], body: bytes, sending: Callable[[], None]
    ) -> httpx.Response | Reply:
        """Send a body and return the response, or what it means that there is none; `sending` is called as it goes.

        Raises:
            ServiceError: the answer sends on to what is no address.
        """

        def trace(event: str, info: Mapping[str, Any]) -> None:
            if event == "http11.send_request_headers.started":
                sending()

        client = self._clients.get()
        try:
            return client.post(url, headers=dict(headers), content=body, extensions={"trace": trace})
        except _NOT_SENT as error:
            return Reply("failed", reason=f"no connection ({_words(error)})")
        except httpx.InvalidURL as error:  # httpx looks where an answer sends on to, though it does not go there
            raise ServiceError(
                f"{httpx.URL(url).netloc.decode()} sends the call on to what is no address ({error}). Check the "
                f"service's address. Every answer so far is stored."
            ) from error
        except httpx.HTTPError as error:
            return Reply("unknown", reason=f"the connection broke ({_words(error)})")
        finally:
            self._clients.put(client)

    def close(self) -> None:
        """Close the connections."""
        while not self._clients.empty():
            self._clients.get().close()


class HttpService:
    """A service that is posted one body after another and answers each by itself, as `scores_of_pairs` asks it.

    429 counts as busy, 408, 409 and 5xx as failed (not charged, asked again), a body that `read` cannot use as charged
    and of no use; any other status ends the work with a `ServiceError`.

    Args:
        name: in the book of answers, and whose budget it is; another model's answers need another name or question.
        url: where bodies are posted.
        settings: connections, pace, budget, price.
        question: all that the answer depends on beside the body, as JSON.
        read: makes of a response what is kept, as JSON; raises ValueError, KeyError or TypeError for garbage.
        headers: sent with each body, such as the content's type.
        secret_headers: likewise, of keys; no message ever shows them.

    Raises:
        ServiceError: what `url` says is no address of HTTP, or a header cannot be sent (an empty key leaves one that
            ends in a space); nothing is asked then.
    """

    limits = PictureLimits(least_bytes=0, most_bytes=20 * 2**20)

    def __init__(
        self,
        name: str,
        url: str,
        settings: ServiceConfig,
        *,
        question: Json,
        read: Callable[[httpx.Response], Json],
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, Secret] | None = None,
    ) -> None:
        self.name, self.question = name, question
        self.scope = f"{name} {urlsplit(url).netloc}"
        self._url, self._read, self._headers = url, read, dict(headers or {})
        self._secrets = dict(secret_headers or {})
        self._check(url)
        self._clients = HttpClients(url, settings)

    def _check(self, url: str) -> None:
        """Refuse what no call could be sent with, before one is noted as charged."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ServiceError(f"{self.name}: {url!r} is no address such as https://example.com/score")
        for name, value in self._all_headers().items():
            if not (value.isascii() and value.isprintable()) or not value or value != value.strip():
                raise ServiceError(
                    f"{self.name}: the header {name} cannot be sent: it must be printable ASCII that neither is empty "
                    f"nor begins or ends with a space. Is a key empty or cut?"
                )

    def _all_headers(self) -> dict[str, str]:
        return {**self._headers, **{name: secret.reveal() for name, secret in self._secrets.items()}}

    def covers(self, other: Json) -> bool:
        """Say whether another question's answers do for this one; by default none does."""
        return False

    def ask(self, picture: bytes, sending: Callable[[], None]) -> Reply:
        """Send one body and return what came of it.

        Raises:
            ServiceError: the service refuses it in a way that no other call would fare better.
        """
        response = self._clients.post(self._url, self._all_headers(), picture, sending)
        reply = response if isinstance(response, Reply) else self._understand(response)
        return Reply(reply.kind, reply.answer, self._hide(reply.reason), reply.wait)

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    def _understand(self, response: httpx.Response) -> Reply:
        status, said = response.status_code, f"{response.status_code} {response.reason_phrase}"
        if status == httpx.codes.OK:
            try:
                return Reply("answered", self._read(response))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                return Reply("unusable", reason=f"an answer that cannot be used ({type(error).__name__})")
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return Reply("busy", reason=said, wait=asked_to_wait(response))
        if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.CONFLICT) or status >= 500:
            return Reply("failed", reason=said, wait=asked_to_wait(response))
        raise ServiceError(
            f"{self.name}: {self.scope.split(' ', 1)[1]} refuses the call ({said}: {self._hide(response.text[:300])}). "
            f"Check the address, the key and the settings. Every answer so far is stored."
        )

    def _hide(self, text: str) -> str:
        for secret in self._secrets.values():
            text = secret.hide(text)
        return text


def asked_to_wait(response: httpx.Response, message: str = "") -> float | None:
    """Return the seconds that a service asks to wait: of Retry-After, as seconds or as a date, else of its message.

    None where it says nothing; never more than `LONGEST_WAIT`.
    """
    header = response.headers.get("Retry-After", "").strip()
    found = _SECONDS.search(message)
    if re.fullmatch(r"\d+(\.\d+)?", header):
        seconds = float(header)
    elif header:
        seconds = _until(header)
    elif found:
        seconds = float(found[1])
    else:
        return None
    return min(seconds, LONGEST_WAIT)


def _until(moment: str) -> float:
    """Return the seconds until a moment in HTTP's words; 0 where it is none."""
    try:
        return max(0.0, parsedate_to_datetime(moment).timestamp() - time.time())
    except ValueError:
        return 0.0


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
