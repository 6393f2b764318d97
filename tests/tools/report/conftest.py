"""A run folder as a finished run leaves it, with tiny pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_folders import write_run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ageing"
    write_run(folder)
    return folder
