"""Ask the emulator as a client of the service does."""

from __future__ import annotations

from typing import Any

import httpx

from gdp.testing.azure_face import Emulator

KEY = {"Ocp-Apim-Subscription-Key": "emulator"}
CLIENT = httpx.Client(timeout=60, transport=httpx.HTTPTransport(verify=False))
BYTES = {"Content-Type": "application/octet-stream"}


def ask(emulator: Emulator, picture: bytes, version: str = "v1.2", **query: str) -> httpx.Response:
    """Send a picture; a face id is not asked for, unless the query says so."""
    parameters = {"returnFaceId": "false", **query}
    address = f"{emulator.endpoint}/face/{version}/detect"
    return CLIENT.post(address, params=parameters, headers=KEY | BYTES, content=picture)


def face(emulator: Emulator, picture: bytes, **query: str) -> dict[str, Any]:
    """Send a picture and return the one face that is found."""
    answer = ask(emulator, picture, **query)
    assert answer.status_code == 200, answer.text
    [found] = answer.json()
    return dict(found)


def attributes(emulator: Emulator, picture: bytes, *names: str, **query: str) -> dict[str, Any]:
    """Send a picture and return what is said of its one face."""
    return dict(face(emulator, picture, returnFaceAttributes=",".join(names), **query)["faceAttributes"])


def error(answer: httpx.Response) -> tuple[int, str, str]:
    """Return status, code and message of an error."""
    body = answer.json()["error"]
    return answer.status_code, body["code"], body["message"]
