"""What a third party gets of the HTTP machinery: pace, budget, pauses, stops, and nothing that is paid for twice."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Answer, ScriptedServer, make_pairs

import gdp
from gdp.core.answers import AnswerBook
from gdp.toolbox import HttpService, Secret, ServiceConfig, answers_to, scores_of_pairs

BODIES = [b"one", b"two", b"three", b"four"]


class Watch:
    """Who watches over the money: a stop that a test asks for."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def stop_requested(self) -> bool:
        return self.asked.is_set()

    def admit(self, spent: float, dollars: float) -> None:
        if self.asked.is_set():
            raise gdp.Stopped


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    scripted.script = lambda request: Answer(body={"length": len(request.body)})
    yield scripted
    scripted.close()


@pytest.fixture
def book(tmp_path: Path) -> AnswerBook:
    return AnswerBook.at(tmp_path / "answers.sqlite", "this run")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdp.support.services.service.FIRST_PAUSE", 0.005)


def ask(server: ScriptedServer, book: AnswerBook, bodies: list[bytes] = BODIES, **settings: Any) -> list[Any]:
    given = ServiceConfig(**{"connections": 2, "calls_per_second": 0, "price_per_1000_calls": 2.0, **settings})
    service = HttpService(
        "lengths",
        f"{server.endpoint}/length",
        given,
        question={"asks": "length"},
        read=lambda response: {"length": int(response.json()["length"])},
        secret_headers={"Authorization": Secret("Bearer do-not-show")},
    )
    return answers_to(service, given, book, bodies)


def fails_once(server: ScriptedServer, failure: Answer) -> None:
    server.script = lambda request: failure if request.number == 0 else Answer(body={"length": len(request.body)})


LENGTHS = [{"length": 3}, {"length": 3}, {"length": 5}, {"length": 4}]


def test_answers_come_in_order_cost_their_price_and_are_paid_once(server: ScriptedServer, book: AnswerBook) -> None:
    assert ask(server, book) == LENGTHS
    assert ask(server, book, [*BODIES, b"one"]) == [*LENGTHS, {"length": 3}]
    tally = book.tally("lengths")
    assert (len(server.requests), tally.counted, tally.dollars, tally.reused) == (4, 4, 0.008, 4)
    assert server.requests[0].headers["Authorization"] == "Bearer do-not-show"


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_what_a_service_does_not_charge_is_given_back_and_asked_again(
    server: ScriptedServer, book: AnswerBook, status: int
) -> None:
    fails_once(server, Answer(status=status, body={}))
    assert ask(server, book) == LENGTHS
    tally = book.tally("lengths")
    assert (tally.counted, tally.given_back, tally.dollars) == (4, 1, 0.008)


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_a_pause_that_the_service_asks_for_is_kept(server: ScriptedServer, book: AnswerBook, as_date: bool) -> None:
    wait = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "0.5"
    fails_once(server, Answer(status=429, body={}, headers={"Retry-After": wait}))
    ask(server, book, connections=1)
    assert server.requests[1].at - server.requests[0].at >= (0.8 if as_date else 0.5)


@pytest.mark.parametrize(
    "failure",
    [Answer(body=b"<html>garbage"), Answer(body={"other": 1}), Answer(body=[1]), Answer(status=0)],
    ids=["no JSON", "no such key", "another shape", "connection reset"],
)
def test_what_may_have_been_charged_counts_and_is_asked_again(
    server: ScriptedServer, book: AnswerBook, failure: Answer
) -> None:
    fails_once(server, failure)
    assert ask(server, book) == LENGTHS
    assert book.tally("lengths").dollars == 0.01  # five calls


def test_an_answer_that_does_not_come_in_time_counts_and_is_asked_again(
    server: ScriptedServer, book: AnswerBook
) -> None:
    release = threading.Event()

    def script(request: Any) -> Answer:
        if request.number == 0:
            release.wait(10)
        return Answer(body={"length": len(request.body)})

    server.script = script
    try:
        assert ask(server, book, timeout_seconds=0.3) == LENGTHS
    finally:
        release.set()
    assert book.tally("lengths").lost == 1


def test_a_budget_that_is_spent_is_told_and_what_arrived_is_kept(server: ScriptedServer, book: AnswerBook) -> None:
    with pytest.raises(gdp.BudgetError, match="is spent"):
        ask(server, book, max_cost=0.004)
    assert (len(server.requests), book.tally("lengths").answered) == (2, 2)
    assert ask(server, book, max_cost=0.008) == LENGTHS
    assert len(server.requests) == 4


def test_a_refusal_shows_no_key(server: ScriptedServer, book: AnswerBook) -> None:
    server.script = lambda request: Answer(status=401, body={"told": request.headers["Authorization"]})
    with pytest.raises(gdp.ServiceError, match="refuses the call") as caught:
        ask(server, book)
    assert "do-not-show" not in str(caught.value)


@pytest.mark.parametrize("place", ["data:,x", "https://elsewhere.example/length"])
def test_a_service_that_sends_on_elsewhere_is_refused_and_no_picture_follows(
    server: ScriptedServer, book: AnswerBook, place: str
) -> None:
    server.script = lambda request: Answer(status=302, headers={"Location": place})
    with pytest.raises(gdp.ServiceError, match=r"no address|refuses the call \(302"):
        ask(server, book)


def test_a_stop_ends_a_pause_of_minutes(server: ScriptedServer, tmp_path: Path) -> None:
    watch = Watch()
    place = tmp_path / "answers.sqlite"
    book = AnswerBook(lambda: place, lambda: "run", lambda: "run", watch)

    def script(request: Any) -> Answer:
        watch.asked.set()
        return Answer(status=429, body={}, headers={"Retry-After": "300"})

    server.script = script
    with pytest.raises(gdp.Stopped):
        ask(server, book)
    assert book.tally("lengths").counted == 0


def test_a_stop_in_a_pause_of_minutes_ends_a_filters_work(server: ScriptedServer, tmp_path: Path) -> None:
    watch = Watch()
    place = tmp_path / "answers.sqlite"
    book = AnswerBook(lambda: place, lambda: "run", lambda: "run", watch)

    def script(request: Any) -> Answer:
        watch.asked.set()
        return Answer(status=429, body={}, headers={"Retry-After": "300"})

    server.script = script
    settings = ServiceConfig(of="source", enlarge_to=0)
    service = HttpService("faces", server.endpoint, settings, question={}, read=lambda response: response.json())
    with pytest.raises(gdp.Stopped):
        list(scores_of_pairs(service, settings, book, [make_pairs(4)], lambda answer: answer))


@pytest.mark.parametrize(
    ("url", "headers", "words"),
    [
        ("", {"Authorization": "Bearer "}, "the header Authorization cannot be sent"),
        ("", {"Authorization": "Bearer a\nb"}, "the header Authorization cannot be sent"),
        ("", {"Authorization": "schlüssel"}, "the header Authorization cannot be sent"),
        ("", {"Authorization": ""}, "Is a key empty or cut"),
        ("localhost:9/score", {}, "'localhost:9/score' is no address"),
        ("ftp://localhost/score", {}, "is no address such as https://"),
        ("https:///score", {}, "is no address such as https://"),
    ],
)
def test_what_cannot_be_sent_is_told_before_any_call_is_noted(
    server: ScriptedServer, book: AnswerBook, url: str, headers: dict[str, str], words: str
) -> None:
    secrets = {name: Secret(value) for name, value in headers.items()}
    with pytest.raises(gdp.ServiceError, match=words):
        HttpService("lengths", url or server.endpoint, ServiceConfig(), question={}, read=len, secret_headers=secrets)
    assert not server.requests and book.tally("lengths").counted == 0
