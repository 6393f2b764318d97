"""What must not be published: places of machines, and secrets; messages never show a secret. Imports no torch."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from gdp.support.places import find_places

SHORTEST_SECRET = 8
"""Characters; a shorter value of an environment variable is found by chance and is no key."""
_SHORTEST_GUESSED = 12
"""Characters of the value of a variable that only its name makes a secret."""
_SECRET_NAME = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")

_VALUE = rb"(?![$<*{%]|env:|None|null|true|false)[^\s\"'`,;&<>|)}\]\\]{8,}"
_SECRETS = {
    "a Hugging Face token": rb"\b(?:hf|api_org)_[A-Za-z0-9]{20,}",
    "an API key": rb"\b(?:sk|pk|rk|r8|pplx|gsk|nvapi|glpat|xox[abprs]|sk_live|rk_live)[-_](?=\S*\d)[A-Za-z0-9_-]{20,}",
    "an AWS access key": rb"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b",
    "a GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    "a Google API key": rb"\b(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})",
    "an Azure key": rb"\b[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{10,}|(?i:\bkey\d?\b[\"'`\s:=]{1,5}[0-9a-f]{32}\b)",
    "a registry's token": rb"\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}|dckr_pat_[A-Za-z0-9_-]{20,})",
    "a key of a service": rb"\b(?:SG\.[\w-]{16,}\.[\w-]{16,}|key-[0-9a-f]{32}\b|whsec_[A-Za-z0-9+/=]{20,}"
    rb"|hooks\.slack\.com/services/\w+|discord(?:app)?\.com/api/webhooks/\d+|(?i:wandb)\W[^\n]{0,20}\b[0-9a-f]{40}\b)",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY|PuTTY-User-Key-File",
    "a bearer token": rb"(?i:\b(?:bearer|basic)[\s:=]+(?=\S*[0-9=])[A-Za-z0-9._~+/=-]{12,})",
    "a signed token": rb"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.",
    "an address with a password": rb"(?i:\b[a-z][a-z0-9+.-]*://(?:[^/\s:@\"']*:[^/\s@\"']+|[^/\s@\"'<>()]{20,})@)",
    "an address with a key": rb"(?i:[?&;](?:sig|sas|key|auth|code|secret|password|signature|[a-z]*_?token|[a-z]*[_-]?"
    rb"key|x-(?:amz|goog|ms)-[a-z-]*)=[^&\s\"'<>]{8,})",
    "a secret by its name": rb"(?i:(?:api|access|account|auth|client|private|secret|shared|subscription)[_ -]?"
    rb"(?:access[_ -]?)?(?:key|token|secret)|accountkey|sharedaccesskey|password|passwd|\bsecret|\btoken)"
    rb"[\"'`]*\s*[:=]\s*[\"'`]*" + _VALUE,
}
_PLACES_OF_MACHINES = re.compile(
    rb"/(?:home|Users|root|mnt|media|opt|tmp|usr|srv|Volumes|workspace)/[\w.@+-]+/[\w.@+-]+"
    rb"|\b[A-Za-z]:[\\/]{1,2}(?:Users|Documents and Settings)[\\/]{1,2}[\w.@+-]+"
    rb"|\bfile:/{1,3}[\w.@%+-]{2,}/[\w.@%/+-]+"
)
_TEXTS = (".md", ".json", ".txt", ".toml", ".xml")
_PICTURES = (".png", ".webp", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Leak:
    """Something that must not be published."""

    file: str
    line: int | None
    """Counted from 1; None in files that are not text, and in what stands in a file in another form."""
    what: str

    def describe(self) -> str:
        """Return it in one line."""
        return f"{self.file if self.line is None else f'{self.file}:{self.line}'} holds {self.what}"


def secrets_of(environment: Mapping[str, str], names: Iterable[str]) -> dict[str, bytes]:
    """Return the values of environment variables that hold keys, by name, where they are long enough to be any.

    Args:
        environment: all variables; those that are called a key, token, secret or password count, too.
        names: of those that are known to hold a key.
    """
    known = {name: environment.get(name, "").strip() for name in names}
    guessed = {
        name: value.strip()
        for name, value in environment.items()
        if _SECRET_NAME.search(name.upper()) and len(value.strip()) >= _SHORTEST_GUESSED and "/" not in value
    }
    return {name: value.encode() for name, value in {**guessed, **known}.items() if len(value) >= SHORTEST_SECRET}


def find_leaks(name: str, content: bytes, secrets: Mapping[str, bytes]) -> Iterator[Leak]:
    """Find what must not be published in one file.

    Args:
        name: of the file. Of text (.md, .json) every absolute path counts; of other files those that are of this
            machine or begin like people's folders do, for networks name their layers with slashes, too.
        content: all of it. Of .safetensors only the header is looked at: the rest is numbers. Of JSON, and of texts in
            pictures, what is meant is looked at beside what is written.
        secrets: values that must not appear, by the name of what holds them.
    """
    is_text = name.endswith(_TEXTS)
    if name.endswith(".safetensors"):
        content = content[8 : 8 + int.from_bytes(content[:8], "little")]
    found = set()
    forms = [(content, is_text, is_text), *((form, False, True) for form in _other_forms(name, content))]
    if not is_text and not name.endswith(".safetensors"):
        forms.append((_texts_of_binary(content), False, False))
    for form, counts_lines, words in forms:
        for at, what in (*_secrets_in(form, secrets), *(_places_in(form) if words else _places_in_binary(form))):
            if what not in found:
                found.add(what)
                yield Leak(name, form.count(b"\n", 0, at) + 1 if counts_lines else None, what)


def _secrets_in(content: bytes, secrets: Mapping[str, bytes]) -> Iterator[tuple[int, str]]:
    for variable, secret in secrets.items():
        for form in (secret, quote(secret, safe="").encode(), base64.b64encode(secret).rstrip(b"=")):
            if (at := content.find(form)) >= 0:
                yield at, f"the value of ${variable}"
                break
    for what, pattern in _SECRETS.items():
        if found := re.search(pattern, content):
            yield found.start(), what


def _places_in(content: bytes) -> Iterator[tuple[int, str]]:
    text = content.decode("utf-8", "replace")
    for character, path in find_places(text):
        yield len(text[:character].encode()), f"a path of a machine, {path}"


def _places_in_binary(content: bytes) -> Iterator[tuple[int, str]]:
    here = {Path.home(), Path.cwd(), Path(sys.prefix)}
    for place in sorted(str(place) for place in here if len(place.parts) > 1):
        if (at := content.find(f"{place}{os.sep}".encode())) >= 0:
            yield at, f"paths of this machine below {place}"
            return
    if found := _PLACES_OF_MACHINES.search(content):
        yield found.start(), f"a path of a machine, {found[0].decode(errors='replace')}"


def _other_forms(name: str, content: bytes) -> Iterator[bytes]:
    """Yield what a file means where that is written in another form: escapes of JSON, texts in pictures, %2F."""
    if name.endswith((".json", ".safetensors")):
        with suppress(ValueError, RecursionError):  # no JSON: what is written has been looked at
            yield "\n".join(_strings(json.loads(content))).encode("utf-8", "replace")
    if name.endswith(".onnx"):
        yield from _texts_of_onnx(content)
    if name.endswith(_PICTURES):
        yield "\n".join(_texts_of_picture(content)).encode("utf-8", "replace")
    if name.endswith(_TEXTS) and b"%" in content:
        yield unquote_to_bytes(content)


def _strings(data: Any) -> Iterator[str]:
    """Yield the texts in plain data; a key stands before its text, as `key: text`."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)
    elif isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, str):
                yield f"{key}: {value}"
                yield value
            else:
                yield key
                yield from _strings(value)


def _texts_of_binary(content: bytes) -> bytes:
    """Return what may be text: before it may stand bytes of its kind and its length, which look like letters of it."""
    runs = re.findall(rb"[\x20-\x7e]{10,}", content)
    return b"\n".join(run[start:] for run in runs for start in (1, 2))


def _texts_of_onnx(content: bytes) -> Iterator[bytes]:
    """Yield what people write into a network's file: its remarks and its metadata, not the names of its layers."""
    if importlib.util.find_spec("onnx") is None:
        return
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # noqa: BLE001 # protobuf's, which are of no one kind; the bytes have been looked at
        return
    parts = [model, model.graph, *model.graph.node]
    texts = [part.doc_string for part in parts]
    texts += [f"{entry.key}: {entry.value}" for part in parts for entry in part.metadata_props]
    texts += [model.producer_name, model.producer_version, model.domain, model.graph.name]
    yield "\n".join(text for text in texts if text).encode("utf-8", "replace")


def _texts_of_picture(content: bytes) -> Iterator[str]:
    """Yield the texts of a picture's chunks, packed ones too, and of its EXIF."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            values = [*picture.info.items(), *picture.getexif().items()]
    except Exception:  # noqa: BLE001 # no picture that can be read: its bytes have been looked at
        return
    for key, value in values:
        if key not in ("icc_profile", "exif"):
            yield f"{key}: {value.decode('latin-1') if isinstance(value, bytes) else value}"
