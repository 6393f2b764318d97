"""Every command lets idle OpenMP threads spin briefly, then sleep, unless the user has asked for something else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

PLUGIN = """
import os, sys
import gdp
print("policy", os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "passive 2000"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "100"}, "None 100"),
    ],
)
def test_the_policy_is_set_before_anything_that_could_import_torch(
    asked: dict[str, str], found: str, tmp_path: Path
) -> None:
    (tmp_path / "shows_policy.py").write_text(PLUGIN)
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | asked
    command = [sys.executable, "-m", "gdp", "list-plugins", "--plugins-dir", str(tmp_path)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert f"policy {found} False" in finished.stderr  # where what plugins print goes
