"""Settings of `rekognition`; imports no torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from gdp.plugins.face_services.config import ServiceConfig


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
