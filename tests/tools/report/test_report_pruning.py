"""The report's table of what pruning left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gdp.tools.report import read_folder, write_report

RECORD = {
    "of": "student",
    "share": 0.5,
    "run": "/runs/ageing",
    "weights_sha256": "0" * 64,
    "before": {"parameters": 2_031_427, "macs": 900_000_000},
    "after": {"parameters": 1_123_456, "macs": 445_500_000},
    "channels": {"stem <b>": {"before": 64, "after": 48}},
    "settings": {},
}


def page_of(folder: Path) -> str:
    return write_report(read_folder(folder)).read_text(encoding="utf-8")


def test_sizes_and_channels_are_shown_before_and_after(run_folder: Path) -> None:
    (run_folder / "pruning.json").write_text(json.dumps(RECORD))
    page = page_of(run_folder)
    assert "The student&#39;s network of the run /runs/ageing was pruned to 50\u00a0%" in page
    for cells in (("2.03 M", "1.12 M", "55.3\u00a0%"), ("900 M", "446 M", "49.5\u00a0%"), ("64", "48", "75\u00a0%")):
        assert "".join(f'<td class="number">{cell}</td>' for cell in cells) in page
    assert "stem &lt;b&gt;" in page


def test_a_run_that_was_not_pruned_has_no_such_table(run_folder: Path) -> None:
    assert 'id="pruning"' not in page_of(run_folder)


@pytest.mark.parametrize(
    "record",
    [
        [1],
        {**RECORD, "share": "half"},
        {**RECORD, "before": {"parameters": 10**400, "macs": 1}},
        {**RECORD, "after": {"macs": 1}},
        {**RECORD, "channels": {"stem": 3}},
    ],
)
def test_a_damaged_record_is_named_and_the_rest_shown(run_folder: Path, record: Any) -> None:
    (run_folder / "pruning.json").write_text(json.dumps(record))
    page = page_of(run_folder)
    assert 'id="pruning"' not in page
    assert "pruning.json: this is not what gdp wrote" in page
