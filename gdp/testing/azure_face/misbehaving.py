"""Which requests go wrong, and how: a function of the seed and the request's number."""

from __future__ import annotations

import hashlib
from typing import Literal, cast

from gdp.testing.azure_face.settings import Misbehaviour

Fate = Literal["answer", "throttle", "server_error", "slow", "half_answer", "garbage", "drop_before", "drop_after"]

SERVER_ERRORS = (500, 502, 503, 504, 408)
GARBAGE = (
    (b"<html><head><title>Bad gateway</title></head><body>Try again.</body></html>", "text/html"),
    (b"", "application/json"),
    (b'[{"faceRectangle": {"top": 12, "le', "application/json"),
    (b'{"faces": []}', "application/json"),
    (b'[{"faceRectangle": null, "faceAttributes": "none"}]', "application/json"),
    (b"\xff\xfe\x00garbage\x00", "application/json"),
    (b"null", "application/json"),
)
"""Bodies with their content types that no client can take for an answer of the service."""


def fate(number: int, misbehaviour: Misbehaviour) -> Fate:
    """Return what becomes of request `number`, counted from 0."""
    shares = misbehaviour.shares()
    throttle = shares.pop("throttle")
    if unit(misbehaviour.seed, "storm", number // misbehaviour.storm) < throttle:
        return "throttle"
    # The rest is drawn from what the storms leave, so that each share is one of all requests.
    left = unit(misbehaviour.seed, "fate", number) * (1.0 - throttle)
    for name, share in shares.items():
        if left < share:
            return cast(Fate, name)
        left -= share
    return "answer"


def choice(number: int, seed: int, purpose: str, count: int) -> int:
    """Return a number in [0, count) for request `number`."""
    return int(unit(seed, purpose, number) * count)


def unit(seed: int, purpose: str, number: int) -> float:
    """Hash to [0, 1)."""
    digest = hashlib.blake2b(f"{seed} {purpose} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
