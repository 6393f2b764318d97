"""Which addresses are used, which are refused, and what of them is shown."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
from archive_server import tiny_record

from gdp.core.errors import MissingResourceError
from gdp.support.downloads.addresses import Chain, archive_addresses, check_address, show_address
from gdp.support.downloads.transfer import new_client

RECORD = tiny_record(b"")


@pytest.mark.parametrize(
    ("mirror", "address"),
    [
        ("https://mirror.example/sets", "https://mirror.example/sets/tiny.zip"),
        ("https://mirror.example/sets/", "https://mirror.example/sets/tiny.zip"),
        ("https://mirror.example", "https://mirror.example/tiny.zip"),
        ("https://mirror.example/a/other.zip?key=1", "https://mirror.example/a/other.zip?key=1"),
        ("https://mirror.example/sets?key=1", "https://mirror.example/sets/tiny.zip?key=1"),
        ("https://10.0.0.3/sets", "https://10.0.0.3/sets/tiny.zip"),
        ("http://localhost:8000", "http://localhost:8000/tiny.zip"),
        ("http://127.3.2.1", "http://127.3.2.1/tiny.zip"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x/tiny.zip"),
    ],
)
def test_a_mirror_is_asked_alone(mirror: str, address: str) -> None:
    assert archive_addresses(RECORD, mirror) == [address]


@pytest.mark.parametrize("mirror", [None, ""])
def test_without_a_mirror_the_publishers_addresses_are_used(mirror: str | None) -> None:
    assert archive_addresses(RECORD, mirror) == ["https://example.invalid/tiny.zip"]


@pytest.mark.parametrize(
    "mirror",
    [
        "http://mirror.example",
        "http://10.0.0.3/sets",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example/",
        "http://user@localhost@evil.example/",
        "ftp://mirror.example",
        "file:///etc",
        "/data/sets",
        "mirror.example/sets",
        "https://",
        "https://[::1",
        "https://mirror.example:port",
    ],
)
def test_other_addresses_are_refused(mirror: str) -> None:
    with pytest.raises(MissingResourceError) as caught:
        archive_addresses(RECORD, mirror)
    assert "address" in str(caught.value)


def test_the_internet_may_not_redirect_into_a_private_network() -> None:
    start = "https://example.com/tiny.zip"
    check_address("https://other.example.com/tiny.zip", start)
    for private in ("https://10.0.0.3/x", "https://192.168.1.1/x", "https://169.254.169.254/x", "https://localhost/x"):
        with pytest.raises(MissingResourceError, match="private network is refused"):
            check_address(private, start)
        check_address(private, "https://10.0.0.9/tiny.zip")
    with pytest.raises(MissingResourceError, match="redirects to it"):
        check_address("http://localhost/x", start)


def test_keys_in_addresses_are_never_shown() -> None:
    assert show_address("https://user:secret@host.example/a.zip?token=secret#x") == "https://host.example/a.zip"
    with pytest.raises(MissingResourceError) as caught:
        archive_addresses(RECORD, "http://user:secret@host.example/a?token=secret")
    assert "secret" not in str(caught.value)


PRIVATE = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "127.0.0.1.",
    "LOCALHOST",
    "localhost.",
    "foo.localhost",
    "3232235777",
    "10.1",
    "0",
    "0.0.0.0",
    "172.16.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fd00::1]",
    "[fe80::1]",
    "metadata.google.internal",
    "printer.local",
    "printer",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_known_however_it_is_written(host: str) -> None:
    with pytest.raises(MissingResourceError, match=r"private network is refused|is no address"):
        check_address(f"https://{host}/x", "https://example.com/tiny.zip")


@pytest.mark.parametrize(
    "place",
    [
        *(
            "data:,x",
            "file:///etc/passwd",
            "ftp://example.com/x",
            "gopher://example.com/",
            "javascript:x",
            "https:///x",
        ),
        *("http://example.com/x", "http://localhost/x", "http://2130706433/x", "//", "https://", "https://[::1"),
    ],
)
def test_a_redirection_that_is_no_https_address_is_refused(place: str) -> None:
    with pytest.raises(MissingResourceError) as caught:
        check_address(place, "https://example.com/tiny.zip")
    assert "address" in str(caught.value)


def test_a_name_is_resolved_before_a_redirection_to_it_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"good.example.com": ["93.184.215.14"], "evil.example.com": ["93.184.215.14", "10.0.0.1"]}
    known["six.example.com"] = ["fd00::1"]

    def look_up(host: str, port: int, **rest: object) -> list[tuple[object, ...]]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (number, port)) for number in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)  # there is no name server here that would say this
    for host in ("evil.example.com", "six.example.com"):
        with pytest.raises(MissingResourceError, match="private network is refused"):
            check_address(f"https://{host}/x", "https://example.com/tiny.zip")
        check_address(f"https://{host}/x", "https://10.0.0.9/tiny.zip")  # which is in such a network itself
        check_address(f"https://{host}/x")  # which the user has named
    for host in ("good.example.com", "unknown.example.com", "1.2.3.4", "[2606:4700::1]"):
        check_address(f"https://{host}/x", "https://example.com/tiny.zip")


@pytest.mark.parametrize(("start", "reaches"), [("unknown.example.com", False), ("localhost", True)])
def test_a_name_that_leads_elsewhere_a_moment_later_gets_no_byte(
    start: str, reaches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port, answers, look_up = listener.getsockname()[1], ["93.184.215.14", "127.0.0.1"], socket.getaddrinfo

    def rebinding(host: str, port: int, *rest: int, **more: int) -> object:
        if host == "unknown.example.com":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        name = (answers.pop(0) if len(answers) > 1 else answers[0]) if host == "evil.example.com" else host
        return look_up(name, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)  # there is no name server here that would do this
    if reaches:  # no name is looked up before it is connected then
        answers.pop(0)
    chain = Chain(f"https://{start}:1/tiny.zip")
    with listener, new_client("https://example.com") as client:
        with pytest.raises(httpx.ConnectError), chain.ask(client, f"https://{start}:1/tiny.zip", {}):
            pass
        received = threading.Thread(target=_hear, args=(listener, heard := []), daemon=True)
        received.start()
        with (
            pytest.raises((httpx.TransportError, MissingResourceError)) as caught,
            chain.ask(client, f"https://evil.example.com:{port}/x", {}),
        ):
            pass
        received.join()
    assert bool(heard[0]) is reaches
    assert isinstance(caught.value, MissingResourceError) is not reaches


def _hear(listener: socket.socket, heard: list[bytes]) -> None:
    """Take one connection, note what comes over it first, and hang up."""
    connection, _ = listener.accept()
    with connection:
        heard.append(connection.recv(1000))
