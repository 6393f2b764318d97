"""`rekognition`: what AWS Rekognition says of the pictures of a pair.

AWS Rekognition: DetectFaces, through boto3.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar
from urllib.parse import urlsplit

from gdp import Forecast, GdpError, Json, MissingResourceError, PairBatch, Scores, ScoringFilter, ServiceError, Verdict
from gdp.plugins.face_services import judging
from gdp.plugins.face_services.config import RekognitionConfig
from gdp.plugins.face_services.rekognition_rules import kept_of, measure, needed_attributes, rules
from gdp.toolbox import PictureLimits, Reply, account, content_key, forecast_calls, in_order, outlook, scores_of_pairs

NAME = "rekognition"
_BUSY = (
    "ThrottlingException", "ProvisionedThroughputExceededException", "TooManyRequestsException", "SlowDown",
    "LimitExceededException", "RequestLimitExceeded",
)  # fmt: skip
_PICTURE_PROBLEMS = ("InvalidImageFormatException", "ImageTooLargeException", "InvalidParameterException")
_NEVER_SENT = ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError")
_SETTINGS = (
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoRegionError", "ProfileNotFound",
    "TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "InvalidRegionError", "SSLError",
)  # fmt: skip
"""botocore's errors, by name, for which trying again is of no use."""


class Rekognition:
    """Asks AWS Rekognition; its own retries are off, for the engine counts every call.

    Raises:
        MissingResourceError: boto3 is not installed, or no region or credentials are found.
    """

    limits = PictureLimits(least_bytes=0, most_bytes=5 * 2**20)

    def __init__(self, config: RekognitionConfig) -> None:
        self._attributes = needed_attributes(config)
        self._asked = ["DEFAULT", *self._attributes]
        self.name = service_name(config)
        self.question = question(config)
        self._errors = _module("botocore.exceptions")
        self._callbacks = threading.local()
        try:
            self._client = _client(config)
        except self._errors.BotoCoreError as error:
            raise _missing(error) from None
        self.scope = f"{NAME} {self._client.meta.region_name} {self._client.meta.endpoint_url}"
        self._client.meta.events.register("before-send.rekognition.DetectFaces", self._before_send)

    def covers(self, other: Json) -> bool:
        """Say whether another question asks for no less."""
        return set(self._attributes) <= set(other.get("attributes", ()))

    def ask(self, picture: bytes, sending: Callable[[], None]) -> Reply:
        """Send one picture and return what came of it.

        Raises:
            MissingResourceError: there are no credentials.
            ServiceError: they are refused, or the question is.
        """
        self._callbacks.sending = sending
        try:
            response = self._client.detect_faces(Image={"Bytes": picture}, Attributes=self._asked)
        except self._errors.ClientError as error:
            return _refused(error.response)
        except self._errors.BotoCoreError as error:
            return self._failed(error)
        try:
            answer = {"faces": [kept_of(face) for face in response["FaceDetails"]]}
            measure(answer, self._attributes)
        except (ValueError, KeyError, TypeError) as error:
            return Reply("unusable", reason=f"an answer that is not as documented ({type(error).__name__})")
        return Reply("answered", answer)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _before_send(self, **_: Any) -> None:
        self._callbacks.sending()

    def _failed(self, error: Exception) -> Reply:
        name = type(error).__name__
        if name in _SETTINGS:
            raise _missing(error) from None
        if name in _NEVER_SENT:
            return Reply("failed", reason=f"no connection ({name})")
        if name == "ResponseParserError":
            return Reply("unusable", reason="an answer that cannot be read")
        return Reply("unknown", reason=f"the connection broke ({name})")


def service_name(config: RekognitionConfig) -> str:
    """Return whose answers these are: those of an emulator are not Amazon's."""
    host = urlsplit(config.endpoint_url).netloc if config.endpoint_url else ""
    of_amazon = not host or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return NAME if of_amazon else f"{NAME} at {host}"


def question(config: RekognitionConfig) -> dict[str, Json]:
    """Return all that the answer on a picture depends on."""
    return {"attributes": list(needed_attributes(config))}


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingResourceError(
            "rekognition needs boto3, which is not installed: pip install 'gdp-distill[rekognition]'"
        ) from error


def _client(config: RekognitionConfig) -> Any:
    settings = _module("botocore.config").Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=config.connections,
        connect_timeout=config.timeout_seconds,
        read_timeout=config.timeout_seconds,
        user_agent_extra="gdp-distill",
    )
    session = _module("boto3.session").Session(region_name=config.region)
    return session.client("rekognition", endpoint_url=config.endpoint_url, config=settings)


def _missing(error: Exception) -> MissingResourceError:
    return MissingResourceError(
        f"rekognition cannot be asked ({error}). Credentials and region are found as in every AWS tool: the variables "
        f"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION, or `aws configure`; the region may also "
        f"stand in the recipe."
    )


def _refused(response: Any) -> Reply:
    """Sort the service's error.

    Raises:
        ServiceError: no other call would fare better.
    """
    code = str(response.get("Error", {}).get("Code", ""))
    said = f"{code}: {response.get('Error', {}).get('Message', '')}"[:500]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _BUSY or status == 429:
        return Reply("busy", reason=said, wait=_wait(response))
    if status >= 500 or status == 408 or code == "RequestTimeout":
        return Reply("failed", reason=said, wait=_wait(response))
    if code in _PICTURE_PROBLEMS:
        return Reply("answered", {"problem": said})
    error: GdpError = ServiceError(
        f"rekognition refuses the call ({said}). Check that the credentials are right and may call "
        f"rekognition:DetectFaces in this region. Every verdict so far is stored."
    )
    raise error


def _wait(response: Any) -> float | None:
    header = str(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    return float(header) if header.isascii() and header.isdigit() else None


class RekognitionFilter(ScoringFilter):
    """Keeps pairs whose pictures pass the recipe's rules on the largest face of each.

    Scores are `source_faces`, `source_age_low`, `source_age_high`, `source_age` (their middle), `target_sharpness`
    and so on; None for what the service did not say. An age range that straddles a limit, and an attribute told with
    less confidence than `min_certainty`, make the pair "unknown". Pictures leave this machine.

    Raises:
        MissingResourceError: boto3, a region or credentials are missing (when the first picture is to be asked about).
        BudgetError, ServiceError: the budget is spent, or the service cannot be asked; what was judged is stored.
    """

    config: RekognitionConfig
    score_settings: ClassVar[frozenset[str]] = frozenset({"of", "enlarge_to"})

    @property
    def fingerprint(self) -> str:
        """Hash of whom is asked for what; thresholds are no part of it."""
        return content_key({"service": service_name(self.config), "question": question(self.config)})

    def check(self) -> str:
        """Return the expected calls, their cost and their time."""
        return outlook(self.config, self.context.pairs, self.context.answers, service_name(self.config))

    def forecast(self, pairs: int, sources: int = 1) -> Forecast:
        """Return the calls that so many pairs take, at the recipe's rate and price."""
        return forecast_calls(self.config, pairs, sources)

    def summary(self) -> Mapping[str, Json]:
        """Return the calls of this run and their cost."""
        return account(self.config, self.context.answers, service_name(self.config))

    def score(self, pairs: PairBatch) -> list[Scores]:
        """Ask about the pictures of some pairs."""
        return in_order(self.score_stream([pairs]), pairs.indices)

    def score_stream(self, batches: Iterable[PairBatch]) -> Iterator[Mapping[int, Scores]]:
        """Ask about many pictures at once, and yield each pair's scores when the last of its answers is there."""
        attributes = needed_attributes(self.config)
        service = Rekognition(self.config)
        yield from scores_of_pairs(
            service, self.config, self.context.answers, batches, lambda answer: measure(answer, attributes)
        )

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Judge each pair by the rules, from its scores alone; the reason names the first rule that it fails."""
        applied, config = rules(self.config), self.config
        verdicts = {}
        for index, row in scores.items():
            pictures = judging.parts(row, config.of)
            verdicts[index] = judging.verdict(
                judging.findings(pictures, config.min_faces, config.max_faces, applied), row
            )
        return verdicts
