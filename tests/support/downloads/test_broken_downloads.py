"""Downloads that break off, and servers that are busy, forget what they sent or change their mind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from archive_server import IMPATIENT, ArchiveServer, Listener, fetch, leftovers, picture, tiny_set

from gdp.core.errors import MissingResourceError
from gdp.core.progress import ProgressTask

ARCHIVE = tiny_set()
OTHER_ARCHIVE = tiny_set(**{"trainA/3.jpg": picture("blue")})
HALF = len(ARCHIVE) // 2

Serve = Callable[..., ArchiveServer]


@pytest.mark.parametrize(
    "validators", [{}, {"etag": "", "modified": "Sat, 21 Nov 2026 05:00:00 GMT"}], ids=["etag", "last-modified"]
)
def test_a_broken_download_goes_on_where_it_was(serve: Serve, tmp_path: Path, validators: dict[str, str]) -> None:
    server = serve(ARCHIVE, break_after=[HALF, 1000], **validators)
    listener = Listener()
    assert fetch(server, tmp_path, progress=listener).fetched
    assert server.sent == [HALF, 1000, len(ARCHIVE) - HALF - 1000], "no byte is sent twice"
    assert [request.get("Range") for request in server.asked] == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert len([message for message in listener.messages if "next try in" in message]) == 2


def test_another_command_goes_on_where_the_first_gave_up(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, break_after=[HALF] + [0] * 9)
    with pytest.raises(MissingResourceError, match="What came so far is kept"):
        fetch(server, tmp_path)
    assert leftovers(tmp_path) == {"tiny.zip.part", "tiny.zip.part.json"}
    server.break_after, server.sent = [], []
    assert fetch(server, tmp_path).fetched
    assert server.sent == [len(ARCHIVE) - HALF]


def test_a_line_that_always_breaks_but_always_brings_something_is_not_given_up(serve: Serve, tmp_path: Path) -> None:
    step = len(ARCHIVE) // 9
    server = serve(ARCHIVE, break_after=[step] * 9)
    assert fetch(server, tmp_path).fetched
    assert len(server.sent) > IMPATIENT.attempts


def test_ctrl_c_keeps_what_came(serve: Serve, tmp_path: Path) -> None:
    class Interrupting(Listener):
        def message(self, text: str) -> None:
            raise KeyboardInterrupt

    server = serve(ARCHIVE, break_after=[HALF])
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, progress=Interrupting())
    assert (tmp_path / "tiny.zip.part").stat().st_size == HALF
    assert fetch(server, tmp_path).fetched
    assert server.sent == [HALF, len(ARCHIVE) - HALF]


def test_ctrl_c_while_unpacking_asks_no_server_again(serve: Serve, tmp_path: Path) -> None:
    class Interrupting(Listener):
        @contextmanager
        def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
            if name.startswith("unpacking"):
                raise KeyboardInterrupt
            with super().task(name, total, unit, done) as task:
                yield task

    server = serve(ARCHIVE)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, progress=Interrupting())
    assert leftovers(tmp_path) == {"tiny.zip.part", "tiny.zip.part.json"}
    assert fetch(server, tmp_path).fetched
    assert len(server.asked) == 1


@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_without_range_is_asked_for_all_of_it(serve: Serve, tmp_path: Path, chunked: bool) -> None:
    server = serve(ARCHIVE, break_after=[] if chunked else [HALF], ranges=False, chunked=chunked)
    assert fetch(server, tmp_path).fetched
    assert server.sent == ([len(ARCHIVE)] if chunked else [HALF, len(ARCHIVE)])


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_gone_on_with(serve: Serve, tmp_path: Path, etag: str) -> None:
    server = serve(ARCHIVE, break_after=[HALF], etag=etag)
    assert fetch(server, tmp_path).fetched
    assert server.sent == [HALF, len(ARCHIVE)]


def test_a_file_that_changed_on_the_server_starts_over(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, break_after=[HALF] + [0] * 9)
    with pytest.raises(MissingResourceError):
        fetch(server, tmp_path)
    server.content, server.etag, server.break_after, server.sent = OTHER_ARCHIVE, '"second"', [], []
    listener = Listener()
    assert fetch(server, tmp_path, progress=listener).pictures["trainA"] == 3
    assert server.sent == [len(OTHER_ARCHIVE)]
    assert "tiny: trainA has 3 pictures, 2 were expected" in listener.messages


@pytest.mark.parametrize(
    "lie",
    [
        {"Content-Range": f"bytes 0-{len(ARCHIVE) - 1}/{len(ARCHIVE)}"},
        {"Content-Range": f"bytes {HALF}-{len(ARCHIVE)}/{len(ARCHIVE) + 1}"},
        {"Content-Range": "nonsense"},
        {"ETag": '"other"'},
    ],
    ids=["start", "size", "nonsense", "etag"],
)
def test_a_rest_that_does_not_fit_starts_over(serve: Serve, tmp_path: Path, lie: dict[str, str]) -> None:
    server = serve(ARCHIVE, break_after=[HALF])

    class Truthful(Listener):
        def message(self, text: str) -> None:
            server.headers = {} if "another" in text else lie

    assert fetch(server, tmp_path, progress=Truthful()).fetched
    assert server.sent[-1] == len(ARCHIVE)


def test_a_busy_server_is_asked_again(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, statuses=[503, 429], headers={"Retry-After": "7"})
    listener = Listener()
    assert fetch(server, tmp_path, progress=listener).fetched
    assert [message.split(";")[0] for message in listener.messages] == [
        "tiny: the server answers 503 Service Unavailable",
        "tiny: the server answers 429 Too Many Requests",
    ]


def test_a_server_that_stays_broken_is_given_up(serve: Serve, tmp_path: Path) -> None:
    server = serve(ARCHIVE, statuses=[500] * 20)
    with pytest.raises(MissingResourceError, match=r"500 Internal Server Error \(3 tries\)"):
        fetch(server, tmp_path)
    assert len(server.asked) == IMPATIENT.attempts


@pytest.mark.parametrize("status", [404, 403, 206, 204])
def test_an_answer_without_the_file_is_final(serve: Serve, tmp_path: Path, status: int) -> None:
    server = serve(ARCHIVE, statuses=[status])
    with pytest.raises(MissingResourceError) as caught:
        fetch(server, tmp_path)
    for words in (f"answers {status}", "--mirror", "GDP_MIRROR", str(tmp_path / "tiny.zip"), server.url):
        assert words in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("memory", ["", "[]", "{", '{"url": 3, "size": "x"}'])
def test_bytes_of_unknown_origin_are_not_used(serve: Serve, tmp_path: Path, memory: str) -> None:
    (tmp_path / "tiny.zip.part").write_bytes(b"x" * 100)
    (tmp_path / "tiny.zip.part.json").write_text(memory)
    server = serve(ARCHIVE)
    assert fetch(server, tmp_path).fetched
    assert server.sent == [len(ARCHIVE)]
