"""What is made of measured times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gdp.tools.bench.table import notes
from gdp.tools.bench.tasks import Bench, Kind, Row, Task


def row(kind: Kind, name: str, milliseconds: list[float], *, size: int = 64, **facts: Any) -> Row:
    engine = name.split(", ")[1] if kind == "student" else ""
    return Row(
        Task(kind, name, Path(), size, Path(), engine=engine), milliseconds, list(range(len(milliseconds))), facts
    )


SLOW = {"total_steps": 1000, "setup_ms": 500.0, "finish_ms": 20.0}


def test_the_slow_route_is_extrapolated_from_its_steps() -> None:
    slow = row("slow route", "slow route", [9.0, 10.0, 14.0], **SLOW)
    assert slow.median_ms == 1000 * 10 + 520
    low, high = slow.spread_ms
    assert 1000 * 9 + 520 <= low < slow.median_ms < high <= 1000 * 14 + 520


def test_ratios_are_told_within_one_size() -> None:
    torch, onnx = row("student", "student, torch", [4.0]), row("student", "student, onnx", [2.0])
    slow, other = row("slow route", "slow route", [10.0], **SLOW), row("student", "student, torch", [99.0], size=128)
    bench = Bench({}, [torch, onnx, slow, other])
    assert bench.ratios(onnx) == {"student, torch": 2.0, "slow route": pytest.approx(5260)}
    assert bench.ratios(other) == {}


def test_a_busy_turn_that_falls_on_both_changes_no_ratio() -> None:
    torch = row("student", "student, torch", [4.0, 4.0, 40.0, 40.0])
    onnx = row("student", "student, onnx", [2.0, 2.0, 20.0])
    assert Bench({}, [torch, onnx]).ratios(onnx) == {"student, torch": 2.0}


def test_a_row_that_failed_is_told_and_counts_for_nothing() -> None:
    failed = row("student", "student, torch", [])
    failed.failure = "too little memory"
    onnx = row("student", "student, onnx", [2.0])
    bench = Bench({"machine": {}}, [failed, onnx])
    assert bench.ratios(onnx) == {}
    assert bench.to_data()["rows"][0]["failure"] == "too little memory"


def test_what_is_left_out_is_told_once_for_all_sizes_and_threads() -> None:
    rows = []
    for size in (64, 128):
        for threads in (1, 2):
            found = row("student", "student, onnx", [])
            found.task = replace(found.task, size=size, threads=threads)
            found.failure = "too little memory"
            rows.append(found)
    about = {"machine": dict.fromkeys(("processor", "cores", "system", "device"), ""), "protocol": "",
             "versions": {"python": "", "torch": ""}, "left_out": {"broken": "no device"}}  # fmt: skip
    told = [line for line in notes(Bench(about, rows)) if "left out" in line]
    assert told == ["engine broken: left out: no device", "student, onnx at 64, 128 px: left out: too little memory"]
