"""The script for a GPU at hand works: on the processor with numbers, on a pretended GPU with its devices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import device as script
import pytest
import torch

pytestmark = pytest.mark.training


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # what the script would leave behind in this process
    with torch.random.fork_rng():
        yield


def test_all_parts_are_measured_written_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "device.json"
    parts = ["works", "training", "synthesis", "pairs"]  # gdp bench has tests of its own
    script.main(["--small", "--device", "cpu", "--output", str(output), *(f"--only={name}" for name in parts)])
    written, shown = json.loads(output.read_text(encoding="utf-8")), capsys.readouterr().out
    assert [*written["parts"]] == parts
    assert {part["outcome"] for part in written["parts"].values()} == {"done"}
    assert written["small"] and written["machine"]["device"] == "cpu" and "torch" in written["versions"]
    for row in ("step stylegan2", "step pix2pixhd", "step cyclegan", "synthesis config-f", "projection", "pairs 64 px"):
        assert row in shown
    assert written["parts"]["pairs"]["found"]["64"]["ratio"]["stage"]["median"] > 0


def test_a_part_that_fails_is_told_beside_the_others() -> None:
    parts = {"works": {"outcome": "done", "found": {"cyclegan": "passed", "stylegan2": "RuntimeError: no kernel"}},
             "pairs": {"outcome": "ended with exit code 1", "found": {}},
             "engines": {"outcome": "no time was left"}}  # fmt: skip
    text = "\n".join(" ".join(row) for row in script.rows_of(parts))
    assert "1 passed, 1 failed" in text and "stylegan2: RuntimeError: no kernel" in text
    assert "pairs ended with exit code 1" in text and "engines no time was left" in text


def test_without_a_gpu_the_whole_is_refused_with_what_can_be_done(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        script.main(["--device", "cpu", "--output", str(tmp_path / "device.json")])
    assert "there is no GPU here; --small tries the script on the processor" in capsys.readouterr().err
