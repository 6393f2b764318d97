"""A small student folder as gdp run leaves it, and a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import TOKEN, FakeHub, running_hub

from gdp.tools.deploy.cards import Card, Difference, write_card

CARD = """---
license: other
library_name: gdp
---

# tiny

## Licence

The teacher `builtin:x` comes with its plugin under Apache-2.0.

## Limits

- none
"""


def write_export(folder: Path, name: str, engine: str, content: bytes, weights: str) -> None:
    path = folder / name
    path.write_bytes(content)
    difference = Difference(16, 1, 0.01, 60.0)
    sha256 = hashlib.sha256(content).hexdigest()
    write_card(Card(engine, "a test", 4, 3, 64, weights, len(content), sha256, difference, {}), path)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """A `student/` folder with exports for onnx and openvino."""
    folder = tmp_path / "runs" / "tiny" / "student"
    folder.mkdir(parents=True)
    header = b'{"__metadata__":{}}'
    weights = struct.pack("<Q", len(header)) + header
    (folder / "student.safetensors").write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    (folder / "student.json").write_text(json.dumps({"plugin": "resnet", "weights_sha256": digest}))
    (folder / "README.md").write_text(CARD)
    (folder / "samples.png").write_bytes(b"\x89PNG")
    (folder / "engine.json").write_text(json.dumps({"engine": "onnx"}))
    write_export(folder, "student.onnx", "onnx", b"onnx", digest)
    write_export(folder, "student.xml", "openvino", b"<net/>", digest)
    (folder / "student.bin").write_bytes(b"numbers")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that huggingface_hub takes for the public one, over LFS (its newer storage needs a service of its own)."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with running_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.address)
        yield running
