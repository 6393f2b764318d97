"""Where an archive is downloaded from, and which addresses are refused."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import httpx

from gdp.core.errors import MissingResourceError
from gdp.support.downloads.records import DownloadRecord

MIRROR_VARIABLE = "GDP_MIRROR"
"""Environment variable with the base address of a mirror."""

_RULE = (
    "Only https addresses are used; http is for a mirror on this machine (localhost) alone, for anybody on the way "
    "could change what comes over it."
)


def archive_addresses(record: DownloadRecord, mirror: str | None) -> list[str]:
    """Return the addresses to try, in order: the mirror's alone where one is given, else the publisher's.

    Args:
        mirror: a base address, to which `/NAME.zip` is added, or the address of the archive itself (ends in .zip).

    Raises:
        MissingResourceError: the mirror's address cannot be used.
    """
    if not mirror:
        return list(record.urls)
    check_address(mirror)
    parsed = httpx.URL(mirror)
    if parsed.path.endswith(".zip"):
        return [mirror]
    return [str(parsed.copy_with(path=f"{parsed.path.rstrip('/')}/{record.name}.zip"))]


class Chain:
    """A request and the redirections that follow: each address is checked before anything is sent to it.

    What begins in the internet stays there. A name is looked up for that, and because a name server may say something
    else a moment later, the number is looked at, too, that the connection has really got, before its first byte.

    Args:
        start: the first address.
    """

    def __init__(self, start: str) -> None:
        self._start = start
        self._began_private = _is_private(start)
        self._begun = False

    def ask(self, client: httpx.Client, url: str, headers: Mapping[str, str]) -> AbstractContextManager[httpx.Response]:
        """Return an address' answer as `client.stream` does; the first one that is asked is the start.

        Raises:
            MissingResourceError: the address is refused; the message says why.
        """
        first, self._begun = not self._begun, True
        check_address(url, None if first else self._start, began_private=self._began_private)
        return client.stream("GET", url, headers=dict(headers), extensions={"trace": self._watch(url, first=first)})

    def _watch(self, url: str, *, first: bool) -> Callable[[str, Mapping[str, Any]], None]:
        """Return what httpx tells of the steps of a request."""
        asked = ""

        def step(event: str, info: Mapping[str, Any]) -> None:
            nonlocal asked
            if event == "connection.connect_tcp.started":
                asked = str(info["host"])
            elif event == "connection.connect_tcp.complete" and asked.strip("[]").rstrip(".").lower() == _host(url):
                # A proxy of the environment has another name, and looks names up itself.
                connection = info["return_value"]
                number = _parse_number(str(connection.get_extra_info("server_addr")[0]).partition("%")[0])
                private = number is not None and _is_private_number(number)
                if first:
                    self._began_private = self._began_private or private
                elif private and not self._began_private:
                    connection.close()
                    raise _into_a_private_network(url, self._start)

        return step


def check_address(url: str, start: str | None = None, *, began_private: bool | None = None) -> None:
    """Refuse addresses that are no https, and redirections from the internet into a private network.

    Args:
        start: the address at which a chain of redirections began; None for the first.
        began_private: whether that is in a private network; None to tell by how it is written.

    Raises:
        MissingResourceError: the address is refused; the message says why.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise MissingResourceError(f"{show_address(url)}: this is no address ({error}).") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise MissingResourceError(f"{show_address(url)}: this is no https address. {_RULE}")
    started_local = start is None or is_local(start)
    if parsed.scheme == "http" and not (is_local(url) and started_local):
        how = "" if start is None else f" ({show_address(start)} redirects to it)"
        raise MissingResourceError(f"{show_address(url)}: this address is refused{how}. {_RULE}")
    if start is None or (_is_private(start) if began_private is None else began_private):
        return
    if _is_private(url) or _resolves_to_private(url):
        raise _into_a_private_network(url, start)


def _into_a_private_network(url: str, start: str) -> MissingResourceError:
    return MissingResourceError(
        f"{show_address(url)}: this address of a private network is refused, for {show_address(start)} redirects "
        f"to it. If it is a mirror of yours, name it with --mirror."
    )


def show_address(url: str) -> str:
    """Return an address as it may be shown and stored: without user, password and query, which can hold keys."""
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))
    except (httpx.InvalidURL, UnicodeError):
        return "the address"


def is_local(url: str) -> bool:
    """Tell whether an address is on this machine: `localhost`, 127.0.0.0/8 or ::1."""
    host = _host(url)
    number = _parse_number(host)
    return host == "localhost" if number is None else number.is_loopback


def _is_private(url: str) -> bool:
    """Tell whether an address is in a private network by how it is written."""
    host = _host(url)
    number = _parse_number(host)
    return _is_private_name(host) if number is None else _is_private_number(number)


def _is_private_name(host: str) -> bool:
    return "." not in host or host.endswith((".localhost", ".local", ".internal", ".home.arpa", ".lan"))


def _resolves_to_private(url: str) -> bool:
    """Tell whether a name stands for any address of a private network; one that nobody knows leads nowhere.

    Where a proxy of the environment resolves names, this machine may know none of them.
    """
    parsed = httpx.URL(url)
    try:
        found = socket.getaddrinfo(_host(url), parsed.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    numbers = (_parse_number(str(entry[4][0]).partition("%")[0]) for entry in found)
    return any(number is not None and _is_private_number(number) for number in numbers)


def _is_private_number(number: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo or (None, None))[1]
        if inner is None and number in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is not None:
            return _is_private_number(inner)
    return not number.is_global or number.is_multicast


_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as networks without IPv4 write them (RFC 6052)."""


def _host(url: str) -> str:
    """Return the host as it is looked up: in small letters, without the root's dot, in ASCII."""
    return httpx.URL(url).raw_host.decode("ascii", "replace").lower().strip("[]").rstrip(".")


def _parse_number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the number that a host is, also in the forms that systems take beside the usual one: 2130706433,
    0x7f.1, 0177.0.0.1, 127.1."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if not _NUMERIC.fullmatch(host):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}", re.IGNORECASE)
