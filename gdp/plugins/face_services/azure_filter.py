"""`azure-face`: what Azure AI Face says of the pictures of a pair.

Azure AI Face by its REST interface: detect, version 1.2.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit

import httpx

from gdp import (
    Forecast,
    GdpError,
    Json,
    MissingResourceError,
    PairBatch,
    Score,
    Scores,
    ScoringFilter,
    ServiceError,
    Verdict,
)
from gdp.plugins.face_services import judging
from gdp.plugins.face_services.azure_rules import (
    explain_unsupported,
    measure,
    needed_attributes,
    refuse_impossible,
    rules,
)
from gdp.plugins.face_services.config import AzureFaceConfig
from gdp.toolbox import (
    HttpClients,
    PictureLimits,
    Reply,
    Secret,
    account,
    asked_to_wait,
    content_key,
    forecast_calls,
    in_order,
    outlook,
    scores_of_pairs,
)

KEY_VARIABLE = "AZURE_FACE_KEY"
NAME = "azure-face"
_OWN_DOMAINS = (".azure.com", ".azure.us", ".azure.cn", ".microsoft.com")
_PICTURE_PROBLEMS = ("InvalidImage", "InvalidImageSize")


class AzureFace:
    """Asks Azure AI Face; the key is read from the environment and goes into the header of requests only.

    Raises:
        MissingResourceError: there is no key, or it cannot be one.
    """

    limits = PictureLimits(least_bytes=1024, most_bytes=6 * 2**20)

    def __init__(self, config: AzureFaceConfig) -> None:
        self._config = config
        self._attributes = needed_attributes(config)
        self._key = Secret(_key())
        self.name = service_name(config)
        self.scope = f"{NAME} {config.endpoint}"
        self.question = question(config)
        self._query = {
            "returnFaceId": "false",
            "detectionModel": config.detection_model,
            "recognitionModel": config.recognition_model,
            **({"returnFaceAttributes": ",".join(self._attributes)} if self._attributes else {}),
        }
        self._url = httpx.URL(f"{config.endpoint}/face/v1.2/detect", params=self._query)
        self._clients = HttpClients(config.endpoint, config)

    def covers(self, other: Json) -> bool:
        """Say whether another question is of the same models and asks for no less."""
        models = ("detection_model", "recognition_model")
        same = all(other.get(name) == self.question[name] for name in models)
        return same and set(self._attributes) <= set(other.get("attributes", ()))

    def ask(self, picture: bytes, sending: Callable[[], None]) -> Reply:
        """Send one picture and return what came of it.

        Raises:
            ServiceError: the key, the address or the question is refused.
        """

        headers = {"Ocp-Apim-Subscription-Key": self._key.reveal(), "Content-Type": "application/octet-stream"}
        response = self._clients.post(self._url, headers, picture, sending)
        if isinstance(response, Reply):
            return replace(response, reason=self._key.hide(response.reason))
        return self._read(response)

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    def _read(self, response: httpx.Response) -> Reply:
        status = response.status_code
        if status == httpx.codes.OK:
            return self._read_faces(response)
        code, inner, message = self._read_error(response)
        named = inner or code
        said = f"{status}: {message}" if named in ("", str(status)) else f"{status} {named}: {message}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return Reply("busy", reason=said, wait=asked_to_wait(response, message))
        if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.CONFLICT) or status >= 500:
            return Reply("failed", reason=said, wait=asked_to_wait(response, ""))
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE or (status == 400 and code in _PICTURE_PROBLEMS):
            return Reply("answered", {"problem": f"{code}: {message}"})
        raise self._refusal(status, inner or code, said)

    def _read_faces(self, response: httpx.Response) -> Reply:
        try:
            answer = {"faces": json.loads(response.content)}
            measure(answer, self._attributes)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return Reply("unusable", reason=f"an answer that is not as documented ({type(error).__name__})")
        return Reply("answered", answer)

    def _read_error(self, response: httpx.Response) -> tuple[str, str, str]:
        """Return the error's code, inner code and message, as far as the body has them."""
        try:
            error = json.loads(response.content)["error"]
            inner = error.get("innererror") or {}
            message = inner.get("message") or error.get("message") or ""
            return str(error.get("code", "")), str(inner.get("code") or ""), self._key.hide(str(message))[:500]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return "", "", self._key.hide(response.reason_phrase)

    def _refusal(self, status: int, code: str, said: str) -> GdpError:
        if code == "UnsupportedFeature":
            return ServiceError(explain_unsupported(self._config, said))
        host = urlsplit(self._config.endpoint).netloc
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return ServiceError(
                f"azure-face: {host} refuses the call ({said}). Check that ${KEY_VARIABLE} is a key of the resource at "
                f"this endpoint, that its quota is not used up, and that its network rules let this machine in. Every "
                f"verdict so far is stored."
            )
        if status in (httpx.codes.NOT_FOUND, httpx.codes.MOVED_PERMANENTLY, httpx.codes.FOUND):
            return ServiceError(
                f"azure-face: {host} has no Face service ({said}). The endpoint stands on the resource's page "
                f"Keys and Endpoint, such as https://NAME.cognitiveservices.azure.com."
            )
        return ServiceError(
            f"azure-face: {host} refuses what this filter asks ({said}). Asked was {self._query}. Every verdict so "
            f"far is stored."
        )


def service_name(config: AzureFaceConfig) -> str:
    """Return whose answers these are: those of an emulator, or of another host, are not Azure's."""
    parts = urlsplit(config.endpoint)
    of_azure = f".{parts.hostname}".endswith(_OWN_DOMAINS)
    return NAME if of_azure else f"{NAME} at {parts.netloc}"


def question(config: AzureFaceConfig) -> dict[str, Json]:
    """Return all that the answer on a picture depends on."""
    return {
        "detection_model": config.detection_model,
        "recognition_model": config.recognition_model,
        "attributes": list(needed_attributes(config)),
    }


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise MissingResourceError(
            f"azure-face needs the key of a Face resource in the environment variable {KEY_VARIABLE}: export "
            f"{KEY_VARIABLE}=..."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        # Not left to the HTTP library: its message would quote the key.
        raise MissingResourceError(f"${KEY_VARIABLE} holds characters that no key has; copy it from the portal again.")
    return key


_ANGLES = ("yaw", "pitch", "roll")


class AzureFaceFilter(ScoringFilter):
    """Keeps pairs whose pictures pass the recipe's rules on the largest face of each.

    Scores are `source_faces`, `source_blur`, `target_yaw` and so on, one for each thing that was asked for; None for
    what the service did not say. A picture that the service refuses makes the pair "unknown", as does a picture on
    which there was no usable answer in 8 attempts. Pictures leave this machine.

    Raises:
        MissingResourceError: $AZURE_FACE_KEY is not set (when the first picture is to be asked about).
        BudgetError, ServiceError: the budget is spent, or the service cannot be asked; what was judged is stored.
    """

    config: AzureFaceConfig
    score_settings: ClassVar[frozenset[str]] = frozenset(
        {"of", "enlarge_to", "detection_model", "recognition_model", "attributes"}
    )

    @property
    def fingerprint(self) -> str:
        """Hash of whom is asked for what; thresholds are no part of it."""
        return content_key({"service": service_name(self.config), "question": question(self.config)})

    def check(self) -> str:
        """Refuse rules that the service would refuse; else return the expected calls, their cost and their time."""
        refuse_impossible(self.config)
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
        refuse_impossible(self.config)
        attributes = needed_attributes(self.config)
        service = AzureFace(self.config)
        yield from scores_of_pairs(
            service, self.config, self.context.answers, batches, lambda answer: measure(answer, attributes)
        )

    def decide(self, scores: Mapping[int, Scores]) -> dict[int, Verdict]:
        """Judge each pair by the rules, from its scores alone; the reason names the first rule that it fails."""
        applied = [(rule.passes, rule.reason) for rule in rules(self.config)]
        verdicts = {}
        for index, row in scores.items():
            parts = judging.parts(row, self.config.of)
            findings = judging.findings(parts, self.config.min_faces, self.config.max_faces, applied)
            verdicts[index] = judging.verdict([*findings, *self._changes(parts)], row)
        return verdicts

    def _changes(self, parts: Mapping[str, Mapping[str, Score]]) -> Iterator[judging.Finding]:
        """Compare each source with the target."""
        target = parts.get("target", {})
        for name, source in parts.items():
            if name == "target" or not (source.get("faces") and target.get("faces")):
                continue
            for kind in self.config.unchanged:
                if source.get(kind) != target.get(kind):
                    yield judging.Finding("drop", f"the edit changed {kind}")
            limit = self.config.max_pose_change
            if limit is not None and _pose_change(source, target) > limit:
                yield judging.Finding("drop", f"the edit turned the head by more than {limit:g} degrees")


def _pose_change(source: Mapping[str, Score], target: Mapping[str, Score]) -> float:
    """Return the largest difference of the three angles in degrees; 0 where they are not known."""
    angles = [(source.get(name), target.get(name)) for name in _ANGLES]
    return max(
        (abs(a - b) for a, b in angles if isinstance(a, int | float) and isinstance(b, int | float)), default=0.0
    )
