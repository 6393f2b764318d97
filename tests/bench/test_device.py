"""The script for a GPU at hand works: on the processor with numbers, on a pretended GPU from start to end."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import device as script
import gpu_script
import pytest
import torch
from plain.time_left import for_seconds, is_over
from plain.turns import take_turns

from gdp.core.progress import SilentProgress
from gdp.testing.pretended_gpu import run_each_on_pretended_gpu, why_no_pretended_gpu

pytestmark = [pytest.mark.training, pytest.mark.process]
needs_pretended_gpu = pytest.mark.skipif(bool(why_no_pretended_gpu()), reason=why_no_pretended_gpu())


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # what the script would leave behind in this process
    with torch.random.fork_rng():
        yield


def text_of(parts: dict[str, Any]) -> str:
    return "\n".join(" ".join(row) for row in script.rows_of(parts))


def test_parts_are_measured_written_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, parts = tmp_path / "device.json", ["synthesis", "pairs"]
    script.main(["--small", "--device", "cpu", "--output", str(output), *(f"--only={name}" for name in parts)])
    written, shown = json.loads(output.read_text(encoding="utf-8")), capsys.readouterr().out
    assert [*written["parts"]] == parts
    assert {part["outcome"] for part in written["parts"].values()} == {"done"}
    assert written["small"] and written["machine"]["device"] == "cpu" and "torch" in written["versions"]
    for row in ("synthesis config-f", "projection", "pairs 64 px"):
        assert row in shown
    assert "failed" not in shown and "left out" not in shown
    assert written["parts"]["pairs"]["found"]["64"]["ratio"]["stage"]["median"] > 0


@needs_pretended_gpu
def test_a_part_runs_on_the_pretended_gpu_in_a_process_of_its_own_and_steps_become_graphs(tmp_path: Path) -> None:
    works = {"script": partial(gpu_script.parts, tmp_path / "found.json", "synthesis"), "graphs": gpu_script.graphs}
    found = run_each_on_pretended_gpu(works, children=True)
    parts = {
        **found["script"].require().value,
        "launching": {"outcome": "done", "found": found["graphs"].require().value},
    }
    assert parts["synthesis"]["outcome"] == "done"
    text = text_of(parts)
    for row in (
        "synthesis config-f",
        "projection config-f",
        "launching cyclegan, graph",
        "launching projection, graph",
    ):
        assert row in text
    assert "failed" not in text and "left out" not in text


@pytest.mark.soak
@needs_pretended_gpu
def test_the_whole_runs_on_the_pretended_gpu_from_start_to_end(tmp_path: Path) -> None:
    work = partial(gpu_script.parts, tmp_path / "device.json")
    parts = run_each_on_pretended_gpu({"script": work}, children=True, timeout=1200)["script"].require().value
    assert [*parts] == [*script.PARTS]
    assert {part["outcome"] for part in parts.values()} == {"done"}
    text = text_of(parts)
    assert "works 1 passed" in text and "failed" not in text and "left out" not in text
    assert text.count("gdp / limit in 16 bits") == 2
    assert parts["engines"]["found"]["limit"]["computes_in"] == "bf16"
    assert parts["engines"]["found"]["student"]["machine"]["gpu"] == "pretended GPU"


def test_what_fails_or_is_left_out_is_told_beside_the_others() -> None:
    works = {
        "cyclegan": {"passed": True},
        "stylegan2": {"failed": "RuntimeError: no kernel"},
        "pruned": script.LEFT_OUT,
    }
    parts = {"works": {"outcome": "ended after 144 s", "found": works}, "engines": {"outcome": "no time was left"},
             "pairs": {"outcome": "ended with exit code 1", "found": {}}}  # fmt: skip
    times = {"plain": {"median": 0.25}, "gdp": {"median": 0.1}}
    parts["training"] = {
        "outcome": "done",
        "found": {"cyclegan": {"seconds_a_step": times, "ratio": {"median": 2.5}}},
    }
    text = text_of(parts)
    assert "step cyclegan 250 ms 100 ms 2.50 plain / gdp" in text
    assert "works 1 passed" in text and "works stylegan2 failed: RuntimeError: no kernel" in text
    assert "works pruned left out: no time was left" in text and "works ended after 144 s" in text
    assert "pairs ended with exit code 1" in text and "engines no time was left" in text


def test_a_part_begins_nothing_when_its_time_is_over_and_an_item_that_fails_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
        raise SystemExit("other pictures")

    def sleep(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
        time.sleep(0.6)
        return {"passed": True}

    items = {"fails": fail, "takes long": sleep, "comes too late": sleep}
    monkeypatch.setitem(script.PARTS, "works", script.Part(1.0, items, ()))
    told: list[dict[str, Any]] = []
    options = argparse.Namespace(small=False, device="cuda", seconds=0.5)
    script.do_part("works", options, lambda found: told.append(dict(found)))
    assert told[0] == dict.fromkeys(items, script.LEFT_OUT)
    assert told[3] == {**told[2], "takes long": script.BEGUN}
    assert told[-1] == {
        "fails": {"failed": "SystemExit: other pictures"}, "takes long": {"passed": True},
        "comes too late": script.LEFT_OUT,
    }  # fmt: skip


def test_what_is_for_a_gpu_is_left_out_on_a_processor_and_told() -> None:
    told: list[dict[str, Any]] = []
    for part in ("works", "launching"):
        options = argparse.Namespace(small=True, device="cpu", seconds=5.0)
        script.do_part(part, options, lambda found: told.append(dict(found)))
    assert told == [
        {"cyclegan": script.FOR_GPU},
        dict.fromkeys(("cyclegan, graph", "projection, graph"), script.FOR_GPU),
    ]
    assert "works cyclegan left out: it is for a GPU" in text_of({"works": {"outcome": "done", "found": told[0]}})


def test_turns_end_when_the_time_is_over_and_there_is_one_at_least() -> None:
    assert not is_over()
    with for_seconds(0.0), SilentProgress().task("turns", 12, "turns") as task:
        assert is_over()
        assert len(take_turns({"nothing": lambda: None}, 10, task)["nothing"]) == 1


HANGS = """
import json, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
open(sys.argv[sys.argv.index("--output") + 1], "w").write(json.dumps({"pid": child.pid}))
time.sleep(600)
"""


def test_a_part_that_takes_too_long_is_ended_with_all_that_it_started_and_what_it_found_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    monkeypatch.setattr(script, "__file__", str(tmp_path / "hangs.py"))
    part = script.run_part("pairs", argparse.Namespace(device="cpu", small=True), 1.0, 4.0)
    assert part["outcome"] == "ended after 4 s"
    status = Path("/proc", str(part["found"]["pid"]), "stat")
    deadline = time.monotonic() + 10
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)  # it has been killed, and is being taken down
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_without_a_gpu_the_whole_is_refused_with_what_can_be_done(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        script.main(["--device", "cpu", "--output", str(tmp_path / "device.json")])
    assert "there is no GPU here; --small tries the script on the processor" in capsys.readouterr().err
