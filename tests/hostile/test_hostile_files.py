"""No foreign file runs anything, and each that cannot be read says so in a paragraph, soon and in little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_corpus import hostile_files

pytestmark = pytest.mark.process

READER = Path(__file__).with_name("read_hostile_files.py")
SECONDS = 5.0
MEMORY = 2**30


def good_file(path: Path) -> Path:
    torch.save(torch.ones(1, 16), path)  # a direction
    return path


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary"
    files = hostile_files(canary)
    for name, content in files.items():
        (folder / f"{name.replace('/', '_')}.hostile").write_bytes(content)
    command = [sys.executable, str(READER), str(folder), str(good_file(folder / "good.pt"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return {
        **found,
        "canary": canary.exists(),
        "count": len(files),
        "there": sorted(path.name for path in (folder / "out").iterdir()),
    }


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


def test_the_corpus_is_large(read: dict[str, Any]) -> None:
    assert len(read["outcomes"]) == read["count"] >= 40


def test_nothing_of_a_file_is_run_imported_or_unpickled(read: dict[str, Any]) -> None:
    assert not read["canary"]
    assert not read["events"]


def test_each_file_gets_an_error_of_one_paragraph(read: dict[str, Any]) -> None:
    for name, outcome in read["outcomes"].items():
        assert outcome["kind"] == "CorruptFileError", f"{name}: {outcome}"
        assert outcome["message"].isprintable(), name
        assert len(outcome["message"]) < 2000, name
        assert f"{name}.hostile" in outcome["message"]
    assert read["there"] == ["good.json", "good.safetensors"]


def test_each_answer_takes_less_than_five_seconds_of_the_processor(read: dict[str, Any]) -> None:
    slow = {name: outcome["seconds"] for name, outcome in read["outcomes"].items() if outcome["seconds"] > SECONDS}
    assert not slow


def test_all_of_them_take_less_than_a_gigabyte(read: dict[str, Any]) -> None:
    assert read["memory"] < MEMORY


def test_the_refused_name_is_said(read: dict[str, Any]) -> None:
    for name, said in (
        ("reduce", "names os.system"),
        ("reduce-stack-global", "names posix.system"),
        ("newobj", "names subprocess.Popen"),
        ("inst", "names os.system"),
        ("name-torch-serialization.os.system", "names torch.serialization.os.system"),
        ("call-of-inert-name", "calls builtins.int"),
        ("extension-1", "by its extension number"),
        ("storage-that-is-a-torch-file", "names os.system"),
    ):
        assert said in read["outcomes"][name]["message"]
