"""Where an archive is downloaded from, and which addresses are refused."""

from __future__ import annotations

import ipaddress

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


def check_address(url: str, start: str | None = None) -> None:
    """Refuse addresses that are no https, and redirections from the internet into a private network.

    Args:
        start: the address at which a chain of redirections began; None for the first.

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
    if start is not None and _is_private(url) and not _is_private(start):
        raise MissingResourceError(
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
    host = httpx.URL(url).host
    number = _parse_number(host)
    return host == "localhost" if number is None else number.is_loopback


def _is_private(url: str) -> bool:
    number = _parse_number(httpx.URL(url).host)
    return is_local(url) if number is None else not number.is_global


def _parse_number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
