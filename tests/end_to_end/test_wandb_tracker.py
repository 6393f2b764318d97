"""An offline folder of Weights & Biases holds the numbers of `statistics.jsonl`."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tracked_runs import metrics_of, require_equal, tracked_run
from wandb.proto.wandb_internal_pb2 import Record

_HEAD, _BLOCK, _WHOLE, _LAST = 7, 2**15, 1, 4
"""Of LevelDB's format of logs: bytes of a head, of a block, and the kinds of piece with which a record ends."""


def records(file: Path) -> Iterator[Any]:
    """Yield the records of a file that wandb would send."""
    data, place, pieces = file.read_bytes(), _HEAD, b""
    while place + _HEAD <= len(data):
        room = _BLOCK - place % _BLOCK
        if room < _HEAD:
            place += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        pieces += data[place + _HEAD : place + _HEAD + length]
        place += _HEAD + length
        if kind in (_WHOLE, _LAST):
            record = Record()
            record.ParseFromString(pieces)
            pieces = b""
            yield record


def items(message: Any) -> dict[str, Any]:
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in message}


def test_the_offline_folder_of_a_run_that_broke_off_holds_its_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = tracked_run(tmp_path, {"wandb": {"project": "faces"}})
    files = sorted((run / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    assert len({file.stem for file in files}) == 1, "what goes on is the same run there"
    found: dict[int, dict[str, float]] = {}
    summary: dict[str, Any] = {}
    artifacts, shown, config = [], [], {}
    for record in (record for file in files for record in records(file)):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row = items(record.history.item)
            numbers = {name[6:]: row[name] for name in row if name.startswith("train/") and "samples" not in name}
            step = numbers.pop("step")
            assert step not in found or not numbers, "told twice"
            found.setdefault(step, {}).update(numbers)
            shown += [step] if "train/samples/path" in row else []
        elif kind == "summary":
            summary |= items(record.summary.update)
        elif kind == "run":
            assert record.run.project == "faces"
            config |= items(record.run.config.update)
        elif kind == "artifact":
            artifacts.append({entry.path for entry in record.artifact.manifest.contents})
    require_equal(found, run)
    assert {name[9:]: summary[name] for name in summary if name.startswith("evaluate/")} == metrics_of(run)
    assert shown == [8, 16]
    assert config["train"]["steps"] == 16
    assert summary["filter.train"] > 0
    (handed,) = artifacts
    assert {"recipe.toml", "metrics.json", "report.html", "student/student.safetensors"} <= handed
