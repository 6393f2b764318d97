"""What must not be published: places of this machine, and secrets. Messages never show a secret."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gdp.core.run.places import find_places

SHORTEST_SECRET = 8
"""Characters; a shorter value of an environment variable is found by chance and is no key."""

_SECRETS = {
    "a Hugging Face token": rb"\bhf_[A-Za-z0-9]{30,}\b",
    "an API key": rb"\bsk-[A-Za-z0-9_-]{20,}",
    "an AWS access key": rb"\bAKIA[0-9A-Z]{16}\b",
    "a GitHub token": rb"\bgh[pousr]_[A-Za-z0-9]{36,}\b",
    "a Google API key": rb"\bAIza[A-Za-z0-9_-]{35}\b",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an address with a password": rb"\bhttps?://[^/\s:@\"']+:[^/\s@\"']+@",
    "an address with a key": rb"[?&](?:sig|token|key|api_key|access_token|X-Amz-Signature)=[^&\s\"']{8,}",
}
_PLACES_OF_MACHINES = re.compile(rb"/(?:home|Users|root|mnt|opt|tmp|usr|workspace)/[\w.@+-]+/[\w.@+-]+")


@dataclass(frozen=True)
class Leak:
    """Something that must not be published."""

    file: str
    line: int | None
    """Counted from 1; None in files that are not text."""
    what: str

    def describe(self) -> str:
        """Return it in one line."""
        return f"{self.file if self.line is None else f'{self.file}:{self.line}'} holds {self.what}"


def secrets_of(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, bytes]:
    """Return the values of environment variables that hold keys, by name, where they are long enough to be any."""
    found = {name: environment.get(name, "").strip() for name in names}
    return {name: value.encode() for name, value in found.items() if len(value) >= SHORTEST_SECRET}


def find_leaks(name: str, content: bytes, secrets: Mapping[str, bytes]) -> Iterator[Leak]:
    """Find what must not be published in one file.

    Args:
        name: of the file. Of text (.md, .json) every absolute path counts; of other files those that are of this
            machine or begin like people's folders do, for networks name their layers with slashes, too.
        content: all of it. Of .safetensors only the header is looked at: the rest is numbers.
        secrets: values that must not appear, by the name of what holds them.
    """
    text = name.endswith((".md", ".json"))
    if name.endswith(".safetensors"):
        content = content[: 8 + int.from_bytes(content[:8], "little")]
    for variable, secret in secrets.items():
        if (at := content.find(secret)) >= 0:
            yield Leak(name, _line(content, at) if text else None, f"the value of ${variable}")
    for what, pattern in _SECRETS.items():
        if found := re.search(pattern, content):
            yield Leak(name, _line(content, found.start()) if text else None, what)
    if text:
        for character, path in find_places(content.decode(errors="replace")):
            line = content.decode(errors="replace").count("\n", 0, character) + 1
            yield Leak(name, line, f"a path of a machine, {path}")
    else:
        yield from _places_in_binary(name, content)


def _places_in_binary(name: str, content: bytes) -> Iterator[Leak]:
    here = {Path.home(), Path.cwd(), Path(sys.prefix)}
    for place in sorted(str(place) for place in here if len(place.parts) > 1):
        if f"{place}{os.sep}".encode() in content:
            yield Leak(name, None, f"paths of this machine below {place}")
            return
    if found := _PLACES_OF_MACHINES.search(content):
        yield Leak(name, None, f"a path of a machine, {found[0].decode(errors='replace')}")


def _line(content: bytes, at: int) -> int:
    return content.count(b"\n", 0, at) + 1
