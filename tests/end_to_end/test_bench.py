"""`gdp bench`, as a user calls it: every row is a process of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gdp.cli.app import app


def gdp_command(*arguments: str | Path, expect: int = 0) -> str:
    finished = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert finished.exit_code == expect, finished.output
    return finished.stdout if expect == 0 else finished.stderr


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(finished_run.parents[1], tmp_path_factory.mktemp("bench") / "world")) / "runs" / "tiny"


@pytest.fixture(scope="module")
def found(run: Path) -> dict[str, Any]:
    plot, output = run.parent / "bench.png", run.parent / "bench.json"
    printed = gdp_command(
        "bench",
        run,
        "--engines",
        "torch,onnx",
        "--repeats",
        "3",
        "--slow-steps",
        "2",
        "--plot",
        plot,
        "-o",
        output,
        "--json",
    )
    assert plot.stat().st_size > 1000
    data: dict[str, Any] = json.loads(printed)
    assert json.loads(output.read_text()) == data
    return data


def test_the_table_holds_teacher_slow_route_and_every_engine(found: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["teacher", "slow route", "student, torch", "student, onnx"]
    for row in rows.values():
        assert "failure" not in row, row
        assert row["milliseconds_p10"] <= row["milliseconds"] <= row["milliseconds_p90"]
        assert row["images_per_second"] == pytest.approx(1000 / row["milliseconds"])
        assert row["memory"]["loading_peak_bytes"] > 1e7
        assert row["file_bytes"] > 0
    assert rows["student, onnx"]["parameters"] == rows["student, torch"]["parameters"] > 1000
    assert rows["student, onnx"]["macs"] > 0
    assert found["machine"]["processor"]
    assert found["versions"]["torch"]


def test_the_slow_route_says_what_was_measured_of_it(found: dict[str, Any]) -> None:
    (slow,) = [row for row in found["rows"] if row["kind"] == "slow route"]
    assert slow["total_steps"] == 1000
    assert slow["measured_steps"] == len(slow["measured_ms"]) == 2
    assert "squared differences" in slow["distance"]
    assert slow["milliseconds"] >= 1000 * min(slow["measured_ms"])


def test_engines_are_held_against_torch_in_float32(found: dict[str, Any]) -> None:
    for row in found["rows"]:
        if row["kind"] == "student":
            assert row["difference"]["largest"] <= 1
            assert row["times_faster_than"]["slow route"] > 1


def test_only_the_engine_that_needs_torch_has_its_memory(found: dict[str, Any]) -> None:
    memory = {row["name"]: row["memory"]["loading_peak_bytes"] for row in found["rows"]}
    assert memory["student, onnx"] < memory["student, torch"] / 2


def test_an_exported_file_is_measured_at_other_sizes_and_threads(run: Path) -> None:
    printed = gdp_command(
        "bench", run / "student" / "student.onnx", "--sizes", "16,32", "--threads", "1", "--repeats", "2", "--json"
    )
    rows = json.loads(printed)["rows"]
    assert [(row["size"], row["threads"], row["engine"]) for row in rows] == [(16, 1, "onnx"), (32, 1, "onnx")]
    assert all("failure" not in row for row in rows)


def test_mistakes_are_told_before_anything_is_measured(run: Path, tmp_path: Path) -> None:
    for code, arguments, told in (
        (2, ("bench",), "name a run"),
        (2, ("bench", run, "--paper"), "not both"),
        (2, ("bench", run, "--sizes", "big"), "whole numbers"),
        (2, ("bench", run, "--engines", "onx"), "did you mean onnx?"),
        (2, ("bench", run, "--plot", tmp_path / "plot.jpeg2000"), ".png"),
        (1, ("bench", tmp_path), "no trained student"),
    ):
        assert told in gdp_command(*arguments, expect=code), arguments
