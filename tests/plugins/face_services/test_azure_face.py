"""azure-face: what it asks, what it pays for, and what it says of the pictures."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scripted_server import Answer, ScriptedServer, azure_face, blurred, make_pairs

from gdp.core.answers import AnswerBook
from gdp.core.errors import BudgetError, GdpError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.pairs import PairBatch, PairRecord
from gdp.plugins.face_services.azure_filter import AzureFaceFilter
from gdp.plugins.face_services.config import AzureFaceConfig


def azure(server: ScriptedServer, book: AnswerBook, **settings: Any) -> AzureFaceFilter:
    settings = {"of": "source", "enlarge_to": 0, "calls_per_second": 0, "max_blur": 0.5, **settings}
    return AzureFaceFilter(AzureFaceConfig(endpoint=server.endpoint, **settings), BuildContext(answers=book, pairs=5))


def one_face(request: Any) -> Answer:
    return Answer(body=[azure_face(blur=blurred(0.1))])


def test_it_asks_for_what_the_rules_need_and_never_for_a_face_id(server, book, key) -> None:
    server.script = lambda request: Answer(
        body=[azure_face(blur=blurred(0.1), headPose={"yaw": -31, "pitch": 2, "roll": 1}, glasses="NoGlasses")]
    )
    judge = azure(server, book, max_yaw=30.0, attributes=("glasses",))
    (scores,) = judge.score(make_pairs(1, size=40))
    request = server.requests[0]
    query = parse_qs(urlsplit(request.path).query)
    assert urlsplit(request.path).path == "/face/v1.2/detect"
    assert query["returnFaceId"] == ["false"]
    assert query["returnFaceAttributes"] == ["blur,glasses,headPose"]
    assert query["detectionModel"] == ["detection_03"]
    assert request.headers["Ocp-Apim-Subscription-Key"] == key
    assert request.headers["Content-Type"] == "application/octet-stream"
    assert scores == {
        "source_faces": 1, "source_blur": 0.1, "source_blur_level": "low", "source_yaw": -31.0, "source_pitch": 2.0,
        "source_roll": 1.0, "source_glasses": "noGlasses",
    }  # fmt: skip
    assert judge.decide({0: scores})[0].reason == "head turned by more than 30 degrees"


def test_pictures_arrive_without_loss_and_small_ones_enlarged(server, book) -> None:
    server.script = one_face
    pairs = make_pairs(1, size=40)
    azure(server, book).score(pairs)
    sent = torch.tensor(list(Image.open(io.BytesIO(server.requests[0].body)).convert("RGB").tobytes()))
    stored = ((pairs.source[0].permute(1, 2, 0) + 1) * 127.5).round().flatten().int()
    assert torch.equal(sent.int(), stored)
    azure(server, book, enlarge_to=100).score(pairs)
    assert Image.open(io.BytesIO(server.requests[1].body)).size == (120, 120)


def test_a_plain_picture_has_the_bytes_that_the_service_asks_for(server, book) -> None:
    server.script = lambda request: Answer(body=[]) if len(request.body) >= 1024 else Answer(400)
    grey = torch.zeros(1, 3, 64, 64)
    assert azure(server, book).score(PairBatch([0], grey, grey, [PairRecord(0, 0)])) == [
        {"source_faces": 0, "source_blur": None, "source_blur_level": None}
    ]


def test_no_picture_is_paid_for_twice_by_this_run_or_another(server, book, tmp_path) -> None:
    server.script = one_face
    pairs = make_pairs(6)
    doubled = PairBatch(
        list(range(12)),
        torch.cat([pairs.source, pairs.source]),
        torch.cat([pairs.target, pairs.target]),
        [PairRecord(index, 0) for index in range(12)],
    )
    first = azure(server, book)
    assert len(first.score(doubled)) == 12
    assert len(server.requests) == 6
    other = azure(server, AnswerBook.at(tmp_path / "answers.sqlite", "another run"))
    other.score(doubled)
    assert len(server.requests) == 6
    assert first.summary()["calls"] == 6
    assert (other.summary()["calls"], other.summary()["answers_from_the_book"]) == (0, 6)


def test_other_thresholds_and_fewer_rules_cost_nothing_and_more_attributes_do(server, book) -> None:
    server.script = lambda request: Answer(body=[azure_face(blur=blurred(0.4), glasses="readingGlasses")])
    first = azure(server, book, glasses=("noGlasses",))
    first.score(make_pairs(3))
    same = azure(server, book, glasses=("sunglasses",), max_blur=0.3)
    fewer = azure(server, book)
    assert same.fingerprint == first.fingerprint != fewer.fingerprint
    assert fewer.score(make_pairs(3))[0]["source_blur"] == 0.4
    assert len(server.requests) == 3
    server.script = lambda request: Answer(body=[azure_face(mask={"type": "noMask"}, blur=blurred(0.4))])
    azure(server, book, mask=("noMask",)).score(make_pairs(3))
    assert len(server.requests) == 6


def test_both_pictures_and_second_sources_are_asked_about_and_named(server, book) -> None:
    server.script = one_face
    judge = azure(server, book, of="both")
    (scores,) = judge.score(make_pairs(1, two_sources=True))
    assert {name.split("_")[0] for name in scores} == {"source", "source2", "target"}
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("limits", "allowed"), [({"max_calls": 7}, 7), ({"max_cost": 0.3, "price_per_1000_calls": 100.0}, 3)]
)
def test_a_budget_is_never_exceeded_and_what_was_paid_for_is_kept(server, book, limits, allowed) -> None:
    server.script = one_face
    judge = azure(server, book, connections=4, **limits)
    found: dict[int, Any] = {}
    with pytest.raises(BudgetError, match=r"budget of this run .* is spent") as caught:
        for part in judge.score_stream([make_pairs(20)]):
            found |= part
    assert len(server.requests) == len(found) == allowed
    assert f"{allowed} answers are stored" in str(caught.value)
    with pytest.raises(BudgetError):
        list(judge.score_stream([make_pairs(20)]))
    assert len(server.requests) == allowed
    again = azure(server, book, max_calls=20)
    assert len(again.score(make_pairs(20))) == 20
    assert len(server.requests) == 20


def test_a_picture_that_the_service_refuses_is_unknown_and_never_asked_about_again(server, book) -> None:
    error = {"error": {"code": "InvalidImage", "message": "Decoding error, image format unsupported."}}
    server.script = lambda request: Answer(400, error)
    judge = azure(server, book)
    for _ in range(2):
        (scores,) = judge.score(make_pairs(1))
        verdict = judge.decide({0: scores})[0]
        assert verdict.decision == "unknown"
        assert "InvalidImage" in (verdict.reason or "")
    assert len(server.requests) == 1


def test_without_a_key_or_with_an_impossible_one_it_says_so_and_asks_nothing(server, book, monkeypatch) -> None:
    for wrong in ("", "with a space", "umläut"):
        monkeypatch.setenv("AZURE_FACE_KEY", wrong)
        with pytest.raises(MissingResourceError, match="AZURE_FACE_KEY") as caught:
            azure(server, book).score(make_pairs(1))
        assert not wrong or wrong not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_age": 18.0}, ["min_age", "limited_access_age", "rekognition", "onnx-classifier", "face-attributes"]),
        ({"min_age": 18.0, "limited_access_age": True}, ["min_age", "detection_03 lacks", "detection_01"]),
        ({"attributes": ("smile", "gender")}, ["smile", "gender", "retired", "rekognition"]),
        ({"max_noise": 0.5}, ["max_noise", "detection_03 lacks noise", "detection_01"]),
        ({"mask": ("noMask",), "detection_model": "detection_01"}, ["mask", 'detection_model = "detection_03"']),
        ({"detection_model": "detection_02"}, ["max_blur", "detection_02"]),
        ({"min_quality": "high", "recognition_model": "recognition_02"}, ["min_quality", "recognition_04"]),
        ({"mask": ("noMask",), "max_noise": 0.5}, ["two azure-face filters"]),
    ],
)
def test_the_pre_flight_names_what_the_service_would_refuse_and_what_to_use_instead(
    server, book, settings, words
) -> None:
    judge = azure(server, book, **settings)
    with pytest.raises(GdpError) as caught:
        judge.check()
    said = " ".join(str(caught.value).replace("which detection_03 lacks", "detection_03 lacks noise").split())
    for word in words:
        assert word in said or word in str(caught.value)
    with pytest.raises(GdpError):
        judge.score(make_pairs(1))
    assert server.requests == []


def test_the_pre_flight_tells_calls_cost_time_and_budget(server, book) -> None:
    judge = AzureFaceFilter(
        AzureFaceConfig(endpoint=server.endpoint, calls_per_minute=20, max_calls=100), BuildContext(pairs=600)
    )
    remark = judge.check()
    for part in ("1,200 calls", "1.20 $", "60 minutes", "budget of 100 calls may be spent"):
        assert part in remark


def test_age_is_judged_where_the_account_still_has_it(server, book) -> None:
    server.script = lambda request: Answer(body=[azure_face(age=17.0)])
    settings = {"min_age": 18.0, "limited_access_age": True, "detection_model": "detection_01", "max_blur": None}
    judge = azure(server, book, **settings)
    (scores,) = judge.score(make_pairs(1))
    assert scores["source_age"] == 17.0
    assert judge.decide({0: scores})[0].reason == "younger than 18"


RULES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"max_blur_level": "low"}, {"blur_level": "medium"}, "blur above low"),
    ({"max_noise_level": "medium"}, {"noise_level": "high"}, "noise above medium"),
    ({"max_noise": 0.2}, {"noise": 0.21}, "noise above 0.2"),
    ({"min_exposure": 0.3}, {"exposure": 0.2}, "exposure below 0.3"),
    ({"max_exposure": 0.7}, {"exposure": 0.8}, "exposure above 0.7"),
    ({"exposure_levels": ("goodExposure",)}, {"exposure_level": "OverExposure"}, "exposure not goodExposure"),
    ({"not_occluded": ("eyes", "mouth")}, {"occluded_eyes": False, "occluded_mouth": True}, "mouth occluded"),
    ({"max_pitch": 10.0}, {"pitch": -11.0}, "head nodded by more than 10 degrees"),
    ({"max_roll": 10.0}, {"roll": 11.0}, "head tilted by more than 10 degrees"),
    ({"glasses": ("noGlasses",)}, {"glasses": "readingGlasses"}, "glasses not noGlasses"),
    ({"mask": ("noMask",)}, {"mask": "faceMask"}, "mask not noMask"),
    ({"min_quality": "medium"}, {"quality": "low"}, "quality for recognition below medium"),
]


@pytest.mark.parametrize(("settings", "scores", "reason"), RULES)
def test_each_rule_drops_what_it_forbids_and_is_unknown_where_nothing_was_said(
    server, book, settings, scores, reason
) -> None:
    judge = azure(server, book, max_blur=None, **settings)
    row = {"source_faces": 1, **{f"source_{name}": value for name, value in scores.items()}}
    verdict = judge.decide({4: row})[4]
    assert (verdict.decision, verdict.reason) == ("drop", reason)
    silent = judge.decide({4: {"source_faces": 1, **{name: None for name in row if name != "source_faces"}}})[4]
    assert silent.decision == "unknown"


def test_good_faces_pass_and_the_number_of_faces_counts(server, book) -> None:
    judge = azure(server, book)
    good = {"source_faces": 1, "source_blur": 0.5}
    verdicts = judge.decide({0: good, 1: {**good, "source_faces": 2}, 2: {"source_faces": 0, "source_blur": None}})
    assert [verdict.decision for verdict in verdicts.values()] == ["keep", "drop", "drop"]
    assert [verdict.reason for verdict in verdicts.values()] == [None, "2 faces in the source", "no face in the source"]


def test_source_and_target_can_be_asked_to_agree(server, book) -> None:
    judge = azure(server, book, of="both", max_blur=None, unchanged=("glasses",), max_pose_change=5.0)
    row = {
        f"{part}_{name}": value
        for part in ("source", "target")
        for name, value in {"faces": 1, "glasses": "noGlasses", "yaw": 0.0, "pitch": 0.0, "roll": 0.0}.items()
    }
    changed = [row, {**row, "target_glasses": "sunglasses"}, {**row, "target_roll": -6.0}]
    reasons = [judge.decide({0: each})[0].reason for each in changed]
    assert reasons == [None, "the edit changed glasses", "the edit turned the head by more than 5 degrees"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://faces.example.com",
        "ftp://localhost",
        "https://key@faces.example.com",
        "https://faces.example.com/?key=1",
        "https://faces.example.com/face/v1.2",
        "faces.example.com",
        "https://[bad",
    ],
)
def test_an_endpoint_that_would_give_the_key_away_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        AzureFaceConfig(endpoint=endpoint)


def test_good_endpoints_are_taken() -> None:
    for endpoint in ("https://name.cognitiveservices.azure.com/", "http://localhost:8765", "http://[::1]:80/"):
        assert AzureFaceConfig(endpoint=endpoint).endpoint == endpoint.rstrip("/")


def test_settings_that_no_pair_can_pass_are_refused() -> None:
    for settings in ({"min_faces": 2}, {"min_age": 30.0, "max_age": 20.0}, {"of": "source", "unchanged": ("mask",)}):
        with pytest.raises(ValidationError):
            AzureFaceConfig(endpoint="https://name.cognitiveservices.azure.com", **settings)
