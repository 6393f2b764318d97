"""azure-face when the service, the line or the user gets in the way: nothing is lost, nothing is paid for in vain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from scripted_server import KEY, Answer, Request, ScriptedServer, azure_face, blurred, make_pairs

from gdp.core.answers import AnswerBook
from gdp.core.errors import GdpError, ServiceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch
from gdp.plugins.face_services.azure_filter import AzureFaceFilter
from gdp.plugins.face_services.config import AzureFaceConfig


def azure(server: ScriptedServer, book: AnswerBook, **settings: Any) -> AzureFaceFilter:
    settings = {"of": "source", "enlarge_to": 0, "calls_per_second": 0, "max_blur": 0.5, **settings}
    return AzureFaceFilter(AzureFaceConfig(endpoint=server.endpoint, **settings), BuildContext(answers=book, pairs=5))


def good(request: Request) -> Answer:
    return Answer(body=[azure_face(blur=blurred(0.1))])


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}}, headers)


def first_then_good(first: Answer) -> Any:
    return lambda request: first if request.number == 0 else good(request)


@pytest.mark.parametrize(
    ("first", "charged"),
    [
        (error(500, "InternalServerError", "Oops."), 1),
        (error(503, "ServiceUnavailable", "Later."), 1),
        (error(408, "OperationTimeOut", "Too slow."), 1),
        (error(429, "429", "Rate limit is exceeded. Please retry after 0 seconds."), 1),
        (Answer(status=0), 2),
        (Answer(body=[azure_face(blur=blurred(0.1))], cut=True), 2),
        (Answer(body=b"<html>"), 2),
        (Answer(body={"faces": 1}), 2),
        (Answer(body=[azure_face()]), 2),
        (Answer(body=[azure_face(blur={"blurLevel": "low", "value": True})]), 2),
        (Answer(body=b'[{"faceRectangle":{"width":NaN,"height":1,"left":1,"top":1}}]'), 2),
    ],
)
def test_what_goes_wrong_once_is_asked_again_and_counts_only_if_it_may_have_been_charged(
    server, book, first, charged
) -> None:
    server.script = first_then_good(first)
    judge = azure(server, book)
    assert judge.score(make_pairs(1))[0]["source_blur"] == 0.1
    assert len(server.requests) == 2
    summary = judge.summary()
    assert (summary["calls"], summary["answers"], summary["retries"]) == (charged, 1, 1)


@pytest.mark.parametrize(
    "busy",
    [
        error(429, "429", "Slow down.", **{"Retry-After": "1"}),
        error(429, "429", "Rate limit is exceeded. Please retry after 1 second."),
    ],
)
def test_after_429_nobody_calls_for_as_long_as_the_service_says(server, book, busy) -> None:
    answered: list[float] = []

    def script(request: Request) -> Answer:
        if request.number == 5:
            answered.append(time.monotonic())
            return busy
        return good(request)

    server.script = script
    assert len(azure(server, book, connections=1).score(make_pairs(10))) == 10
    after = min(request.at for request in server.requests if request.number > 5)
    assert after - answered[0] >= 1.0


def test_a_service_that_keeps_failing_stops_the_stage_and_what_was_judged_is_kept(server, book) -> None:
    server.script = lambda request: good(request) if request.number < 3 else error(502, "BadGateway", "No.")
    judge, found = azure(server, book, max_failures=3, connections=2), {}
    with pytest.raises(ServiceError, match="3 failures in a row, the last one: 502 BadGateway"):
        for part in judge.score_stream([make_pairs(12)]):
            found |= part
    assert len(found) == 3
    asked = len(server.requests)
    server.script = good
    assert len(judge.score(make_pairs(12))) == 12
    assert len(server.requests) == asked + 9


def test_no_service_at_all_is_told_and_costs_nothing(server, book) -> None:
    server.close()
    judge = azure(server, book, max_failures=2)
    with pytest.raises(ServiceError, match="no connection"):
        judge.score(make_pairs(2))
    assert judge.summary()["calls"] == 0


def test_a_picture_on_which_there_is_never_an_answer_is_unknown_and_the_others_are_judged(
    server, book, monkeypatch
) -> None:
    monkeypatch.setattr("gdp.support.services.service.FIRST_PAUSE", 0.005)
    poison = make_pairs(1, size=8)
    azure(server, book).score(poison)
    body = server.requests.pop().body
    server.script = lambda request: error(500, "", "") if request.body == body else good(request)
    judge = azure(server, AnswerBook.in_memory(), max_failures=1000)
    scores = {index: row for part in judge.score_stream([poison, make_pairs(3, 1)]) for index, row in part.items()}
    decisions = [judge.decide(scores)[index].decision for index in range(4)]
    assert decisions == ["unknown", "keep", "keep", "keep"]
    assert sum(request.body == body for request in server.requests) == 8


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_stops_at_once_and_is_not_shown(server, book, status) -> None:
    server.script = lambda request: error(status, str(status), f"Access denied: no such key {KEY}.")
    judge = azure(server, book, connections=1)
    with pytest.raises(ServiceError, match="AZURE_FACE_KEY") as caught:
        judge.score(make_pairs(5))
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.__context__)
    assert len(server.requests) == 1
    assert judge.summary()["calls"] == 0


def test_an_attribute_that_is_refused_during_the_run_stops_it_with_the_explanation(server, book) -> None:
    inner = {"code": "UnsupportedFeature", "message": "missing approval for: age"}
    body = {"error": {"code": "InvalidRequest", "message": "Invalid request has been sent.", "innererror": inner}}
    server.script = lambda request: Answer(403, body)
    settings = {"min_age": 18.0, "limited_access_age": True, "detection_model": "detection_01", "connections": 1}
    with pytest.raises(ServiceError) as caught:
        azure(server, book, **settings).score(make_pairs(5))
    for word in ("min_age", "age", "retired", "limited access", "rekognition", "onnx-classifier", "face-attributes"):
        assert word in str(caught.value)
    assert len(server.requests) == 1


def test_a_wrong_address_and_a_refused_question_stop_at_once(server, book) -> None:
    for answer, words in (
        (error(404, "404", "Resource not found"), "no Face service"),
        (Answer(302, b"", {"Location": "http://elsewhere.example.com"}), "no Face service"),
        (error(400, "BadArgument", "Invalid argument returnFaceAttributes."), "refuses what this filter asks"),
    ):
        server.script = lambda request, answer=answer: answer
        with pytest.raises(ServiceError, match=words):
            azure(server, book, connections=1).score(make_pairs(4))
    assert len(server.requests) == 3


class Stop(Exception):
    """The user asks to stop."""


def test_when_the_user_stops_what_is_under_way_arrives_and_is_kept(server, book) -> None:
    def slow(request: Request) -> Answer:
        time.sleep(0.2)
        return good(request)

    def batches() -> Iterator[PairBatch]:
        yield make_pairs(4)
        while len(server.requests) < 4:
            time.sleep(0.01)
        raise Stop

    server.script, found = slow, {}
    judge = azure(server, book, connections=4)
    with pytest.raises(Stop):
        for part in judge.score_stream(batches()):
            found |= part
    assert sorted(found) == [0, 1, 2, 3]


def test_a_reader_that_goes_away_leaves_no_thread_and_no_answer_behind(server, book) -> None:
    server.script = good
    stream = azure(server, book, connections=2).score_stream(make_pairs(8, first) for first in range(0, 800, 8))
    next(iter(stream))
    stream.close()
    asked = len(server.requests)
    assert asked < 800
    assert book.tally(f"azure-face at {server.endpoint.removeprefix('http://')}").open == 0
    time.sleep(0.1)
    assert len(server.requests) == asked


def test_pairs_are_read_only_as_there_is_room(server, book) -> None:
    read = []

    def batches() -> Iterator[PairBatch]:
        for first in range(0, 600, 50):
            read.append(first)
            yield make_pairs(50, first, size=8)

    server.script = good
    ahead = 0
    done = 0
    for part in azure(server, book, connections=4).score_stream(batches()):
        ahead = max(ahead, 50 * len(read) - done)
        done += len(part)
    assert done == 600
    assert ahead <= 64 + 2 * 50


def test_an_error_in_the_pairs_themselves_comes_through(server, book) -> None:
    def batches() -> Iterator[PairBatch]:
        raise GdpError("the pair store is damaged")
        yield

    with pytest.raises(GdpError, match="damaged"):
        list(azure(server, book).score_stream(batches()))
