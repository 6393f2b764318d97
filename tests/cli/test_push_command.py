"""`gdp push` as a person uses it."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

CARD = """---
license: other
---

# tiny

## Licence

The teacher's weights (`x`) were given by whoever made this student; their licence is not known to gdp.
"""
TOKEN = "hf_SomeToken"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "tiny" / "student"
    folder.mkdir(parents=True)
    weights = struct.pack("<Q", 2) + b"{}"
    (folder / "student.safetensors").write_bytes(weights)
    (folder / "student.json").write_text(json.dumps({"weights_sha256": hashlib.sha256(weights).hexdigest()}))
    (folder / "README.md").write_text(CARD)
    return tmp_path


def gdp_push(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "gdp", "push", *arguments]
    surroundings = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"} | environment
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_dry_run_needs_no_token_and_warns_of_an_unknown_licence(run: Path) -> None:
    finished = gdp_push(run, "tiny", "ada/tiny", "--dry-run")
    assert finished.returncode == 0, finished.stderr
    assert [line.split()[0] for line in finished.stdout.splitlines()[1:4]] == [
        "student.safetensors",
        "student.json",
        "README.md",
    ]
    assert "nothing was sent" in finished.stdout
    assert "warning: gdp does not know under which licence" in finished.stderr
    told = json.loads(gdp_push(run, "tiny", "ada/tiny", "--dry-run", "--licence", "cc0-1.0", "--json").stdout)
    assert (told["licence"], told["licence_is_known"], told["commit"]) == ("cc0-1.0", False, None)


def test_mistakes_are_told_in_one_paragraph_without_the_token(run: Path) -> None:
    no_hub = {"HF_TOKEN": TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"}
    for arguments, environment, told in (
        (("tiny", "ada/tiny"), {}, "$HF_TOKEN holds no token"),
        (("tiny", "ada/tiny", "--token-from", "MINE"), no_hub, "$MINE holds no token"),
        (("tiny", "ada/tiny"), no_hub, "the hub cannot be reached"),
        (("tiny", "tiny"), no_hub, "names no repository"),
        (("none", "ada/tiny"), no_hub, "there is no trained student"),
    ):
        finished = gdp_push(run, *arguments, **environment)
        assert finished.returncode == (2 if told == "names no repository" else 1), arguments
        paragraph = finished.stderr.splitlines()[-1]
        assert paragraph.startswith("error: ") and told in paragraph
        assert "Traceback" not in finished.stderr and TOKEN not in finished.stderr + finished.stdout
