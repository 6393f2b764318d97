"""Settings of `azure-face`; imports no torch.

Settings of `rekognition`; imports no torch.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from gdp.toolbox import ServiceConfig

Attribute = Literal[
    "accessories", "age", "blur", "exposure", "glasses", "headPose", "mask", "noise", "occlusion",
    "qualityForRecognition", "emotion", "facialHair", "gender", "hair", "makeup", "smile",
]  # fmt: skip
"""What the service has, or once had, to say of a face."""
Level = Literal["low", "medium", "high"]
Exposure = Literal["underExposure", "goodExposure", "overExposure"]
Area = Literal["forehead", "eyes", "mouth"]
Glasses = Literal["noGlasses", "readingGlasses", "sunglasses", "swimmingGoggles"]
Mask = Literal["noMask", "faceMask", "otherMaskOrOcclusion", "uncertain"]

_OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class AzureFaceConfig(ServiceConfig):
    """Settings of `azure-face`. A rule that is left out judges nothing; only what rules need is asked for."""

    endpoint: str = Field(examples=["https://name.cognitiveservices.azure.com"])
    """Address of the Face resource, such as https://NAME.cognitiveservices.azure.com; the key comes from the
    environment variable AZURE_FACE_KEY. http is allowed for this machine only, to try the emulator."""
    detection_model: Literal["detection_01", "detection_02", "detection_03"] = "detection_03"
    """detection_03 finds small and turned faces best; detection_01 alone tells noise and accessories."""
    recognition_model: Literal["recognition_01", "recognition_02", "recognition_03", "recognition_04"] = (
        "recognition_04"
    )
    """min_quality needs recognition_03 or recognition_04."""
    attributes: tuple[Attribute, ...] = ()
    """What to ask for beside what the rules need, so that rules that are added later cost no call."""
    min_faces: int = Field(default=1, ge=0, le=100)
    """Smallest number of faces in a picture; the rules judge the largest one."""
    max_faces: int = Field(default=1, ge=0, le=100)
    """Largest number of faces in a picture."""
    max_blur: float | None = Field(default=None, ge=0.0, le=1.0)
    """Largest blur in [0, 1]."""
    max_blur_level: Level | None = None
    """Largest level of blur."""
    max_noise: float | None = Field(default=None, ge=0.0, le=1.0)
    """Largest noise in [0, 1]; needs detection_01."""
    max_noise_level: Level | None = None
    """Largest level of noise; needs detection_01."""
    min_exposure: float | None = Field(default=None, ge=0.0, le=1.0)
    """Smallest exposure in [0, 1]; up to 0.25 is under-exposed."""
    max_exposure: float | None = Field(default=None, ge=0.0, le=1.0)
    """Largest exposure in [0, 1]; from 0.75 on is over-exposed."""
    exposure_levels: tuple[Exposure, ...] = ()
    """Levels of exposure that are kept; empty for all."""
    not_occluded: tuple[Area, ...] = ()
    """Parts of the face that must be free: forehead, eyes, mouth."""
    max_yaw: float | None = Field(default=None, ge=0.0, le=180.0)
    """Largest turn of the head to either side, in degrees."""
    max_pitch: float | None = Field(default=None, ge=0.0, le=180.0)
    """Largest nod of the head up or down, in degrees."""
    max_roll: float | None = Field(default=None, ge=0.0, le=180.0)
    """Largest tilt of the head to either shoulder, in degrees."""
    glasses: tuple[Glasses, ...] = ()
    """Kinds of glasses that are kept, noGlasses among them; empty for all."""
    mask: tuple[Mask, ...] = ()
    """Kinds of masks that are kept, noMask among them; empty for all. Needs detection_03."""
    min_quality: Level | None = None
    """Smallest quality for recognition."""
    min_age: float | None = Field(default=None, ge=0.0)
    """Smallest age in years; needs limited_access_age."""
    max_age: float | None = Field(default=None, ge=0.0)
    """Largest age in years; needs limited_access_age."""
    limited_access_age: bool = False
    """Say that this account was granted the attribute age under limited access; Azure retired it for all others."""
    unchanged: tuple[Literal["glasses", "mask"], ...] = ()
    """What must be the same in source and target: glasses, mask. Needs of = "both"."""
    max_pose_change: float | None = Field(default=None, ge=0.0, le=180.0)
    """Largest difference of yaw, pitch and roll between source and target, in degrees. Needs of = "both"."""

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, endpoint: str) -> str:
        try:
            parts = urlsplit(endpoint)
            port = parts.port
        except ValueError:
            raise ValueError("is no address; give one such as https://NAME.cognitiveservices.azure.com") from None
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold nothing but the address: no user, no key, no query")
        local = parts.scheme == "http" and parts.hostname in _OF_THIS_MACHINE
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise ValueError("must begin with https:// (http:// only for localhost): the key would be sent in the open")
        if parts.path.rstrip("/"):
            raise ValueError("must end with the host's name; gdp adds /face/v1.2/detect itself")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{port}" if port else "")

    @model_validator(mode="after")
    def _possible(self) -> AzureFaceConfig:
        for low, high, names in (
            (self.min_faces, self.max_faces, "min_faces and max_faces"),
            (self.min_exposure, self.max_exposure, "min_exposure and max_exposure"),
            (self.min_age, self.max_age, "min_age and max_age"),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"no picture can pass {names}: {low:g} is above {high:g}")
        if self.of != "both" and (self.unchanged or self.max_pose_change is not None):
            raise ValueError('unchanged and max_pose_change compare source and target: they need of = "both"')
        return self


class RekognitionConfig(ServiceConfig):
    """Settings of `rekognition`. A rule that is left out judges nothing; only what rules need is asked for.

    Credentials are found as in every AWS tool: the environment, ~/.aws, or the machine's role.
    """

    region: str | None = None
    """AWS region, such as eu-west-1; left out, as AWS_DEFAULT_REGION or ~/.aws/config says."""
    endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^@?#]+$")
    """Address of another service that speaks Rekognition's protocol, such as an emulator."""
    calls_per_second: int = Field(default=5, ge=0)
    """Largest number of calls in any second; 0 for no limit. New accounts have 5 in most regions."""
    min_faces: int = Field(default=1, ge=0, le=100)
    """Smallest number of faces in a picture; the rules judge the largest one."""
    max_faces: int = Field(default=1, ge=0, le=100)
    """Largest number of faces in a picture."""
    min_confidence: float | None = Field(default=None, ge=0.0, le=100.0)
    """Smallest confidence that it is a face, in percent."""
    min_brightness: float | None = Field(default=None, ge=0.0, le=100.0)
    """Smallest brightness in [0, 100]."""
    max_brightness: float | None = Field(default=None, ge=0.0, le=100.0)
    """Largest brightness in [0, 100]."""
    min_sharpness: float | None = Field(default=None, ge=0.0, le=100.0)
    """Smallest sharpness in [0, 100]."""
    max_yaw: float | None = Field(default=None, ge=0.0, le=180.0)
    """Largest turn of the head to either side, in degrees."""
    max_pitch: float | None = Field(default=None, ge=0.0, le=180.0)
    """Largest nod of the head up or down, in degrees."""
    max_roll: float | None = Field(default=None, ge=0.0, le=180.0)
    """Largest tilt of the head to either shoulder, in degrees."""
    eyeglasses: bool | None = None
    """Whether the face must, or must not, wear glasses."""
    sunglasses: bool | None = None
    """Whether the face must, or must not, wear sunglasses."""
    smile: bool | None = None
    """Whether the face must, or must not, smile."""
    occluded: bool | None = None
    """Whether the face must, or must not, be partly covered."""
    min_certainty: float = Field(default=80.0, ge=50.0, le=100.0)
    """Percent of confidence below which glasses, sunglasses, smile and occlusion count as unknown."""
    min_age: float | None = Field(default=None, ge=0.0)
    """Smallest age in years. The service tells a range: one that straddles the limit is unknown."""
    max_age: float | None = Field(default=None, ge=0.0)
    """Largest age in years; a range that straddles it is unknown."""

    @model_validator(mode="after")
    def _possible(self) -> RekognitionConfig:
        for low, high, names in (
            (self.min_faces, self.max_faces, "min_faces and max_faces"),
            (self.min_brightness, self.max_brightness, "min_brightness and max_brightness"),
            (self.min_age, self.max_age, "min_age and max_age"),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"no picture can pass {names}: {low:g} is above {high:g}")
        return self
