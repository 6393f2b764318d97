"""The demo's server: for its own page alone, within bounds, and a mistake is a sentence."""

from __future__ import annotations

import io
import json
import threading
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import numpy
import pytest
from PIL import Image
from tiny_student import SIZE

from gdp.core.errors import GdpError
from gdp.tools.demo import server as of_server
from gdp.tools.demo.content import Demo
from gdp.tools.demo.server import DemoServer
from gdp.tools.demo.translating import Translator


def ask(address: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def error(content: bytes) -> str:
    return str(json.loads(content)["error"])


def own(address: str) -> dict[str, str]:
    return {"Origin": address.rstrip("/")}


@pytest.fixture
def picture(uploads: Path) -> bytes:
    return (uploads / "landscape.png").read_bytes()


def test_a_picture_is_translated_with_what_there_is_to_tell_of_it(address: str, picture: bytes) -> None:
    answer, content = ask(address, "POST", "/translate?way=whole", picture, **own(address))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    with Image.open(io.BytesIO(content)) as made:
        assert made.size == (320, 240)
    facts = json.loads(answer.headers["X-Gdp-Demo"])
    assert facts["runs"] == [[320, 240]]
    assert facts["milliseconds"] > 0
    assert facts["told"] == [f"It is 8 times larger than the {SIZE} px at which the student was trained."]


def test_what_is_no_picture_is_a_sentence_without_a_path(address: str) -> None:
    answer, content = ask(address, "POST", "/translate?way=resized", b"no picture", **own(address))
    assert answer.status == 422
    assert error(content).startswith("this is no picture that can be read")
    assert "/" not in error(content)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_name_that_leads_here_is_refused(address: str, method: str) -> None:
    answer, content = ask(address, method, "/translate?way=whole", Host="evil.example", Origin="http://evil.example")
    assert answer.status == 403
    assert "only" in error(content) or "alone" in error(content)


@pytest.mark.parametrize("origin", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_only_the_own_page_may_have_pictures_translated(address: str, picture: bytes, origin: dict[str, str]) -> None:
    answer, _ = ask(address, "POST", "/translate?way=whole", picture, **origin)
    assert answer.status == 403


@pytest.mark.parametrize(
    "path", ["/../run/student/student.json", "/engine/../../student.json", "/%2e%2e/x", "//x", "/x"]
)
def test_nothing_is_given_but_the_pages_files(address: str, path: str) -> None:
    answer, content = ask(address, "GET", path)
    assert (answer.status, error(content)) == (404, "there is no such file")


def test_files_come_with_their_types_and_nothing_may_leave_the_page(address: str) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/engine/ort.wasm.min.mjs", "text/javascript"),
        ("/engine/ort-wasm-simd-threaded.wasm", "application/wasm"),
        ("/samples/0.png", "image/png"),
    ):
        answer, content = ask(address, "GET", path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        assert content
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "connect-src 'self';" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp", "for threads"


def test_too_much_is_refused_before_it_is_read(address: str) -> None:
    answer, content = ask(address, "POST", "/translate?way=whole", Content_Length=str(2**27), **own(address))
    assert (answer.status, error(content)) == (413, "the file has more than 64 MB; use gdp apply")


def test_a_way_that_is_none_is_refused(address: str, picture: bytes) -> None:
    answer, content = ask(address, "POST", "/translate?way=sideways", picture, **own(address))
    assert (answer.status, error(content)) == (400, "the way is one of resized, whole")


def test_pictures_that_come_together_are_translated_one_after_the_other(address: str, picture: bytes) -> None:
    statuses: list[int] = []

    def send() -> None:
        statuses.append(ask(address, "POST", "/translate?way=resized", picture, **own(address))[0].status)

    threads = [threading.Thread(target=send) for _ in range(of_server.MOST_WAITING)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * of_server.MOST_WAITING


def test_a_taken_port_is_a_sentence_and_without_one_the_next_is_taken(
    address: str, made: tuple[Demo, Translator | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = urlsplit(address).port
    assert taken is not None
    with pytest.raises(GdpError, match=rf"the port {taken} is not to be had .*; name another with --port"):
        DemoServer(made[0], None, taken)
    monkeypatch.setattr(of_server, "PORT", taken)
    other = DemoServer(made[0], None)
    other.close()
    assert taken < (urlsplit(other.address).port or 0) < taken + of_server.PORTS


def test_levels_are_those_of_the_file(address: str, uploads: Path) -> None:
    content = (uploads / "trained.png").read_bytes()
    answers = [
        ask(address, "POST", f"/translate?way={way}", content, **own(address))[1] for way in ("resized", "whole")
    ]
    first, second = (numpy.asarray(Image.open(io.BytesIO(one))) for one in answers)
    assert numpy.array_equal(first, second), "at the size of the training both ways are one"
