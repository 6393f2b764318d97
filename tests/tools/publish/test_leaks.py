"""What is found in files that are to be published, in whatever form it stands there; and what is none of it."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path

import pytest
from fake_hub import FakeHub
from onnx import helper
from PIL import Image, PngImagePlugin

from gdp.core.errors import CorruptFileError, GdpError
from gdp.support.places import find_places, without_places
from gdp.tools.publish.hub import Request, prepare
from gdp.tools.publish.leaks import find_leaks, secrets_of

PLACES = [
    "weights:/home/alice/x",
    "weights=/home/alice/x.safetensors",
    "weights: /data/alice/x",
    "worker3:/data/alice/x",
    "~/secret",
    "~alice/secret/x",
    "(~/secret)",
    "C:/Users/alice",
    "C:\\Users\\alice\\x",
    "D:\\faces",
    "\\\\server\\share",
    "\\\\server\\share\\alice\\x",
    "\\\\?\\C:\\alice\\x",
    "file:///home/alice/x",
    "file:/home/alice/x",
    "FILE:///C:/Users/alice",
    "file://localhost/home/alice",
    "smb://server/share/alice",
    "//server/share/alice",
    "**/home/alice/x**",
    "<b>/Users/alice/x</b>",
    "`/mnt/alice/x`",
    "-I/home/alice/include",
    "[a](/home/alice/x)",
    "/Volumes/disk/alice",
    "%USERPROFILE%\\faces",
    "%userprofile%/alice/x",
    "$HOME/alice/x",
    "${HOME}/alice",
    "$env:USERPROFILE\\alice",
    "~\\faces",
    "s3://alice-private/faces",
    "vscode-remote://ssh-remote+host/home/alice",
    "alice@host:faces/x",
]
SECRETS = [
    "hf_" + "a1B2" * 6,
    "api_org_" + "a1B2" * 8,
    "AKIA" + "ABCD1234" * 2,
    "ASIA" + "ABCD1234" * 2,
    "aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "Authorization: Bearer abcDEF123456789.x",
    "authorization: bearer abcdef0123456789abcdef",
    "Authorization: Basic YWRhOnNlY3JldA==",
    "Ocp-Apim-Subscription-Key: 0123456789abcdef0123456789abcdef",
    'azure key: "0123456789abcdef0123456789abcdef"',
    "a" * 52 + "JQQJ99" + "B" * 10 + "ACAAAA",
    "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=abc123def456ghi789==",
    "SharedAccessKey=abcdef0123456789=",
    "https://x.blob.core.windows.net/c/f?sv=2024&sig=abcdef0123456789",
    "https://x.example/f?X-Amz-Signature=abcdef0123456789",
    "https://x.example/f?access_token=abcdef0123456789",
    "https://ada:word@example.org/x",
    "postgres://ada:word@db/x",
    "https://0123456789abcdef01234567@github.com/ada/x",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "sk-proj-" + "a1B2" * 6,
    "sk-ant-api03-" + "a1B2" * 6,
    "xoxb-123456789012-abcdefghijkl",
    "AIza" + "a" * 35,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----",
    "password: correct-horse1",
    'api_key = "abcdef0123456789"',
    "client-secret: abcdef0123456789",
    "bearer=abcdef1234567890",
    "sk-" + "a1B2" * 12,
    "npm_" + "a1B2" * 9,
    "pypi-AgEIcHlwaS5vcmc" + "a1" * 20,
    "dckr_pat_" + "a1B2" * 7,
    "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz",
    "key-" + "a1b2" * 8,
    "whsec_" + "a1B2" * 8,
    "https://hooks.slack.com/services/T00000000/B00000000/abc",
    "https://discord.com/api/webhooks/123456789012345678/abc",
    "wandb login 0123456789abcdef0123456789abcdef01234567",
]
HARMLESS = """---
license: other
tags: [image-to-image, gan-distillation]
---
[gdp](https://example.org/gdp) and `gdp apply THIS_FOLDER photos/ -o translated/`; keys: none; token count: 12
PSNR = 10 log10(255^2 / mean squared difference), 3 pairs/s, and/or, 1/2/3, datasets/faces/train, a ratio of 16:9, ~3/4
/verify of the service; [-1, 1]; </details></summary>; key_from = "AZURE_FACE_KEY"; api_key = $AZURE_FACE_KEY
sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef; basic understanding; bearer of news
https://huggingface.co/ada/tiny/resolve/main/home/x.safetensors?download=true#sha256=0123456789abcdef
weights `builtin:faces64`; a secret of success: none; pass: 12; ssim: 0.93; \\alpha + \\beta; torch 2.10.0+cpu
"""


def leaks(name: str, content: bytes) -> list[str]:
    return [leak.what for leak in find_leaks(name, content, {})]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_of_any_system_is_found_and_cut(place: str) -> None:
    for text in (place, f"made from {place} with care", f"- {place}\n"):
        assert list(find_places(text)), text
        assert any("path" in what for what in leaks("README.md", text.encode())), text
        assert "alice" not in without_places(text) or without_places(text) != text
    assert leaks("student.json", json.dumps({"config": {"weights": [place]}}).encode())


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_of_any_form_is_found(secret: str) -> None:
    assert leaks("README.md", f"notes: {secret}\n".encode())
    assert leaks("student.json", json.dumps({"notes": [{"said": secret}]}).encode())
    assert leaks("student.onnx", b"\x00\x07" + secret.encode() + b"\x00")


def test_what_is_neither_is_let_through() -> None:
    assert leaks("README.md", HARMLESS.encode()) == []
    assert leaks("student.json", json.dumps({"notes": HARMLESS.splitlines()}).encode()) == []


@pytest.mark.parametrize(
    "written",
    [
        '{"weights": "\\u002fhome\\u002falice\\u002fx"}',
        '{"weights": "\\/home\\/alice\\/x"}',
        '{"api_key": "abcdef0123456789"}',
        '{"headers": {"Authorization": "Bea\\u0072er abcdef0123456789"}}',
        '{"url": "https://x.example/?path=%2Fhome%2Falice%2Fx"}',
    ],
)
def test_what_json_writes_in_another_form_is_found(written: str) -> None:
    assert leaks("student.json", written.encode())


@pytest.mark.parametrize("said", ["made at /home/alice/faces", "hf_" + "a1B2" * 6, "C:/Users/alice"])
def test_texts_in_pictures_are_read_packed_ones_too(said: str) -> None:
    image = Image.new("RGB", (4, 4))
    for packed in (False, True):
        chunks, file = PngImagePlugin.PngInfo(), io.BytesIO()
        chunks.add_text("Comment", said, zip=packed)
        image.save(file, "PNG", pnginfo=chunks)
        assert leaks("samples.png", file.getvalue())
    exif = Image.Exif()
    exif[0x010E] = said
    for ending in ("png", "webp"):
        file = io.BytesIO()
        image.save(file, ending, exif=exif)
        assert leaks(f"samples.{ending}", file.getvalue())
        file = io.BytesIO()
        image.save(file, ending)
        assert not leaks(f"samples.{ending}", file.getvalue())


def test_metadata_of_weights_are_read() -> None:
    def weights(metadata: dict[str, str]) -> bytes:
        header = json.dumps({"__metadata__": metadata}).encode()
        return struct.pack("<Q", len(header)) + header + b"/home/alice/numbers"

    assert leaks("student.safetensors", weights({"from": "~/secret"}))
    assert leaks("student.safetensors", weights({"token": "abcdef0123456789"}))
    assert leaks("student.safetensors", weights({"converted_from": "ab" * 32})) == []


@pytest.mark.parametrize("said", [*SECRETS, *PLACES])
def test_metadata_and_remarks_of_onnx_are_read(said: str) -> None:
    node = helper.make_node("Identity", ["x"], ["y"], name="/encoder/block/Conv", doc_string=said)
    model = helper.make_model(helper.make_graph([node], "g", [], []))
    assert leaks("student.onnx", model.SerializeToString())
    model.graph.node[0].doc_string = ""
    assert leaks("student.onnx", model.SerializeToString()) == []
    helper.set_model_props(model, {"made": said})
    assert leaks("student.onnx", model.SerializeToString())


def test_a_card_in_another_encoding_is_refused(student: Path) -> None:
    card = student / "README.md"
    for encoding in ("utf-16", "utf-16-le", "latin-1"):
        card.write_text(
            "---\nlicense: other\n---\nfaçade /home/alice/x"[: None if encoding == "latin-1" else 30], encoding
        )
        with pytest.raises(CorruptFileError, match="save it as UTF-8"):
            prepare(Request(student, "ada/tiny"))


def test_keys_of_the_environment_are_found_in_every_form() -> None:
    environment = {"MY_SERVICE_TOKEN": "a word/with+signs", "X_API_KEY": "correct-horse+battery", "EDITOR": "vi" * 10}
    secrets = secrets_of(environment, {"MY_SERVICE_TOKEN"})
    assert set(secrets) == {"MY_SERVICE_TOKEN", "X_API_KEY"}
    key = environment["X_API_KEY"].encode()
    for form in (key, b"correct-horse%2Bbattery", base64.b64encode(key)):
        told = [leak.describe() for leak in find_leaks("README.md", b"\n\n" + form, secrets)]
        assert any("README.md:3 holds the value of $X_API_KEY" in line for line in told)
        assert "horse" not in "".join(told)


def test_pictures_of_held_out_pairs_are_published_only_when_asked(student: Path) -> None:
    card = student / "README.md"
    shown = "![What it makes of held-out pictures](samples.png)\n\n"
    card.write_text(card.read_text().replace("## Licence", f"{shown}## Licence"))
    parts = {part.name: part.content for part in prepare(Request(student, "ada/tiny")).parts}
    assert "samples.png" not in parts and b"samples.png" not in parts["README.md"]
    parts = {part.name: part.content for part in prepare(Request(student, "ada/tiny", samples=True)).parts}
    assert "samples.png" in parts and shown in parts["README.md"].decode()


def test_a_link_out_of_the_folder_is_not_published(student: Path, tmp_path: Path, hub: FakeHub) -> None:
    outside = tmp_path / "private.png"
    outside.write_bytes(b"\x89PNG of somebody")
    (student / "samples.png").unlink()
    (student / "samples.png").symlink_to(outside)
    with pytest.raises(CorruptFileError, match="link out of its folder"):
        prepare(Request(student, "ada/tiny", samples=True))


def test_every_leak_is_told_once_with_its_line(student: Path) -> None:
    with (student / "README.md").open("a") as file:
        file.write("\n~/secret\n\nAuthorization: Bearer abcdef0123456789\n")
    with pytest.raises(GdpError) as caught:
        prepare(Request(student, "ada/tiny"))
    told = str(caught.value)
    assert told.count("~/secret") == 1 and told.count("bearer token") == 1 and "abcdef" not in told
    line = 1 + (student / "README.md").read_text().splitlines().index("~/secret")
    assert f"README.md:{line} holds a path" in told
