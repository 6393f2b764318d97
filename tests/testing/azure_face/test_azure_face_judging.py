"""The emulator's answers are about the picture that was sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from asking import ask, attributes, face
from face_pictures import blurred, encode, faces, noise, noisy, truth

from gdp.testing.azure_face import TIERS, Emulator, Settings


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(Settings(limit=TIERS["unlimited"], limited_access_age=True)) as running:
        yield running


def test_rendered_faces_are_found_and_noise_is_not(emulator: Emulator) -> None:
    found = [len(ask(emulator, encode(picture)).json()) for picture in faces()]
    assert found == [1] * len(found)
    assert [ask(emulator, noise(number)).json() for number in range(4)] == [[]] * 4


def test_a_face_below_36_pixels_is_not_found(emulator: Emulator) -> None:
    picture = faces()[0]
    assert face(emulator, encode(picture, "BMP", enlarge=1))["faceRectangle"]["width"] == 46
    smaller = torch.nn.functional.interpolate(picture[None], size=(48, 48), mode="area")[0]
    assert ask(emulator, encode(smaller, "BMP", enlarge=1)).json() == []


def test_age_and_glasses_are_those_of_the_face(emulator: Emulator) -> None:
    said = [attributes(emulator, encode(picture), "age", "glasses", "accessories") for picture in faces()]
    errors = [abs(each["age"] - years) for each, years in zip(said, truth("age"), strict=True)]
    assert sum(errors) / len(errors) < 8
    worn = [each["glasses"] == "readingGlasses" for each in said]
    assert worn == [bool(value) for value in truth("glasses")]
    assert [bool(each["accessories"]) for each in said] == worn


def test_blur_noise_and_exposure_follow_the_picture(emulator: Emulator) -> None:
    # Spoilt pictures are no faces to the judge, so their measures are asked of an emulator that only measures.
    picture = faces()[0]
    with Emulator(Settings(limit=TIERS["unlimited"], judge="measures")) as measuring:

        def levels(pixels: torch.Tensor) -> tuple[str, str, str]:
            said = attributes(measuring, encode(pixels), "blur", "noise", "exposure")
            return said["blur"]["blurLevel"], said["noise"]["noiseLevel"], said["exposure"]["exposureLevel"]

        assert levels(picture) == ("low", "low", "goodExposure")
        assert levels(blurred(picture))[0] == "high"
        assert levels(noisy(picture))[1] == "high"
        assert levels(picture * 0.3 - 0.7)[2] == "underExposure"
        assert levels(picture * 0.3 + 0.7)[2] == "overExposure"


def test_quality_for_recognition_falls_with_size_and_blur(emulator: Emulator) -> None:
    model = {"recognitionModel": "recognition_04"}
    picture = faces()[1]
    large = attributes(emulator, encode(picture), "qualityForRecognition", **model)
    medium = attributes(emulator, encode(picture, enlarge=2), "qualityForRecognition", **model)
    small = attributes(emulator, encode(picture, "BMP", enlarge=1), "qualityForRecognition", **model)
    assert [each["qualityForRecognition"] for each in (large, medium, small)] == ["high", "medium", "low"]


def test_the_same_picture_gets_the_same_answer(emulator: Emulator) -> None:
    picture = encode(faces()[2])
    names = "age,blur,noise,exposure,glasses,headPose,occlusion,accessories"
    first = ask(emulator, picture, returnFaceAttributes=names).json()
    assert ask(emulator, picture, returnFaceAttributes=names).json() == first
    assert set(first[0]["faceAttributes"]) == set(names.split(","))


def test_the_other_model_sees_masks(emulator: Emulator) -> None:
    said = attributes(emulator, encode(faces()[3]), "mask", "headPose", detectionModel="detection_03")
    assert said == {
        "mask": {"type": "noMask", "noseAndMouthCovered": False},
        "headPose": {"pitch": 0.0, "roll": 0.0, "yaw": 0.0},
    }
