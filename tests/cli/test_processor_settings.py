"""Every command lets idle OpenMP threads sleep, unless the user has asked for something else."""

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
print("policy", os.environ.get("OMP_WAIT_POLICY"), "torch" in sys.modules)
"""


@pytest.mark.parametrize(("asked", "found"), [(None, "passive"), ("active", "active")])
def test_the_policy_is_set_before_anything_that_could_import_torch(
    asked: str | None, found: str, tmp_path: Path
) -> None:
    (tmp_path / "shows_policy.py").write_text(PLUGIN)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if asked is None else {"OMP_WAIT_POLICY": asked}
    command = [sys.executable, "-m", "gdp", "list-plugins", "--plugins-dir", str(tmp_path)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert f"policy {found} False" in finished.stderr  # where what plugins print goes
