"""rekognition, through boto3 to a server of its protocol (JSON 1.1)."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError
from scripted_server import Answer, ScriptedServer, make_pairs

from gdp.core.answers import AnswerBook
from gdp.core.errors import BudgetError, MissingResourceError, ServiceError
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.face_services.config import RekognitionConfig
from gdp.plugins.face_services.rekognition_filter import RekognitionFilter

SECRET = "wJalr-do-not-print-this-secret"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def rekognition(server: ScriptedServer, book: AnswerBook, **settings: Any) -> RekognitionFilter:
    settings = {"of": "source", "calls_per_second": 0, "region": "eu-west-1", **settings}
    config = RekognitionConfig(endpoint_url=server.endpoint, **settings)
    return RekognitionFilter(config, BuildContext(answers=book, pairs=5))


def face(side: float = 0.5, **more: Any) -> dict[str, Any]:
    return {
        "BoundingBox": {"Width": side, "Height": side, "Left": 0.1, "Top": 0.1},
        "Confidence": 99.5,
        "Landmarks": [{"Type": "nose", "X": 0.5, "Y": 0.5}],
        "Pose": {"Roll": 1.0, "Yaw": -20.0, "Pitch": 3.0},
        "Quality": {"Brightness": 60.0, "Sharpness": 80.0},
        **more,
    }


def faces(*found: dict[str, Any]) -> Answer:
    return Answer(body={"FaceDetails": list(found)}, headers={"Content-Type": "application/x-amz-json-1.1"})


def refusal(status: int, code: str, message: str = "No.") -> Answer:
    return Answer(status, {"__type": code, "message": message}, {"x-amzn-ErrorType": code, "x-amzn-RequestId": "1"})


def test_it_sends_the_picture_and_asks_for_what_the_rules_need(server, book) -> None:
    server.script = lambda request: faces(
        face(AgeRange={"Low": 21, "High": 29}, Smile={"Value": True, "Confidence": 97})
    )
    judge = rekognition(server, book, min_age=18, smile=False, enlarge_to=64)
    (scores,) = judge.score(make_pairs(1, size=16))
    request = server.requests[0]
    body = json.loads(request.body)
    assert request.headers["X-Amz-Target"] == "RekognitionService.DetectFaces"
    assert request.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert body["Attributes"] == ["DEFAULT", "AGE_RANGE", "SMILE"]
    assert Image.open(io.BytesIO(base64.b64decode(body["Image"]["Bytes"]))).size == (64, 64)
    assert scores == {
        "source_faces": 1, "source_confidence": 99.5, "source_brightness": 60.0, "source_sharpness": 80.0,
        "source_yaw": -20.0, "source_pitch": 3.0, "source_roll": 1.0, "source_age_low": 21.0, "source_age_high": 29.0,
        "source_age": 25.0, "source_smile": True, "source_smile_confidence": 97.0,
    }  # fmt: skip
    assert judge.decide({0: scores})[0].reason == "smile is true"


def test_the_largest_face_is_judged_and_landmarks_are_not_stored(server, book) -> None:
    server.script = lambda request: faces(face(0.2, Confidence=60.0), face(0.6))
    judge = rekognition(server, book, max_faces=2)
    (scores,) = judge.score(make_pairs(1))
    assert (scores["source_faces"], scores["source_confidence"]) == (2, 99.5)
    with book.opened() as ledger:
        (asked,) = ledger.questions(f"rekognition at {server.endpoint[7:]}")
        stored = next(iter(ledger._database.rows("SELECT answer FROM answers WHERE question = ?", (asked,))))[0]
    assert "Landmarks" not in stored
    server.script = lambda request: faces()
    assert rekognition(server, book).score(make_pairs(1, 7))[0]["source_faces"] == 0


AGES = [
    ({"min_age": 18}, (18, 25), "keep", None),
    ({"min_age": 18}, (10, 17), "drop", "younger than 18"),
    ({"min_age": 18}, (15, 22), "unknown", "cannot tell: younger than 18"),
    ({"max_age": 60}, (55, 60), "keep", None),
    ({"max_age": 60}, (61, 70), "drop", "older than 60"),
    ({"max_age": 60}, (58, 63), "unknown", "cannot tell: older than 60"),
    ({"min_age": 18}, (None, None), "unknown", "cannot tell: younger than 18"),
]


@pytest.mark.parametrize(("settings", "ages", "decision", "reason"), AGES)
def test_an_age_range_that_straddles_a_limit_is_unknown(server, book, settings, ages, decision, reason) -> None:
    row = {"source_faces": 1, "source_age_low": ages[0], "source_age_high": ages[1]}
    verdict = rekognition(server, book, **settings).decide({3: row})[3]
    assert (verdict.decision, verdict.reason) == (decision, reason)


RULES = [
    ({"min_confidence": 90}, {"confidence": 80.0}, "drop"),
    ({"min_brightness": 40}, {"brightness": 39.0}, "drop"),
    ({"max_brightness": 80}, {"brightness": 81.0}, "drop"),
    ({"min_sharpness": 40}, {"sharpness": 41.0}, "keep"),
    ({"max_yaw": 15}, {"yaw": -16.0}, "drop"),
    ({"max_pitch": 15}, {"pitch": 14.0}, "keep"),
    ({"max_roll": 15}, {"roll": 16.0}, "drop"),
    ({"eyeglasses": False}, {"eyeglasses": True, "eyeglasses_confidence": 99.0}, "drop"),
    ({"sunglasses": False}, {"sunglasses": False, "sunglasses_confidence": 99.0}, "keep"),
    ({"occluded": False}, {"occluded": True, "occluded_confidence": 70.0}, "unknown"),
    ({"min_sharpness": 40}, {"sharpness": None}, "unknown"),
]


@pytest.mark.parametrize(("settings", "scores", "decision"), RULES)
def test_each_rule_judges_by_the_scores_alone(server, book, settings, scores, decision) -> None:
    row = {"source_faces": 1, **{f"source_{name}": value for name, value in scores.items()}}
    assert rekognition(server, book, **settings).decide({3: row})[3].decision == decision


@pytest.mark.parametrize(
    ("first", "charged"),
    [
        (refusal(400, "ThrottlingException"), 1),
        (refusal(400, "ProvisionedThroughputExceededException"), 1),
        (refusal(500, "InternalServerError"), 1),
        (Answer(status=0), 2),
        (Answer(body=b"<html>"), 2),
        (Answer(body={"FaceDetails": [{"Confidence": 1}]}), 2),
        (Answer(body={"FaceDetails": [face()]}, cut=True), 2),
    ],
)
def test_what_goes_wrong_once_is_asked_again_by_the_engine_and_not_by_boto3(server, book, first, charged) -> None:
    server.script = lambda request: first if request.number == 0 else faces(face())
    judge = rekognition(server, book)
    assert judge.score(make_pairs(1))[0]["source_faces"] == 1
    assert len(server.requests) == 2
    assert (judge.summary()["calls"], judge.summary()["retries"]) == (charged, 1)


def test_a_picture_that_is_refused_is_unknown_and_never_asked_about_again(server, book) -> None:
    server.script = lambda request: refusal(400, "InvalidImageFormatException", "Request has invalid image format")
    for _ in range(2):
        judge = rekognition(server, book)
        assert judge.decide(dict(enumerate(judge.score(make_pairs(1)))))[0].decision == "unknown"
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException"])
def test_wrong_credentials_stop_at_once_and_are_not_shown(server, book, code) -> None:
    server.script = lambda request: refusal(400, code, "You may not.")
    judge = rekognition(server, book, connections=1)
    with pytest.raises(ServiceError, match="credentials") as caught:
        judge.score(make_pairs(5))
    assert SECRET not in str(caught.value)
    assert len(server.requests) == 1
    assert judge.summary()["calls"] == 0


def test_no_credentials_and_no_region_are_told(server, book, monkeypatch) -> None:
    with pytest.raises(MissingResourceError, match="region"):
        rekognition(server, book, region=None).score(make_pairs(1))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(MissingResourceError, match="AWS_ACCESS_KEY_ID"):
        rekognition(server, book).score(make_pairs(1))
    assert server.requests == []


def test_budget_book_and_thresholds_are_those_of_the_engine(server, book) -> None:
    server.script = lambda request: faces(face(AgeRange={"Low": 30, "High": 40}))
    judge = rekognition(server, book, max_calls=4, min_age=18)
    assert len(judge.score(make_pairs(4))) == 4
    with pytest.raises(BudgetError):
        judge.score(make_pairs(6))
    assert len(server.requests) == 4
    other = rekognition(server, book, min_age=25, min_sharpness=10)
    assert other.fingerprint == judge.fingerprint
    assert other.score(make_pairs(4))[3]["source_age"] == 35.0
    fewer = rekognition(server, book)  # asks for less, so the answers are there
    assert "source_age" not in fewer.score(make_pairs(4))[0]
    assert len(server.requests) == 4
    assert "5 calls, 0.01 $" in fewer.check()


def test_settings_that_no_picture_can_pass_are_refused() -> None:
    for settings in ({"min_age": 30, "max_age": 20}, {"min_faces": 2}, {"endpoint_url": "ftp://x"}):
        with pytest.raises(ValidationError):
            RekognitionConfig(**settings)
