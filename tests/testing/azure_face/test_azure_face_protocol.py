"""The emulator refuses what the service refuses, with its status codes and bodies."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
from asking import BYTES, KEY, ask, error, face
from face_pictures import encode, faces, noise

from gdp.testing.azure_face import TIERS, Emulator, Settings


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(Settings(limit=TIERS["unlimited"], judge="measures")) as running:
        yield running


@pytest.fixture(scope="module")
def picture() -> bytes:
    return encode(faces()[0])


@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": "another"}])
def test_a_request_without_the_key_is_refused(emulator: Emulator, picture: bytes, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{emulator.endpoint}/face/v1.2/detect", headers=headers | BYTES, content=picture)
    status, code, message = error(answer)
    assert (status, code) == (401, "401")
    assert message.startswith("Access denied due to invalid subscription key or wrong API endpoint.")


@pytest.mark.parametrize("version", ["v1.0", "v1.2"])
def test_a_face_id_needs_approval_and_is_asked_for_by_default(emulator: Emulator, picture: bytes, version: str) -> None:
    answer = httpx.post(f"{emulator.endpoint}/face/{version}/detect", headers=KEY | BYTES, content=picture)
    assert answer.status_code == 403
    body = answer.json()["error"]
    assert (body["code"], body["message"]) == ("InvalidRequest", "Invalid request has been sent.")
    assert body["innererror"]["code"] == "UnsupportedFeature"


@pytest.mark.parametrize("name", ["age", "gender", "emotion", "smile", "facialHair", "hair", "makeup"])
@pytest.mark.parametrize("model", ["detection_01", "detection_03"])
def test_retired_attributes_are_refused(emulator: Emulator, picture: bytes, name: str, model: str) -> None:
    answer = ask(emulator, picture, returnFaceAttributes=f"blur,{name}", detectionModel=model)
    assert answer.status_code == 403
    inner = answer.json()["error"]["innererror"]
    assert inner["code"] == "UnsupportedFeature"
    assert name in inner["message"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"detectionModel": "detection_04"}, "'detectionModel' is invalid."),
        ({"recognitionModel": "4"}, "'recognitionModel' is invalid."),
        ({"returnFaceAttributes": "blur,beauty"}, "Invalid argument returnFaceAttributes."),
        ({"returnFaceAttributes": "mask"}, "Invalid argument returnFaceAttributes."),
        ({"returnFaceAttributes": "noise", "detectionModel": "detection_03"}, "Invalid argument returnFaceAttributes."),
        (
            {"returnFaceAttributes": "blur", "detectionModel": "detection_02"},
            "'returnFaceAttributes' is not supported by detection_02.",
        ),
        (
            {"returnFaceLandmarks": "true", "detectionModel": "detection_02"},
            "'returnLandmarks' is not supported by detection_02.",
        ),
        (
            {"returnFaceAttributes": "qualityForRecognition", "recognitionModel": "recognition_02"},
            "'qualityForRecognition' is not supported by recognition_02.",
        ),
        ({"returnFaceId": "maybe"}, "'returnFaceId' is invalid."),
        ({"faceIdTimeToLive": "10"}, "'faceIdTimeToLive' is invalid. Valid range is between 60 and 86400."),
    ],
)
def test_a_wrong_argument_is_named(emulator: Emulator, picture: bytes, query: dict[str, str], message: str) -> None:
    assert error(ask(emulator, picture, **query)) == (400, "BadArgument", message)


@pytest.mark.parametrize(
    ("picture", "refusal"),
    [
        (b"", (400, "InvalidImageSize", "Image size is too small.")),
        (b"\x89PNG" + bytes(1000), (400, "InvalidImageSize", "Image size is too small.")),
        (bytes(6 * 1024 * 1024 + 1), (400, "InvalidImageSize", "Image size is too big.")),
        (bytes(2000), (400, "InvalidImage", "Decoding error, image format unsupported.")),
        (noise(1)[:-1500], (400, "InvalidImage", "Decoding error, image format unsupported.")),
        (encode(faces()[0], "WEBP"), (400, "InvalidImage", "Decoding error, image format unsupported.")),
    ],
    ids=["empty", "small", "big", "zeros", "cut", "webp"],
)
def test_what_is_no_picture_is_refused(emulator: Emulator, picture: bytes, refusal: tuple[int, str, str]) -> None:
    assert error(ask(emulator, picture)) == refusal


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_the_formats_of_the_service_are_read(emulator: Emulator, image_format: str) -> None:
    assert face(emulator, encode(faces()[0], image_format))["faceRectangle"]["width"] == 184


def test_other_media_types_are_refused(emulator: Emulator, picture: bytes) -> None:
    address = f"{emulator.endpoint}/face/v1.2/detect?returnFaceId=false"
    answer = httpx.post(address, headers=KEY | {"Content-Type": "image/png"}, content=picture)
    assert error(answer) == (415, "BadArgument", "Invalid Media Type.")
    linked = httpx.post(address, headers=KEY, json={"url": "http://127.0.0.1/picture.png"})
    assert error(linked)[:2] == (400, "InvalidURL")


def test_other_addresses_are_not_found(emulator: Emulator) -> None:
    assert httpx.get(f"{emulator.endpoint}/face/v1.2/detect").status_code == 404
    assert httpx.post(f"{emulator.endpoint}/face/v2/detect", headers=KEY).status_code == 404


def test_landmarks_and_models_are_given_where_they_are_asked_for(emulator: Emulator, picture: bytes) -> None:
    plain = face(emulator, picture)
    assert set(plain) == {"faceRectangle"}
    rich = face(emulator, picture, returnFaceLandmarks="true", returnRecognitionModel="true")
    assert len(rich["faceLandmarks"]) == 27
    assert rich["recognitionModel"] == "recognition_01"


def test_an_approved_account_gets_face_ids_and_age(picture: bytes) -> None:
    settings = Settings(judge="measures", limited_access_age=True, limited_access_identification=True)
    with Emulator(settings) as emulator:
        found = face(emulator, picture, returnFaceId="true", returnFaceAttributes="age")
        assert uuid.UUID(found["faceId"])
        assert found["faceAttributes"] == {"age": 40.0}
        gender = ask(emulator, picture, returnFaceAttributes="gender")
        assert gender.status_code == 403


def test_each_version_spells_as_the_service_does(emulator: Emulator, picture: bytes) -> None:
    old = ask(emulator, picture, "v1.0", returnFaceAttributes="glasses").json()
    new = ask(emulator, picture, "v1.2", returnFaceAttributes="glasses").json()
    assert old[0]["faceAttributes"] == {"glasses": "NoGlasses"}
    assert new[0]["faceAttributes"] == {"glasses": "noGlasses"}
